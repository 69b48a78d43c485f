"""Training that is cut off goes on where it was, to the same end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.results_folder import ResultsFolder
from weightbench.benchmarks.running.plan_cells import planned_cell
from weightbench.benchmarks.running.run import run_cells
from weightbench.methods.contract.registry import load_class
from weightbench.methods.training import checkpoint
from weightbench.runtime.local_executor import LocalExecutor
from weightbench.zoo.storage.zoo import Zoo

BATCH_SIZE = 16
SETTINGS = {
    "epochs": 4,
    "batch_size": BATCH_SIZE,
    "lr": 3e-3,
    "schedule": "one-cycle",
    "dropout": 0.1,
    "augment": ["noise"],
}


@pytest.fixture
def cut_after(monkeypatch: pytest.MonkeyPatch):
    """Ends a training as Ctrl-C does, after so many of its checkpoints."""
    real = checkpoint.save

    def cut(times: int) -> None:
        left = iter(range(times - 1))

        def save(device: str, **arguments: Any) -> None:
            real(device, **arguments)
            if next(left, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(checkpoint, "save", save)

    monkeypatch.setattr(checkpoint, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoint, "WRITE_TIME_SHARE", math.inf)
    yield cut
    monkeypatch.undo()


def run(zoo: Zoo, out: Path) -> wb.Result:
    (result,) = wb.run(
        wb.load_method("ng-gnn", depth=1, width=8, **SETTINGS), task="inr-classification", zoo=zoo, out=out
    )
    return result


def batches_of(zoo: Zoo) -> int:
    """Of an epoch; each of them, and so each epoch, has a checkpoint."""
    return -(-len(zoo.splits["train"]) // BATCH_SIZE)


@pytest.mark.parametrize(("epochs", "batches"), [(0, 1), (1, -1), (1, 0), (2, 3), (4, 0)])
def test_a_training_cut_off_ends_as_one_that_was_not(
    small_zoo: Path, tmp_path: Path, cut_after, epochs: int, batches: int
) -> None:
    zoo = wb.load_zoo(small_zoo)
    whole = run(zoo, tmp_path / "whole")
    cut_after(epochs * batches_of(zoo) + batches)
    with pytest.raises(KeyboardInterrupt):
        run(zoo, tmp_path / "cut")
    assert len(list(tmp_path.glob("cut/.checkpoints/*.pt"))) == 1
    assert not list(tmp_path.glob("cut/*/*/*/*/*.json"))
    cut_after(1000)
    torch.manual_seed(1)  # whatever this process did in between
    resumed = run(zoo, tmp_path / "cut")
    assert resumed.predictions is not None
    assert whole.predictions is not None
    assert resumed.predictions.sha256 == whole.predictions.sha256
    assert resumed.curves == whole.curves
    assert resumed.selection == whole.selection
    assert resumed.budget == whole.budget
    assert not list(tmp_path.glob("cut/.checkpoints/*.pt"))


def test_a_damaged_checkpoint_is_no_checkpoint(small_zoo: Path, tmp_path: Path, cut_after) -> None:
    zoo = wb.load_zoo(small_zoo)
    cut_after(2)
    with pytest.raises(KeyboardInterrupt):
        run(zoo, tmp_path)
    (file,) = tmp_path.glob(".checkpoints/*.pt")
    file.write_bytes(file.read_bytes()[:500])
    cut_after(1000)
    assert run(zoo, tmp_path).status == "ok"


@pytest.mark.parametrize("change", [{"device": "cuda", "cuda": torch.get_rng_state()}, {"version": 1}])
def test_a_checkpoint_of_another_kind_of_device_or_of_another_version_is_no_checkpoint(
    small_zoo: Path, tmp_path: Path, cut_after, change: dict[str, Any]
) -> None:
    zoo = wb.load_zoo(small_zoo)
    whole = run(zoo, tmp_path / "whole")
    cut_after(2)
    with pytest.raises(KeyboardInterrupt):
        run(zoo, tmp_path / "cut")
    (file,) = tmp_path.glob("cut/.checkpoints/*.pt")
    state = torch.load(file, weights_only=True)
    assert state["device"] == "cpu"
    torch.save(state | change | {"seconds": 1000.0}, file)
    cut_after(1000)
    anew = run(zoo, tmp_path / "cut")
    assert anew.curves == whole.curves
    assert anew.cost is not None
    assert anew.cost.fit_s < 1000
    assert anew.predictions is not None
    assert whole.predictions is not None
    assert anew.predictions.sha256 == whole.predictions.sha256


class Twice(load_class("ng-gnn")):  # type: ignore[misc]
    """Trains two models, and answers with the second."""

    name = "twice"

    def fit(self, task, train, val, *, seed, device):
        super().fit(task, train, val, seed=seed, device=device)
        super().fit(task, train, val, seed=seed + 1, device=device)


def test_each_training_of_a_method_has_its_own(small_zoo: Path, tmp_path: Path, cut_after) -> None:
    def outcome(out: Path) -> str | None:
        method = Twice(depth=1, width=8, **SETTINGS)
        (result,) = wb.run(method, task="inr-classification", zoo=small_zoo, out=out)
        return result.predictions and result.predictions.sha256

    whole = outcome(tmp_path / "whole")
    cut_after(4 * batches_of(wb.load_zoo(small_zoo)) + 2)  # the second checkpoint of the second training
    with pytest.raises(KeyboardInterrupt):
        outcome(tmp_path / "cut")
    for number, file in enumerate(sorted(tmp_path.glob("cut/.checkpoints/*.pt"))):
        torch.save(torch.load(file, weights_only=True) | {"seconds": 1000.0 * (1 + number)}, file)
    cut_after(1000)
    assert outcome(tmp_path / "cut") == whole is not None
    assert not list(tmp_path.glob("cut/.checkpoints/*.pt"))
    ((_, result),) = read_results(tmp_path / "cut")
    assert result.cost is not None
    assert 3000 < result.cost.fit_s < 4000  # the earlier seconds of both


class Embeds(wb.Method):
    """Is cut off once, after a thousand seconds."""

    name = "embeds"
    tasks = ("property",)

    def fit(self, task, train, val, *, seed, device):
        if checkpoint.load(device) is None:
            checkpoint.save(device, seconds=1000.0, state=dict)
            raise KeyboardInterrupt

    def transform(self, networks):
        return networks.params[:, :4]


def test_earlier_seconds_of_a_shared_encoder_count_once(small_zoo: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_INTERVAL_S", 0.0)
    zoo = wb.load_zoo(small_zoo)
    tasks = [wb.load_task("property", zoo, target=name, protocol="representation") for name in ("psnr", "label")]
    cells = [planned_cell(task, Embeds(), 0, ResultsFolder(tmp_path)) for task in tasks]
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, device="cpu", executor=LocalExecutor())
    found = [result.cost.fit_s for result in run_cells(cells, device="cpu", executor=LocalExecutor()) if result.cost]
    assert [1000 < seconds < 2000 for seconds in found] == [True, True]


def test_a_write_that_takes_long_is_repeated_later(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoint, "WRITE_TIME_SHARE", 1e-6)
    with checkpoint.kept_in(tmp_path / "state") as kept:
        checkpoint.load("cpu")
        checkpoint.save("cpu", seconds=1.0, state=lambda: {"parts": [torch.zeros(1000)]})
        written = kept.path.read_bytes()
        checkpoint.save("cpu", seconds=2.0, state=lambda: {"parts": [torch.ones(1000)]})
        assert kept.path.read_bytes() == written
        monkeypatch.setattr(checkpoint, "WRITE_TIME_SHARE", 1.0)
        kept.due = 0.0
        checkpoint.save("cpu", seconds=3.0, state=lambda: {"parts": [torch.ones(1000)]})
        assert [path.name for path in tmp_path.iterdir()] == [kept.path.name]
        state = torch.load(kept.path, weights_only=True)
        assert (state["seconds"], state["parts"][0].sum()) == (3.0, 1000)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_last_state(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoint, "WRITE_TIME_SHARE", math.inf)
    with checkpoint.kept_in(tmp_path / "state") as kept:
        checkpoint.load("cpu")
        checkpoint.save("cpu", seconds=1.0, state=dict)
        written = kept.path.read_bytes()
        with pytest.raises(AttributeError):
            checkpoint.save("cpu", seconds=2.0, state=lambda: {"parts": lambda: None})  # cannot be pickled
        assert kept.path.read_bytes() == written
        assert [path.name for path in tmp_path.iterdir()] == [kept.path.name]
