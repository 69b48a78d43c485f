"""Cross-fitting over runs: every run is tested once, by a fit that never saw it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from helpers import planted_zoo
from helpers.recorded import read_results
from hypothesis import given
from hypothesis import strategies as st

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.benchmarks.task.registry import load_task
from weightbench.zoo.storage.split_policies.cross_fitting import FOLDS, runs_of_fold

CELL = {"task": "property", "target": "sum_of_squares", "split": "cross-fitted"}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Twenty runs of ten networks each."""
    found = planted_zoo.networks((4, 12, 3), 200)
    return planted_zoo.write_zoo(tmp_path_factory.mktemp("runs") / "zoo", {"narrow": found})


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) >= FOLDS),
    seed=st.randoms(use_true_random=False),
)
def test_folds_part_the_runs(sizes: list[int], seed) -> None:
    numbers = seed.sample(range(1000), sum(sizes))
    runs = [sorted(numbers[sum(sizes[:i]) : sum(sizes[: i + 1])]) for i in range(len(sizes))]
    folds = [runs_of_fold(runs, fold, "zoo") for fold in range(FOLDS)]
    assert sorted(run for fold in folds for run in fold["test"]) == sorted(numbers)
    for fold, following in zip(folds, folds[1:] + folds[:1], strict=True):
        assert sorted(run for part in fold.values() for run in part) == sorted(numbers)
        assert fold["val"] == following["test"]
    shares = [[len({*fold["test"]} & {*of_one}) for fold in folds] for of_one in [*runs, numbers]]
    assert all(max(share) - min(share) <= 1 for share in shares)


class Logged(wb.Method):
    """Writes down the runs that it learns from."""

    name = "logged"
    tasks = ("property",)
    log: str = ""

    def fit(self, task, train, val, *, seed, device):
        shown = [sorted(set(split.table["run"].tolist())) for split in (train, val)] if "run" in train.table else []
        with Path(self.log).open("a") as stream:
            stream.write(json.dumps([shown, sorted(train.ids + val.ids)]) + "\n")
        self.mean = task.targets(train).mean() if task.output == "values" else 0.0

    def predict(self, networks):
        return networks.params.square().sum(1, keepdim=True) * 0 + self.mean

    def transform(self, networks):
        return networks.params.square().sum(1, keepdim=True)


def logged(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_run_is_tested_by_a_fit_that_did_not_see_it(zoo: wb.Zoo, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (result,) = wb.run(Logged(log=str(log)), zoo=zoo, out=tmp_path / "runs", **CELL)
    assert (result.status, result.zoo.n_train, result.zoo.n_val, result.zoo.n_test) == ("ok", 120, 40, 200)
    (path,) = [path for path, _ in read_results(tmp_path / "runs")]
    ids, arrays = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    whole = zoo.with_splits("cross-fitted")["test"].table.set_index("id")
    assert sorted(ids) == sorted(whole.index)
    answers = dict(zip(ids, arrays["values"][:, 0].tolist(), strict=True))
    fits = [seen for (_, seen) in logged(log)]
    assert len(fits) == FOLDS
    for seen, fold in zip(fits, zoo.with_splits("cross-fitted").folds, strict=True):
        tested = fold["test"].ids
        assert not {*seen} & {*tested}
        mean = whole.loc[fold["train"].ids, "sum_of_squares"].mean()
        assert [answers[name] for name in tested] == pytest.approx([mean] * len(tested), rel=1e-5)


def test_a_board_of_its_own_with_every_run_as_a_unit(zoo: wb.Zoo, tmp_path: Path) -> None:
    for split in ("across-runs", "cross-fitted"):
        wb.run("weight-norms", zoo=zoo, out=tmp_path, **(CELL | {"split": split}))
    boards = wb.boards(tmp_path)
    assert {title: (rows["units"][0], rows["networks"][0]) for title, rows in boards.items()} == {
        "property of sum_of_squares (across-runs) on planted@1.0.0": (10, 100),
        "property of sum_of_squares (cross-fitted) on planted@1.0.0": (20, 200),
    }


def test_an_encoder_is_fitted_once_for_each_fold(zoo: wb.Zoo, tmp_path: Path, cli) -> None:
    (tmp_path / "m.py").write_text(
        "import pathlib\nimport weightbench as wb\n"
        "class Counted(wb.Method):\n    name, tasks = 'counted', ('property',)\n"
        "    def fit(self, task, train, val, *, seed, device):\n"
        f"        with open({str(tmp_path / 'log')!r}, 'a') as log: log.write('x')\n"
        "    def transform(self, networks):\n        return networks.params[:, :5]\n"
    )
    (tmp_path / "suite.toml").write_text(
        'description = "two targets"\nseeds = [0]\n[[runs]]\ntask = "property"\n'
        f'zoo = "{zoo.folder}"\nsplit = "cross-fitted"\nprotocol = "representation"\n'
        f'target = ["sum_of_squares", "mean_weight"]\nmethods = [{{ name = "{tmp_path / "m.py"}" }}]\n'
    )
    code, _, err = cli("run", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "runs")
    assert code == 0, err
    assert (tmp_path / "log").read_text() == "x" * FOLDS
    assert len(read_results(tmp_path / "runs")) == 2


def test_another_process_gets_the_same_folds(zoo: wb.Zoo) -> None:
    task = load_task("property", zoo, target="answer", split="cross-fitted")
    again = pickle.loads(pickle.dumps(task))
    assert [fold.splits["test"].ids for fold in again.folds] == [fold.splits["test"].ids for fold in task.folds]
    (first, *_) = task.folds
    assert pickle.loads(pickle.dumps(first)).splits["train"].ids == first.splits["train"].ids


@pytest.mark.parametrize(
    ("task", "target", "why"),
    [
        ("network-retrieval", "size", "compares test networks, which one fit must read"),
        ("neuron-alignment", "copies", "compares test networks, which one fit must read"),
    ],
)
def test_what_one_fit_must_read_is_refused(zoo: wb.Zoo, task: str, target: str, why: str) -> None:
    with pytest.raises(wb.BadInput, match=why):
        load_task(task, zoo, target=target, split="cross-fitted")


def test_too_few_runs_and_none_are_refused(tmp_path: Path, small_zoo: Path) -> None:
    few = planted_zoo.write_zoo(tmp_path / "few", {"narrow": planted_zoo.networks((4, 6, 3), 40)})
    with pytest.raises(wb.BadInput, match="has 4 runs, cross-fitted takes 5 at least"):
        load_task("property", few, target="answer", split="cross-fitted")
    with pytest.raises(wb.BadInput, match="names no runs"):
        load_task("inr-classification", small_zoo, split="cross-fitted")
