"""Random search: everyone tries the same settings, validation chooses, the other seeds are of what it chose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import weightbench as wb
from weightbench.methods.contract.random_search import trials
from weightbench.runtime.errors import BadInput

SHRUNK = """
import weightbench as wb
from weightbench.zoo.recipes.run_recipe import DrawnHyperparameter


class Shrunk(wb.Method):
    '''The mean of the training targets times a factor: the nearer to 1, the better on every split.'''

    name = "shrunk"
    tasks = ("inr-classification",)
    search_space = {"smoothing": DrawnHyperparameter(uniform=(0.0, 1.0)), "absent": DrawnHyperparameter(choice=(1,))}
    smoothing: float = 0.5

    def fit(self, task, train, val, *, seed, device):
        if self.smoothing > FAILS_ABOVE:
            raise ValueError("too smooth")
        self.known, self.labels, self.classes = train.networks.params, task.targets(train), task.output_dim

    def predict(self, networks):
        import torch
        distances = torch.cdist(networks.params, self.known)
        votes = torch.nn.functional.one_hot(self.labels, self.classes).float()
        return torch.softmax(-distances / (0.01 + self.smoothing), 1) @ votes
"""


@pytest.fixture
def method(tmp_path: Path) -> str:
    path = tmp_path / "shrunk.py"
    path.write_text(SHRUNK.replace("FAILS_ABOVE", "9"))
    return str(path)


@pytest.fixture
def searched(small_zoo: Path) -> Callable[..., list[wb.Result]]:
    return partial(wb.run, task="inr-classification", zoo=small_zoo, trials=4)


def test_the_best_on_the_validation_split_has_the_other_seeds(searched, method: str, tmp_path: Path) -> None:
    results = searched(method, out=tmp_path / "runs", seeds=[0, 1, 2])
    first, more = [r for r in results if r.seed == 0], [r for r in results if r.seed > 0]
    assert [(r.trial.number, r.trial.of) for r in first if r.trial] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len({r.method.params["smoothing"] for r in first}) == 4
    assert first[0].method.params["smoothing"] == 0.5
    assert "absent" not in first[1].method.params
    best = max(first, key=lambda r: r.selection["val_score"])  # type: ignore[index]
    assert [(r.seed, r.spec.hash) for r in more] == [(1, best.spec.hash), (2, best.spec.hash)]
    # On the board the search is one row, and its other trials are in no row's statistics.
    (rows,) = wb.boards(tmp_path / "runs").values()
    assert rows[["spec", "seeds", "trials"]].values.tolist() == [[best.spec.hash, 3, 4]]


def test_a_second_run_keeps_every_trial(searched, method: str, tmp_path: Path) -> None:
    earlier = searched(method, out=tmp_path / "runs", seeds=[0, 1])
    said: list[str] = []
    assert searched(method, out=tmp_path / "runs", seeds=[0, 1], tell=said.append) == earlier
    assert len(said) == 5
    assert all("kept" in line for line in said)


def test_cells_that_ran_before_the_search_become_its_trials(
    searched, small_zoo: Path, method: str, tmp_path: Path
) -> None:
    (alone,) = wb.run(method, task="inr-classification", zoo=small_zoo, out=tmp_path / "runs")
    assert alone.trial is None
    searched(method, out=tmp_path / "runs")
    (rows,) = wb.boards(tmp_path / "runs").values()
    assert rows["trials"].tolist() == [4]


def test_a_trial_that_fails_is_not_chosen_and_the_search_goes_on(searched, tmp_path: Path) -> None:
    path = tmp_path / "shrunk.py"
    path.write_text(SHRUNK.replace("FAILS_ABOVE", "0.45"))  # trial 1 has 0.5
    results = searched(str(path), out=tmp_path / "runs", seeds=[0, 1])
    assert [r.status for r in results if r.trial and r.trial.number == 1] == ["failed"]
    (chosen,) = [r for r in results if r.seed == 1]
    assert chosen.status == "ok"


def test_what_is_tried_depends_on_the_settings_alone(tmp_path: Path) -> None:
    code = (
        "import weightbench as wb; from weightbench.methods.contract.random_search import trials;"
        "print([m.params for m in trials(wb.load_method('set-nn', epochs=3), 5)])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = trials(wb.load_method("set-nn", epochs=3), 5)
    assert str([m.params for m in here]) == other.strip()
    assert len({m.lr for m in here}) == 5  # type: ignore[attr-defined]
    assert {m.params["epochs"] for m in here} == {3}, "a search does not change the budget"
    assert [m.params for m in trials(wb.load_method("set-nn", epochs=4), 2)][1]["lr"] != here[1].params["lr"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "mlp", "--task", "inr-classification", "--zoo", "digits-inrs", "--trials", "0"), "--trials"),
        (("run", "--suite", "smoke", "--trials", "2"), "leave out"),
    ],
)
def test_bad_numbers_of_trials_are_refused(cli, arguments: tuple[str, ...], message: str) -> None:
    code, _, error = cli(*arguments)
    assert code == 2
    assert message in error


def test_a_search_of_no_trials_is_refused() -> None:
    with pytest.raises(BadInput, match="1 or more"):
        trials(wb.load_method("mlp"), 0)
