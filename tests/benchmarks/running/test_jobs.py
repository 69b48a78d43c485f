"""Several processes: the same results as one, nothing twice, nothing lost, and what `status` says of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.counted_work import fits, shrunk, write_suite
from helpers.raw_data import write_all
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.results_folder import ResultsFolder
from weightbench.benchmarks.running.plan_cells import plan, requests_of
from weightbench.benchmarks.running.suite import load_suite
from weightbench.zoo.build.build_zoo import build_zoo


@pytest.fixture
def suite(tmp_path: Path, small_zoo: Path):
    """Write a suite of the method that counts its fits: suite(seeds, **params) -> its file."""
    return partial(write_suite, tmp_path, small_zoo)


def test_two_processes_give_the_results_of_one(small_zoo: Path, tmp_path: Path, monkeypatch) -> None:
    settings = {"task": "inr-classification", "zoo": small_zoo, "seeds": [0, 1], "device": "cpu"}
    methods = [wb.load_method("mlp", epochs=2), wb.load_method("weight-stats", trees=3)]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # of which each of two processes gets one
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    one = wb.run(methods, **settings, out=tmp_path / "one")
    torch.set_num_threads(before)
    two = wb.run(methods, **settings, out=tmp_path / "two", jobs=2)
    assert [r.score for r in one] == [r.score for r in two]
    assert [r.spec.hash for r in one] == [r.spec.hash for r in two]
    assert [r.predictions.sha256 for r in one] == [r.predictions.sha256 for r in two]


def test_threads_are_shared_out_and_every_cell_runs_once(suite, tmp_path: Path, cli, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    code, _, _ = cli("run", "--suite", suite([0, 1, 2, 3]), "--jobs", 2, "--out", tmp_path / "runs", "--device", "cpu")
    assert code == 0
    lines = fits(tmp_path)
    assert sorted(seed for _, seed, _, _ in lines) == ["0", "1", "2", "3"]
    assert {threads for _, _, threads, _ in lines} == {"1"}
    found = [result.environment for _, result in read_results(tmp_path / "runs")]
    assert {(about["threads"], about["jobs"]) for about in found} == {(1, 2)}
    code, _, _ = cli("run", "--suite", tmp_path / "own.toml", "--jobs", 2, "--out", tmp_path / "runs")
    assert code == 0
    assert len(fits(tmp_path)) == 4  # a second run keeps them


def test_settings_of_a_suite_are_all_methods_and_their_own_come_first(tmp_path: Path, small_zoo: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(
        f'description = "a test"\n[[runs]]\ntask = "inr-classification"\nzoo = "{small_zoo}"\n'
        'settings = { epochs = 2, lr = 0.1 }\nmethods = [{ name = "mlp" }, { name = "probegen", lr = 0.2 }]\n'
    )
    (request,) = requests_of(load_suite(str(path)))
    assert [(m.params["epochs"], m.params["lr"]) for m in request.methods] == [(2, 0.1), (2, 0.2)]


def test_a_failed_cell_is_a_record_and_the_others_go_on(suite, tmp_path: Path, cli) -> None:
    code, _, err = cli("run", "--suite", suite([0, 1], fails=True), "--jobs", 2, "--out", tmp_path / "runs")
    assert code == 1
    assert "2 of 2 cells failed" in err
    code, out, _ = cli("status", tmp_path / "runs", "--suite", tmp_path / "own.toml")
    assert code == 0
    assert "2 failed" in out
    assert "as asked" in out
    assert f"weightbench run --suite {tmp_path / 'own.toml'} --out {tmp_path / 'runs'}" in out


def test_a_killed_worker_is_one_line_and_finished_cells_stay(suite, tmp_path: Path, cli) -> None:
    assert cli("run", "--suite", suite([0]), "--out", tmp_path / "runs")[0] == 0
    code, _, err = cli("run", "--suite", suite([0, 1], dies=True), "--jobs", 2, "--out", tmp_path / "runs")
    assert code == 2
    assert "a worker process died" in err
    assert len(read_results(tmp_path / "runs")) == 1


def test_two_runs_into_one_folder_share_the_cells(suite, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "weightbench", "run", "--suite", str(suite(list(range(6)), seconds=0.5))]
    command += ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
        for _ in range(2)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sorted(line[1] for line in fits(tmp_path)) == list("012345")
    assert len(read_results(tmp_path / "runs")) == 6


def test_a_killed_run_is_finished_by_the_same_command(suite, tmp_path: Path, cli) -> None:
    path, out = suite(list(range(4)), seconds=1.0), tmp_path / "runs"
    command = [sys.executable, "-m", "weightbench", "run", "--suite", str(path), "--jobs", "2", "--out", str(out)]
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path, start_new_session=True
    )
    running = False
    for _ in range(600):
        time.sleep(0.2)
        if out.is_dir():
            running = running or "running:" in cli("status", out, "--suite", path)[1]
        if list(out.glob("*/*/*/*/seed-*.json")):
            break
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert running
    for _ in range(100):  # the kernel takes a moment to end the workers, and with them their locks
        states = json.loads(cli("status", out, "--suite", path, "--json")[1])
        if not any(cell["state"] == "running" for cell in states):
            break
        time.sleep(0.1)
    else:
        pytest.fail("a killed process still holds a cell")
    done = len(read_results(out))
    assert done > 0
    assert sum(cell["state"] == "done" for cell in states) == done
    before = len(fits(tmp_path))
    assert cli("run", "--suite", path, "--jobs", 2, "--out", out)[0] == 0
    assert len(fits(tmp_path)) - before == 4 - done
    assert "4 done" in cli("status", out, "--suite", path)[1]


def test_workers_end_with_the_process_that_started_them(suite, tmp_path: Path, cli) -> None:
    path, out = suite([0, 1], seconds=300.0), tmp_path / "runs"

    def running() -> int:
        said = cli("status", out, "--suite", path, "--json")[1] if out.is_dir() else "[]"
        return sum(cell["state"] == "running" for cell in json.loads(said))

    command = [sys.executable, "-m", "weightbench", "run", "--suite", str(path), "--jobs", "2", "--out", str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        until(lambda: running() == 2, "two cells do not run")
    finally:
        run.kill()
        run.wait()
    until(lambda: running() == 0, "a worker goes on alone")
    assert read_results(out) == []


def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.2)
    pytest.fail(what)


def test_a_cell_of_a_zoo_that_is_not_here_waits_for_it(tmp_path: Path) -> None:
    from weightbench.benchmarks.running.suite_status import status

    (tmp_path / "s.toml").write_text(
        'description = "x"\n[[runs]]\ntask = "inr-classification"\nzoo = "mnist-inrs"\nmethods = [{ name = "mlp" }]\n'
    )
    (cell,) = status(load_suite(str(tmp_path / "s.toml")), ResultsFolder(tmp_path))
    assert (cell.state, "mnist-inrs is not on this machine" in cell.why) == ("waiting", True)


def test_status_has_a_line_for_the_trials_and_seeds_of_a_row_and_one_for_a_zoo(
    tmp_path: Path, small_zoo: Path, cli
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'description = "x"\nseeds = [0, 1]\n[[runs]]\ntask = "inr-classification"\n'
        f'zoo = ["{small_zoo}", "mnist-inrs"]\n'
        'methods = [{ name = "weight-stats" }, { name = "mlp", width = 8 }, { name = "mlp", width = 8, epochs = 2 }]\n'
        f'[[runs]]\ntask = "inr-classification"\nzoo = "{small_zoo}"\ntrials = 3\nmethods = [{{ name = "probegen" }}]\n'
    )
    (tmp_path / "runs").mkdir()
    code, out, _ = cli("status", tmp_path / "runs", "--suite", path)
    zoo = wb.load_zoo(small_zoo).name
    assert (code, out.splitlines()[1:-1]) == (
        0,
        [
            f"  missing: inr-classification · {zoo} · weight-stats · seeds 0, 1",
            f"  missing: inr-classification · {zoo} · mlp (width=8) · seeds 0, 1",
            f"  missing: inr-classification · {zoo} · mlp (width=8) · seeds 0, 1",
            "  waiting: 6 cells of mnist-inrs, a zoo that is not here (`weightbench zoo build` or `zoo get`)",
            f"  missing: inr-classification · {zoo} · probegen · trials 1, 2, 3 · seed 0",
        ],
    )
    rows = json.loads(cli("status", tmp_path / "runs", "--suite", path, "--json")[1])
    assert len({(row["spec"], row["trial"], row["seed"]) for row in rows if not row["absent"]}) == 9


def test_status_looks_for_no_raw_data_and_a_run_does_before_its_first_fit(
    suite, tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = write_all(tmp_path / "sources")
    monkeypatch.setenv("WEIGHTBENCH_SOURCE_DIR", str(sources))
    recipe = shrunk("california-mlps", tmp_path)
    zoo = build_zoo(str(recipe), limit=10, out=tmp_path / "zoo", device="cpu")
    path = suite([0])
    with path.open("a") as stream:
        stream.write(
            f'[[runs]]\ntask = "neuron-alignment"\nzoo = "{zoo.folder}"\ntarget = "trained"\n'
            'methods = [{ name = "identity-matching" }]\n'
        )
    (tmp_path / "runs").mkdir()
    shutil.rmtree(sources / "california_housing")
    code, out, err = cli("status", tmp_path / "runs", "--suite", path)
    assert (code, err) == (0, "")
    assert "2 missing, of 2" in out
    code, _, err = cli("run", "--suite", path, "--out", tmp_path / "runs")
    assert code == 2
    assert "california_housing" in err
    assert err.count("\n") == 1
    assert not fits(tmp_path)
    assert not read_results(tmp_path / "runs")


def test_a_cell_travels_as_data(suite, small_zoo: Path, tmp_path: Path) -> None:
    import pickle

    (cell,) = plan(requests_of(load_suite(str(suite([3])))), [3], ResultsFolder(tmp_path))
    content = pickle.dumps(cell)
    assert len(content) < 5000  # no tensors, no tables
    there = pickle.loads(content)
    assert (there.title, there.spec, there.folder) == (cell.title, cell.spec, cell.folder)


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_wrong_jobs(jobs: str, cli, tmp_path: Path) -> None:
    code, _, err = cli("run", "--suite", "smoke", "--jobs", jobs, "--out", tmp_path)
    assert code == 2
    assert "--jobs" in err
