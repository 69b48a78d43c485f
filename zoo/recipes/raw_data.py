"""Raw data sets: from a local folder, scikit-learn or the Hub, always as the same arrays with one checksum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...runtime.errors import BadInput, unknown
from .raw_data_files import (
    IDX_PREFIXES,
    ImagesAndLabels,
    from_hub,
    from_sklearn,
    read_idx,
    read_npz,
    read_parquet_images,
)

DIGITS = [str(digit) for digit in range(10)]
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COVERTYPE = ["Spruce/Fir", "Lodgepole Pine", "Ponderosa Pine", "Cottonwood/Willow", "Aspen", "Douglas-fir", "Krummholz"]
IMAGENET = {  # WordNet id: name
    "n01443537": "goldfish",
    "n02002724": "black stork",
    "n02231487": "walking stick",
    "n02669723": "academic gown",
    "n02909870": "bucket",
    "n03255030": "dumbbell",
    "n03770439": "miniskirt",
    "n04070727": "refrigerator",
    "n04398044": "teapot",
    "n07615774": "ice lolly",
}


@dataclass(frozen=True)
class Source:
    """Inputs with targets; the last `n_test` items are the data set's own test items (0 where it has none).

    Arguments:
        inputs: images uint8 `[N, height, width]` or `[N, height, width, 3]`, from 0 to `image_max`; or features
            float32 `[N, features]`.
        targets: int64 `[N]`, indices into `classes`; or float64 `[N]`, values to regress.
        image_max: None for features.
        classes: empty for regression.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    n_test: int
    classes: list[str]
    image_max: int | None = None

    @property
    def sha256(self) -> str:
        """Checksum of the inputs and targets, whatever file format they came in."""
        targets = self.targets.astype(np.uint8) if self.classes else self.targets
        return hashlib.sha256(self.inputs.tobytes() + targets.tobytes()).hexdigest()


def load_digits(folder: Path | None) -> Source:
    """scikit-learn's bundled 8x8 digits: 1,797 real scans (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits as bundled

    data = bundled()
    return Source(
        name="digits",
        inputs=data.images.astype(np.uint8),
        targets=data.target.astype(np.int64),
        n_test=0,
        classes=DIGITS,
        image_max=16,
    )


def load_moons(folder: Path | None) -> Source:
    """Two interleaving half circles with noise 0.15, 1,000 + 1,000 points, made by scikit-learn from a fixed seed."""
    from sklearn.datasets import make_moons

    inputs, targets = make_moons(n_samples=2000, noise=0.15, random_state=0)
    return Source(
        name="moons",
        # Six decimals: the last bits of sines differ between machines.
        inputs=inputs.round(6).astype(np.float32),
        targets=targets.astype(np.int64),
        n_test=1000,
        classes=["upper", "lower"],
    )


def load_mnist(folder: Path | None) -> Source:
    """MNIST's 60,000 + 10,000 images (LeCun et al. 1998): IDX files in `folder/mnist`, else `ylecun/mnist`."""
    return _idx_source(
        folder,
        name="mnist",
        repo_id="ylecun/mnist",
        classes=DIGITS,
    )


def load_fashion_mnist(folder: Path | None) -> Source:
    """Fashion-MNIST's 60,000 + 10,000 images: IDX files in `folder/fashion_mnist`, else the authors' Hub data set."""
    return _idx_source(
        folder,
        name="fashion-mnist",
        repo_id="zalando-datasets/fashion_mnist",
        classes=FASHION,
    )


def load_cifar10(folder: Path | None) -> Source:
    """CIFAR-10 (Krizhevsky 2009): an npz file (whole or a subset) in `folder/cifar10`, else `uoft-cs/cifar10`."""
    if folder:
        arrays = read_npz(
            folder / "cifar10",
            {"x_train": (32, 32, 3), "y_train": (), "x_test": (32, 32, 3), "y_test": ()},
            pairs=(("x_train", "y_train"), ("x_test", "y_test")),
        )
        parts = [(arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])]
    else:
        parts = [from_hub("uoft-cs/cifar10", split, image="img") for split in ("train", "test")]
    return _joined(
        parts,
        name="cifar10",
        classes=CIFAR10,
        image_max=255,
    )


def load_cifar10_gs(folder: Path | None) -> Source:
    """CIFAR-10 in grey: the mean of the three channels, as in the Small CNN Zoo (Unterthiner et al. 2020), in bytes."""
    colour = load_cifar10(folder)
    grey = np.rint(colour.inputs.mean(-1)).astype(np.uint8)
    return replace(colour, name="cifar10-gs", inputs=grey)


def load_imagenet10(folder: Path | None) -> Source:
    """Ten classes of Tiny ImageNet, 500 + 50 images of 64x64 each: parquet files in `folder/tiny_imagenet_10`, else
    `zh-plus/tiny-imagenet`."""
    if folder:
        parts = [
            read_parquet_images(folder / "tiny_imagenet_10" / f"{part}.parquet", (64, 64, 3))
            for part in ("train", "test")
        ]
    else:
        parts = [
            from_hub("zh-plus/tiny-imagenet", split, only=list(IMAGENET), mode="RGB") for split in ("train", "valid")
        ]
    return _joined(
        parts,
        name="imagenet10",
        classes=list(IMAGENET.values()),
        image_max=255,
    )


def load_california(folder: Path | None) -> Source:
    """California housing, 20,640 districts: an npz file in `folder/california_housing`, else scikit-learn's fetcher."""
    if folder:
        arrays = read_npz(folder / "california_housing", {"X": (8,), "y": ()}, pairs=(("X", "y"),))
        inputs, targets = arrays["X"], arrays["y"]
    else:
        inputs, targets = from_sklearn("fetch_california_housing")
    return Source(
        name="california-housing",
        inputs=np.asarray(inputs, np.float32),
        targets=np.asarray(targets, np.float64),
        n_test=0,
        classes=[],
    )


def load_covertype(folder: Path | None) -> Source:
    """Forest cover types: an npz file (whole or a subset) in `folder/covtype`, else scikit-learn's fetcher."""
    if folder:
        arrays = read_npz(folder / "covtype", {"X": (54,), "y": ()}, pairs=(("X", "y"),))
        inputs, targets = arrays["X"], arrays["y"]
    else:
        inputs, targets = from_sklearn("fetch_covtype")
    return Source(
        name="covertype",
        inputs=np.asarray(inputs, np.float32),
        targets=np.asarray(targets, np.int64) - 1,
        n_test=0,
        classes=COVERTYPE,
    )


@dataclass(frozen=True)
class SourceEntry:
    """How a raw data set is loaded (from a folder, if given), on what terms, and what to cite."""

    load: Callable[[Path | None], Source]
    license: str
    citation: str


SOURCES = {
    "digits": SourceEntry(
        load_digits,
        "CC BY 4.0",
        "Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), from scikit-learn",
    ),
    "moons": SourceEntry(load_moons, "BSD-3-Clause", "Two moons, scikit-learn's make_moons (Pedregosa et al. 2011)"),
    "mnist": SourceEntry(
        load_mnist, "CC BY-SA 3.0", "LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits"
    ),
    "fashion-mnist": SourceEntry(
        load_fashion_mnist, "MIT", "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST, arXiv:1708.07747"
    ),
    "cifar10": SourceEntry(
        load_cifar10,
        "unspecified; free for research",
        "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    ),
    "cifar10-gs": SourceEntry(
        load_cifar10_gs,
        "unspecified; free for research",
        "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    ),
    "imagenet10": SourceEntry(
        load_imagenet10,
        "ImageNet terms of access; non-commercial research",
        "Le and Yang 2015, Tiny ImageNet; Deng et al. 2009, ImageNet",
    ),
    "california-housing": SourceEntry(
        load_california, "public domain (StatLib)", "Pace and Barry 1997, Sparse spatial autoregressions"
    ),
    "covertype": SourceEntry(load_covertype, "CC BY 4.0", "Blackard 1998, Covertype (UCI)"),
}


def raw_data_dir(given: Path | None) -> Path | None:
    """The folder with raw data sets: `given`, else `WEIGHTBENCH_SOURCE_DIR`, else None (they are downloaded)."""
    found = given or (Path(folder) if (folder := os.environ.get("WEIGHTBENCH_SOURCE_DIR")) else None)
    if found is not None and not found.is_dir():
        raise BadInput(f"{found}: no such folder; --source-dir takes the folder that holds the raw data sets")
    return found


def load_source(name: str, folder: Path | None) -> Source:
    """A raw data set by name; see `load_digits` and the others. Raises BadInput that names the file and what to do."""
    if name not in SOURCES:
        raise unknown("source", name, SOURCES)
    return SOURCES[name].load(folder)


def _joined(parts: list[ImagesAndLabels], **about: Any) -> Source:
    """Training and test items of images one after the other."""
    return Source(
        inputs=np.ascontiguousarray(np.concatenate([images for images, _ in parts])),
        targets=np.concatenate([labels for _, labels in parts]).astype(np.int64),
        n_test=len(parts[1][1]),
        **about,
    )


def _idx_source(folder: Path | None, *, name: str, repo_id: str, **about: Any) -> Source:
    local = folder / name.replace("-", "_") if folder else None
    parts = [read_idx(local, part) if local else from_hub(repo_id, part) for part in IDX_PREFIXES]
    return _joined(parts, name=name, image_max=255, **about)
