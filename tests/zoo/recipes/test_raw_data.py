"""Raw data sets that are missing or damaged: one line that names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import raw_data as raw

from weightbench.zoo.recipes.raw_data import load_source


@pytest.mark.parametrize(
    ("name", "file", "damage", "message"),
    [
        ("mnist-inrs", "mnist/train-images-idx3-ubyte.gz", "remove", "missing; --source-dir takes"),
        ("mnist-inrs", "mnist/t10k-labels-idx1-ubyte.gz", "truncate", "copy the original file again"),
        ("mnist-inrs", "mnist/t10k-labels-idx1-ubyte.gz", "fewer", "50 labels for 60 images"),
        ("cifar10-cnns", "cifar10/part.npz", "remove", "missing; --source-dir takes"),
        ("cifar10-cnns", "cifar10/part.npz", "truncate", "copy the original file again"),
        ("cifar10-cnns", "cifar10/part.npz", "reshape", "x_train is [200, 8, 8, 3], expected ['N', 32, 32, 3]"),
        ("california-mlps", "california_housing/part.npz", "reshape", "X is [442, 3], expected ['N', 8]"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "remove", "missing; --source-dir takes"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "truncate", "copy the original file again"),
        ("imagenet-cnns", "tiny_imagenet_10/test.parquet", "reshape", "an image is [64, 40, 3]"),
    ],
)
def test_damaged_raw_data_are_one_line(
    name: str, file: str, damage: str, message: str, sources: Path, tmp_path: Path, cli
) -> None:
    path = Path(shutil.copytree(sources, tmp_path / "raw")) / file
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "fewer":
        raw.write_idx(path, np.zeros(50, np.uint8))
    elif path.suffix == ".parquet":
        images, labels = raw.crops(64)
        raw.write_images(path, images[:5, :, :40], labels[:5])
    else:
        with np.load(path) as content:
            arrays = dict(content)
        key = "x_train" if "x_train" in arrays else "X"
        arrays[key] = arrays[key][:, :8, :8] if key == "x_train" else arrays[key][:, :3]
        raw.write_npz(path, **arrays)
    code, out, err = cli("zoo", "build", name, "--source-dir", tmp_path / "raw", "--out", tmp_path / "zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "zoo").exists()


def test_grey_images_are_the_mean_of_the_channels(sources: Path) -> None:
    """As the Small CNN Zoo's training code makes them, to the nearest of 256 greys."""
    colour, grey = (load_source(name, sources) for name in ("cifar10", "cifar10-gs"))
    assert (grey.inputs.shape, grey.inputs.dtype) == (colour.inputs.shape[:3], np.uint8)
    assert np.array_equal(grey.targets, colour.targets)
    assert np.abs(grey.inputs - colour.inputs.astype(float).mean(-1)).max() < 0.5
