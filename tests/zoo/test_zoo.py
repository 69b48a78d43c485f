"""Zoo folders: builds, loading, damage, and what a limited or foreign build is called."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from weightbench.zoo import storage
from weightbench.zoo.catalogue import CATALOGUE
from weightbench.zoo.collection import open_zoo
from weightbench.zoo.fit import FullBatchFitter
from weightbench.zoo.inrs import initial_params, pixel_grid, split_items
from weightbench.zoo.manifest import ZooFile
from weightbench.zoo.sources import load_digits

import weightbench as wb


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


def test_a_killed_build_goes_on_and_gives_the_same_zoo(tmp_path: Path) -> None:
    def build(folder: Path) -> list[str]:
        program = "from pathlib import Path; import sys; from weightbench.zoo import catalogue, build; import torch; "
        program += "torch.set_num_threads(1); build.compiler = lambda: 'eager'; "
        program += "catalogue.CATALOGUE['digits-inrs'].chunk['cpu'] = 8; "
        program += "build.build_zoo('digits-inrs', limit=60, out=Path(sys.argv[1]), device='cpu')"
        return [sys.executable, "-c", program, str(folder)]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(build(whole), check=True, capture_output=True)
    process = subprocess.Popen(build(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = tmp_path / ".killed.building"
    while len(list(shards.glob("shards-*/*.safetensors"))) < 3:
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "zoo.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in shards.glob("shards-*/*.safetensors")}
    subprocess.run(build(killed), check=True, capture_output=True)
    assert kept
    assert (killed / "zoo.json").read_bytes() == (whole / "zoo.json").read_bytes()
    assert not shards.exists()


def test_initial_parameters_depend_on_seed_and_item_only() -> None:
    arch = CATALOGUE["digits-inrs"].recipe.architecture
    alone = initial_params(arch, "dwsnets", 0, [(7, 1)])
    among = initial_params(arch, "dwsnets", 0, [(3, 0), (7, 1), (7, 2)])
    assert np.array_equal(alone[0], among[1])
    assert not np.array_equal(among[1], among[2])
    assert not np.array_equal(alone, initial_params(arch, "dwsnets", 1, [(7, 1)]))
    first, bias, second = alone[0, :32], alone[0, 32:48], alone[0, 48:304]
    assert np.abs(first).max() <= (6 / 2) ** 0.5 / 30
    assert np.abs(first).max() > 0.05
    assert (bias == 0).all()
    assert np.abs(second).max() <= (6 / 16) ** 0.5 / 30


@given(limit=st.integers(3, 1797))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_limit_keeps_the_first_items_of_every_split(limit: int) -> None:
    entry, source = CATALOGUE["digits-inrs"], load_digits(None)
    whole, part = split_items(entry, source, None), split_items(entry, source, limit)
    assert sum(map(len, part.values())) == limit
    for name, items in part.items():
        assert len(items) >= 1
        assert np.array_equal(items, whole[name][: len(items)])


def test_the_compiled_and_the_eager_step_agree() -> None:
    recipe = CATALOGUE["digits-inrs"].recipe
    params = torch.from_numpy(initial_params(recipe.architecture, "dwsnets", 0, [(i, 0) for i in range(4)]))
    targets = torch.rand(4, 64, 1, generator=torch.Generator().manual_seed(0))
    fitted = {}
    for engine in ("eager", "inductor"):
        fitter = FullBatchFitter(recipe.architecture, pixel_grid(8, 8), lr=5e-4, steps=20, engine=engine)
        fitted[engine], _ = fitter(params, targets)
    torch.testing.assert_close(fitted["eager"], fitted["inductor"], atol=1e-4, rtol=1e-3)


def test_the_step_is_torchs_adam() -> None:
    recipe = CATALOGUE["digits-inrs"].recipe
    arch = recipe.architecture
    initial = torch.from_numpy(initial_params(arch, "dwsnets", 0, [(0, 0), (1, 0)]))
    targets = torch.rand(2, 64, 1, generator=torch.Generator().manual_seed(0))
    fitted, mse = FullBatchFitter(arch, pixel_grid(8, 8), lr=5e-4, steps=30, engine="eager")(initial, targets)
    for row in range(2):
        params = initial[row : row + 1].clone().requires_grad_()
        optimizer = torch.optim.Adam([params], lr=5e-4)
        for _ in range(30):
            optimizer.zero_grad()
            loss = (wb.Networks(arch, params).forward(pixel_grid(8, 8))[0] - targets[row]).square().mean()
            loss.backward()
            optimizer.step()
        torch.testing.assert_close(fitted[row : row + 1], params.detach(), atol=1e-5, rtol=1e-4)
    assert mse.shape == (2,)


floats = st.floats(width=32, allow_nan=False)


@given(params=arrays(np.float32, (5, 7), elements=floats), labels=st.lists(st.integers(0, 9), min_size=5, max_size=5))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_parquet_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory, params: np.ndarray, labels: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    image = (np.arange(20, dtype=np.uint8)).reshape(5, 4)
    table = pd.DataFrame({"id": list("abcde"), "label": labels})
    storage.write_parquet(folder / "a.parquet", table, {"params": params, "image": image})
    file: ZooFile = storage.describe_file(folder, "a.parquet", "train", "x", 5)
    tensors = storage.read_tensors(folder, file)
    assert tensors["params"].numpy().tobytes() == params.tobytes()
    assert np.array_equal(tensors["image"].numpy(), image)
    pd.testing.assert_frame_equal(storage.read_table(folder, file), table, check_dtype=False)


def _idx(path: Path, values: np.ndarray) -> None:
    import gzip

    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(header + values.tobytes()))


def test_another_source_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    """A subset of the data in MNIST's format builds, and is called +local."""
    digits = load_digits(None)
    images = np.kron(digits.images[:20], np.ones((1, 2, 2), np.uint8)) * 15
    for part, n in (("train", 15), ("t10k", 5)):
        _idx(tmp_path / "raw/mnist" / f"{part}-images-idx3-ubyte.gz", images[:n].astype(np.uint8))
        _idx(tmp_path / "raw/mnist" / f"{part}-labels-idx1-ubyte.gz", digits.labels[:n].astype(np.uint8))
    monkeypatch.setenv("WEIGHTBENCH_SOURCE_DIR", str(tmp_path / "raw"))
    out = tmp_path / "zoo"
    code, _, err = cli("zoo", "build", "mnist-inrs", "--limit", 6, "--out", out, "--device", "cpu")
    assert code == 0, err
    zoo = wb.load_zoo(out)
    assert zoo.version == "1.0.0+local"
    assert set(zoo["test"].table["item"]) <= set(range(15, 20))
    monkeypatch.setenv("WEIGHTBENCH_SOURCE_DIR", str(tmp_path))
    code, _, err = cli("zoo", "build", "mnist-inrs", "--limit", 6, "--out", tmp_path / "other")
    assert code == 2
    assert "--source-dir" in err
    assert err.count("\n") == 1
