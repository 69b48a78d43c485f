"""Recorded cells run again by the command line: what is confirmed, what is not, what is left out and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.forged_results import edit, failed, forge_predictions, record_of, rehome
from helpers.recorded import read_results, rewritten

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.records.results_folder import read_result

FOREIGN = """
from pathlib import Path

import weightbench as wb

HERE = Path({here!r})
(HERE / "executed").touch()

class Mine(wb.Method):
    name = "mine"
    tasks = ("inr-classification",)

    def fit(self, task, train, val, *, seed, device):
        if seed == 1 and (HERE / "interrupt").exists():
            raise KeyboardInterrupt
        self.classes, self.seed = task.output_dim, seed

    def predict(self, networks):
        return networks.params[:, : self.classes] + self.seed
"""


@pytest.fixture(scope="session")
def recorded(small_zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods, two seeds."""
    out = tmp_path_factory.mktemp("recorded") / "runs"
    methods = ["weight-norms", wb.load_method("weight-stats", trees=2), wb.load_method("mlp", epochs=1)]
    wb.run(methods, task="inr-classification", zoo=small_zoo, out=out, seeds=[0, 1])
    return out


@pytest.fixture
def runs(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "runs"))


@pytest.fixture
def replicate(cli, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    return lambda *arguments: cli("replicate", *arguments, "--out", tmp_path / "again")


def record(runs: Path, method: str, seed: int = 0) -> Path:
    return next(runs.glob(f"*/*/{method}/*/seed-{seed}.json"))


def test_honest_cells_are_confirmed_and_kept(runs: Path, replicate, tmp_path: Path) -> None:
    code, out, err = replicate(runs)
    assert code == 0
    assert "6 of 6 cells replicated: 6 identical, 6 (100 %) within" in out
    assert err.count("identical predictions") == 6
    again = dict(read_results(tmp_path / "again"))
    assert {result.path for result in again.values()} == {result.path for _, result in read_results(runs)}
    times = {path: path.stat().st_mtime_ns for path in again}
    assert replicate(runs)[0] == 0
    assert times == {path: path.stat().st_mtime_ns for path in again}, "finished cells are not run again"


def test_one_record_is_enough(runs: Path, replicate) -> None:
    code, out, err = replicate(record(runs, "mlp"))
    assert code == 0
    assert "1 of 1 cells replicated: 1 identical" in out
    assert "[1/1] inr-classification · digits-inrs · mlp" in err


def made_up(path: Path) -> None:
    """Predictions that score higher than the method's, and the score that they give."""
    truth = pq.read_table(next(path.parents[4].glob("zoos/*"))).to_pandas().set_index("id")["label"]

    def better(ids, arrays):
        return ids, {"logits": arrays["logits"] + 100 * np.eye(10, dtype=np.float32)[truth[ids]]}

    forge_predictions(path, better)
    ids, arrays = read_predictions(path.with_suffix(".safetensors"), read_result(path).predictions.sha256)
    score = 100 * float(np.mean(arrays["logits"].argmax(1) == truth[ids].to_numpy()))
    edit(path, score=score, scores={"accuracy": score})


def test_made_up_predictions_are_found_out(runs: Path, replicate) -> None:
    for seed in (0, 1):
        made_up(record(runs, "mlp", seed))
    code, out, _ = replicate(runs, "--json")
    assert code == 1
    found = {(cell["record"].split("/")[2], cell["within"], cell["identical"]) for cell in json.loads(out)}
    assert found == {("mlp", False, False), ("weight-norms", True, True), ("weight-stats", True, True)}
    code, out, _ = replicate(runs, "--method", "mlp")
    assert code == 1
    assert out.count("OUTSIDE") == 3, "each of the two, and the largest deviation"
    assert "2 of 2 cells replicated: 0 identical, 0 (0 %) within" in out


def test_a_run_that_fails_confirms_nothing(runs: Path, replicate, tmp_path: Path, small_zoo: Path) -> None:
    (tmp_path / "mine.py").write_text(FOREIGN.format(here=str(tmp_path)).replace("KeyboardInterrupt", "RuntimeError"))
    wb.run(str(tmp_path / "mine.py"), task="inr-classification", zoo=small_zoo, out=runs, seeds=[0, 1])
    (tmp_path / "interrupt").touch()
    code, out, _ = replicate(runs, "--method", "mine", "--foreign-code", "mine")
    assert code == 1
    assert "now failed: RuntimeError" in out


def test_a_draw_depends_on_the_seed_alone(runs: Path, replicate, tmp_path: Path) -> None:
    def drawn(folder: Path, seed: str, n: int) -> list[str]:
        code, out, _ = replicate(folder, "--sample", n, "--seed", seed, "--json")
        assert code == 0
        return [cell["record"] for cell in json.loads(out)]

    first = drawn(runs, "4bfc6eb", 3)
    assert len(set(first)) == 3
    moved = Path(shutil.copytree(runs, tmp_path / "moved"))
    for path in reversed(list(moved.rglob("seed-*"))):
        path.touch()
    assert drawn(moved, "4bfc6eb", 3) == first
    assert drawn(moved, "4bfc6eb", 2) == first[:2], "a larger sample holds the smaller one"
    assert len({tuple(drawn(runs, str(seed), 2)) for seed in range(6)}) > 1


def test_a_budget_takes_what_fits_the_cheapest_first(runs: Path, replicate) -> None:
    seconds = {"weight-norms": 1e3, "mlp": 200.0, "weight-stats": 100.0}

    def cost(record: dict) -> None:
        record["cost"]["fit_s"] = seconds[record["method"]["name"]]

    rewritten(runs, cost)
    code, out, err = replicate(runs, "--budget", "7m")
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("[")]
    assert [line.split(" · ")[2].split(" ")[0] for line in lines] == ["weight-stats", "weight-stats", "mlp"]
    assert "skipped 3 cells: the budget has no time left for it" in out


def test_cells_that_took_longer_are_left_out(runs: Path, replicate) -> None:
    def cost(record: dict) -> None:
        record["cost"]["fit_s"] = 100.0 if record["method"]["name"] == "mlp" else 10.0

    rewritten(runs, cost)
    code, out, _ = replicate(runs, "--longest", "60s", "--json")
    assert code == 0
    found = [cell["cell"] for cell in json.loads(out)]
    assert len(found) == 4
    assert not any("mlp" in cell for cell in found)


def test_filters_are_those_of_other_commands(runs: Path, small_zoo: Path, replicate) -> None:
    assert "2 of 2 cells" in replicate(runs, "--method", "mlp", "--task", "inr-classification", "--zoo", small_zoo)[1]
    assert "4 of 4 cells" in replicate(runs, "--method", "mlp", "--method", "weight-norms")[1]
    for wrong in (["--method", "nobody"], ["--zoo", "digits-inrs@9.9.9"], ["--split", "within-run"]):
        code, _, err = replicate(runs, *wrong)
        assert (code, err.count("\n")) == (2, 1)
        assert "no recorded cell fits" in err


@pytest.mark.parametrize("arguments", [["nowhere"], ["--budget", "soon"], ["--longest", "a minute"], ["--sample", "0"]])
def test_bad_input_ends_with_two(arguments: list[str], runs: Path, replicate) -> None:
    assert replicate(runs, *arguments)[0] == 2


def moved(path: Path, **changes: object) -> None:
    edit(path, **changes)
    rehome(path)


LEFT_OUT = {
    "another version": (
        lambda path: moved(path, method__version="7"),
        "method weight-norms has version 1 today, not 7",
    ),
    "a parameter of old": (lambda path: moved(path, method__params={"depth": 3}), "depth"),
    "another task": (lambda path: moved(path, task__version=7), "task inr-classification has version 1 today, not 7"),
    "a zoo that is not here": (
        lambda path: moved(path, zoo__recipe_sha256="0" * 64, zoo__reference=None),
        "zoo digits-inrs@1.0.0 of recipe 00000000 is not on this machine: say --zoo with its folder",
    ),
    "a device that is not here": (
        lambda path: edit(path, environment=read_result(path).environment | {"device": "cuda:99"}),
        "device 'cuda:99' cannot be used by torch",
    ),
    "a failure": (failed, "its run failed: RuntimeError: no luck"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_cannot_be_run_again_says_why(case: str, runs: Path, replicate) -> None:
    change, message = LEFT_OUT[case]
    change(record(runs, "weight-norms"))
    if "recipe" in message:  # its truth is there, so that the folder has a board
        shutil.copyfile(next(runs.glob("zoos/*")), runs / "zoos" / "digits-inrs@1.0.0-00000000.parquet")
    code, out, _ = replicate(runs, "--method", "weight-norms")
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("skipped")]
    assert line.startswith("skipped 1 cell: ")
    assert message in line
    assert "1 of 2 cells replicated: 1 identical" in out


def test_foreign_code_is_run_only_where_the_user_says_so(tmp_path: Path, small_zoo: Path, replicate) -> None:
    runs, mark, source = tmp_path / "runs", tmp_path / "executed", tmp_path / "mine.py"
    source.write_text(FOREIGN.format(here=str(tmp_path)))
    wb.run(str(source), task="inr-classification", zoo=small_zoo, out=runs)
    source.unlink()
    mark.unlink()
    code, out, _ = replicate(runs)
    assert code == 0
    assert "of mine is foreign code, run only where --foreign-code mine says so" in out
    assert "0 of 1 cells replicated" in out
    assert "foreign code" in replicate(runs, "--foreign-code", "another")[1]
    assert not mark.exists()
    code, out, _ = replicate(runs, "--foreign-code", "mine")
    assert code == 0
    assert "1 of 1 cells replicated: 1 identical" in out
    assert mark.exists()


def test_an_interrupted_replication_keeps_what_is_done(tmp_path: Path, small_zoo: Path, replicate) -> None:
    runs, source = tmp_path / "runs", tmp_path / "mine.py"
    source.write_text(FOREIGN.format(here=str(tmp_path)))
    wb.run(str(source), task="inr-classification", zoo=small_zoo, out=runs, seeds=[0, 1])

    def cost(record: dict) -> None:
        record["cost"]["fit_s"] = float(record["seed"])  # so that seed 0 is first

    rewritten(runs, cost)
    (tmp_path / "interrupt").touch()
    code, out, err = replicate(runs, "--foreign-code", "mine")
    assert code == 130
    assert "1 of 2 cells replicated: 1 identical" in out
    assert "interrupted: finished cells are in" in err
    (tmp_path / "interrupt").unlink()
    kept = record_of(tmp_path / "again").stat().st_mtime_ns
    code, out, _ = replicate(runs, "--foreign-code", "mine")
    assert code == 0
    assert "2 of 2 cells replicated: 2 identical" in out
    assert record_of(tmp_path / "again").stat().st_mtime_ns == kept
