"""What spreading work costs: 200 cells of a tenth of a second, and the memory of processes that share a zoo."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cloudpickle import register_pickle_by_value
from pytest_benchmark.fixture import BenchmarkFixture

from weightbench import build_zoo
from weightbench.benchmarks.records.results_folder import ResultsFolder
from weightbench.benchmarks.running.plan_cells import planned_cell
from weightbench.benchmarks.running.run import run_cells
from weightbench.benchmarks.task.registry import load_task
from weightbench.methods.contract.registry import load_method
from weightbench.runtime.execution import Execution
from weightbench.runtime.executor import Executor
from weightbench.runtime.open_executor import open_executor
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.storage.manifest import Manifest, SourceInfo
from weightbench.zoo.storage.tables import TableWriter, describe_file
from weightbench.zoo.storage.zoo import Zoo, open_zoo

register_pickle_by_value(sys.modules[__name__])  # workers cannot import a file that pytest has found

CELLS, SECONDS, WORKERS = 200, 0.1, 2
METHOD = f"""
import time
import weightbench as wb

class Sleeper(wb.Method):
    '''Takes a tenth of a second.'''
    name = "sleeper"
    tasks = ("inr-classification",)

    def fit(self, task, train, val, *, seed, device):
        time.sleep({SECONDS})
        self.classes = task.output_dim

    def predict(self, networks):
        return networks.params[:, : self.classes]
"""
ARCH = Architecture.mlp((2, 64, 64, 10))
NETWORKS, READERS = 30_000, 4


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return build_zoo("digits-inrs", limit=30, out=tmp_path_factory.mktemp("zoo") / "digits-inrs", device="cpu")


def _wall(executor: Executor, zoo: Zoo, out: Path, cells: int) -> float:
    """Seconds for so many cells, each done from start to record."""
    method = out.parent / "sleeper.py"
    method.write_text(METHOD)
    task = load_task("inr-classification", zoo)
    planned = [planned_cell(task, load_method(str(method)), seed, ResultsFolder(out)) for seed in range(cells)]
    started = time.perf_counter()
    results = run_cells(planned, device="cpu", executor=executor)
    assert {result.status for result in results} == {"ok"}
    return time.perf_counter() - started


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_overhead(benchmark: BenchmarkFixture, engine: str, zoo: Zoo, tmp_path: Path) -> None:
    """`overhead`: wall time over the time that the cells take one after the other, divided by the workers."""
    with open_executor(Execution()) as alone:
        _wall(alone, zoo, tmp_path / "warm", 2)
        own = _wall(alone, zoo, tmp_path / "alone", CELLS)
    with open_executor(Execution(engine, jobs=WORKERS)) as executor:
        benchmark.extra_info["start_s"] = _wall(executor, zoo, tmp_path / "start", 2 * WORKERS)
        wall = benchmark.pedantic(_wall, args=(executor, zoo, tmp_path / "runs", CELLS), rounds=1)
    benchmark.extra_info |= {"own_s": own, "overhead": wall * WORKERS / own}


def _resident(folder: Path, meeting: Path, number: int) -> tuple[int, int]:
    """This process's share of memory, shared pages divided among those who map them, before and with the zoo read."""
    before = _share()
    networks = open_zoo(folder)["train"].networks
    assert torch.isfinite(networks.params.sum())
    (meeting / str(number)).touch()
    while len(list(meeting.iterdir())) < READERS:  # all have read it and none has gone
        time.sleep(0.01)
    after = _share()
    (meeting / f"{number}-measured").touch()
    while len(list(meeting.glob("*-measured"))) < READERS:
        time.sleep(0.01)
    return before, after


def _share() -> int:
    text = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text()
    return int(text.split("\nPss:")[1].split()[0]) * 1024


def test_memory(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """`copies`: how many times the zoo lies in memory when four processes have read all of it."""
    folder, path = tmp_path / "zoo", "data/train.parquet"
    writer = TableWriter(folder / path)
    params = np.random.default_rng(0).standard_normal((NETWORKS, ARCH.num_params), np.float32)
    writer.append(pd.DataFrame({"id": [f"{i:06d}" for i in range(NETWORKS)]}), {"params": params})
    writer.close()
    manifest = Manifest(
        schema=1,
        name="large",
        version="1.0.0",
        description="random",
        architectures={"mlp": ARCH},
        splits={"train": NETWORKS},
        files=[describe_file(folder, path, "train", "mlp", NETWORKS)],
        columns={"id": "", "params": ""},
        quality={},
        recipe={},
        recipe_sha256="0" * 64,
        sources=[SourceInfo(name="none", sha256="", license="MIT", citation="", classes=[])],
        build={},
        builder="benchmark",
    )
    (folder / "zoo.json").write_bytes(manifest.to_json())
    open_zoo(folder)["train"].networks  # noqa: B018  # derives what is mapped
    (tmp_path / "meeting").mkdir()
    with open_executor(Execution(jobs=READERS)) as executor:
        work = partial(_resident, folder, tmp_path / "meeting")
        run = partial(executor.run, work, range(READERS), folder=tmp_path)
        found = [shares for _, shares in benchmark.pedantic(lambda: list(run()), rounds=1)]
    grown = sum(after for _, after in found) - sum(before for before, _ in found)
    benchmark.extra_info |= {"zoo_mb": params.nbytes / 1e6, "grown_mb": grown / 1e6, "copies": grown / params.nbytes}
