"""Zoo folders: builds, loading, damage, and what a limited or foreign build is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import weightbench as wb
from weightbench.zoo.storage.zoo import open_zoo


@pytest.fixture
def own_zoo(small_zoo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_zoo, tmp_path / "zoo"))


def test_a_built_zoo_reads_like_the_readme_says(small_zoo: Path) -> None:
    zoo = wb.load_zoo(small_zoo)
    assert (zoo.name, zoo.version) == ("digits-inrs", "1.0.0")
    assert {name: len(split) for name, split in zoo.splits.items()} == {"train": 48 * 4, "val": 6 * 4, "test": 6 * 4}
    train = zoo["train"]
    assert train.networks.params.shape == (192, 337)
    assert list(train.table["id"]) == train.ids
    assert train.table["psnr"].mean() > 20
    images = zoo.images("train")
    rendered = wb.render(train.networks, zoo.source.image_shape)
    psnr = -10 * (rendered - images).square().mean((1, 2)).log10()
    np.testing.assert_allclose(psnr, train.table["psnr"], atol=1e-3)


def test_splits_share_no_image(small_zoo: Path) -> None:
    zoo = wb.load_zoo(small_zoo)
    items = [set(split.table["item"]) for split in zoo.splits.values()]
    assert not set.intersection(*items)
    assert sum(map(len, items)) == 60


def test_a_warm_load_gives_the_same_tensors(small_zoo: Path) -> None:
    cold = open_zoo(small_zoo, always_hash=True)["val"].networks.params
    table = pq.read_table(small_zoo / "data/val.parquet")
    column = table.column("params").combine_chunks().flatten().to_numpy()
    assert np.array_equal(cold.numpy().ravel(), column)
    assert torch.equal(open_zoo(small_zoo)["val"].networks.params, cold)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "no-manifest", "bad-manifest"])
def test_damage_is_named_with_its_mend(own_zoo: Path, damage: str, cli) -> None:
    file = own_zoo / "data" / "test.parquet"
    wb.load_zoo(own_zoo)  # leaves a stamp, which must not hide what comes
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(content[:-100])
    elif damage == "remove":
        file.unlink()
    elif damage == "no-manifest":
        file = own_zoo / "zoo.json"
        file.unlink()
    else:
        file = own_zoo / "zoo.json"
        manifest = json.loads(file.read_text()) | {"splits": 3}
        file.write_text(json.dumps(manifest))
    code, out, err = cli("zoo", "verify", own_zoo)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert str(file) in err
    assert "build" in err
    if damage in ("flip", "truncate"):
        assert "expects" in err
        assert {"flip": "corrupted", "truncate": "truncated"}[damage] in err


def test_building_again_mends_a_damaged_zoo(own_zoo: Path, cli) -> None:
    (own_zoo / "data" / "val.parquet").write_bytes(b"junk")
    before = (own_zoo / "zoo.json").read_bytes()
    code, out, _ = cli("zoo", "build", "digits-inrs", "--limit", 60, "--out", own_zoo, "--device", "cpu")
    assert code == 0
    assert "psnr_mean" in out
    assert (own_zoo / "zoo.json").read_bytes() == before
    open_zoo(own_zoo, always_hash=True)


def test_a_folder_with_something_else_is_left_alone(own_zoo: Path, tmp_path: Path, cli) -> None:
    code, _, err = cli("zoo", "build", "digits-inrs", "--limit", 30, "--out", own_zoo)
    assert code == 2
    assert "another recipe" in err
    other = tmp_path / "papers"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    code, _, err = cli("zoo", "build", "digits-inrs", "--limit", 30, "--out", other)
    assert code == 2
    assert "not a zoo" in err
    assert (other / "thesis.tex").read_text() == "precious"
