"""How fast a zoo of 70,000 INRs reaches one tensor, against one `torch.load` per network, in the same run."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import weightbench as wb
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.storage.manifest import MANIFEST, Manifest
from weightbench.zoo.storage.tables import TableWriter, describe_file

NETWORKS, FILES = 70_000, 2_000  # networks of the zoo; state dicts loaded one by one


@pytest.fixture(scope="module")
def zoo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo as large as mnist-inrs, of random parameters."""
    folder = tmp_path_factory.mktemp("large") / "zoo"
    arch = Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0)
    rng = np.random.default_rng(0)
    writer = TableWriter(folder / "data/train.parquet")
    for start in range(0, NETWORKS, 1000):
        table = pd.DataFrame({"id": [str(number) for number in range(start, start + 1000)]})
        writer.append(table, {"params": rng.normal(size=(1000, arch.num_params)).astype(np.float32)})
    writer.close()
    manifest = Manifest(
        schema=1,
        name="large",
        version="1.0.0",
        description="Random parameters",
        architectures={"siren": arch},
        splits={"train": NETWORKS},
        files=[describe_file(folder, "data/train.parquet", "train", "siren", NETWORKS)],
        columns={"id": "number"},
        quality={},
        recipe={},
        recipe_sha256="0" * 64,
        sources=[],
        build={},
        builder="0",
    )
    (folder / MANIFEST).write_bytes(manifest.to_json())
    return folder


def load(folder: Path) -> torch.Tensor:
    """From the folder to one tensor, every number read."""
    params = wb.load_zoo(folder)["train"].networks.params
    assert params.shape == (NETWORKS, 1185)
    params.sum()
    return params


def test_loading_70_000_inrs(zoo_folder: Path, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    started = time.perf_counter()
    params = load(zoo_folder)
    cold = time.perf_counter() - started
    arch = wb.load_zoo(zoo_folder).architectures[0]
    for number, state in enumerate(wb.Networks(arch, params[:FILES]).state_dicts()):
        torch.save({name: value.clone() for name, value in state.items()}, tmp_path / f"{number}.pth")
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        for number in range(FILES):
            torch.load(tmp_path / f"{number}.pth", weights_only=True)
        rates.append(FILES / (time.perf_counter() - started))
    benchmark.pedantic(load, (zoo_folder,), rounds=9, warmup_rounds=1)
    assert benchmark.stats is not None
    warm = benchmark.stats.stats.median
    one_by_one = NETWORKS / sorted(rates)[1]
    benchmark.extra_info |= {
        "first load, verified and decoded, s": round(cold, 2),
        "warm load, s": round(warm, 3),
        "torch.load of one file per network, s": round(one_by_one, 1),
        "times as fast": round(one_by_one / warm),
    }
    print("\n" + "\n".join(f"{name}: {value}" for name, value in benchmark.extra_info.items()))
