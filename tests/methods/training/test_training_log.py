"""`--log tensorboard`: what is written is what the record says, and nothing without the package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.recorded import read_results

import weightbench as wb


def test_losses_and_scores_are_those_of_the_record(small_zoo: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    method = wb.load_method("mlp", epochs=3, batch_size=64, lr=1e-3, augment=[])
    [result] = wb.run(method, task="inr-classification", zoo=small_zoo, out=tmp_path, log="tensorboard")
    events = accumulator.EventAccumulator(str((tmp_path / result.path).with_suffix(".tensorboard") / "0")).Reload()
    assert result.curves is not None
    scores = events.Scalars("val/accuracy")
    steps = result.budget["steps"] if result.budget else 0
    assert [event.step for event in scores] == [steps // 3, 2 * steps // 3, steps]
    assert [event.value for event in scores] == pytest.approx(result.curves["val_score"], rel=1e-4)
    losses = events.Scalars("train/loss")
    assert [event.step for event in losses] == list(range(1, steps + 1))
    first = [event.value for event in losses[: steps // 3]]
    assert min(first) < result.curves["train_loss"][0] < max(first)


def test_without_the_package_one_line_names_the_extra(
    small_zoo: Path, tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as where it is not installed
    arguments = ("run", "mlp", "--task", "inr-classification", "--zoo", small_zoo, "--out", tmp_path / "runs")
    code, _, err = cli(*arguments, "--log", "tensorboard")
    assert code == 2
    assert err == "error: --log tensorboard: tensorboard is not installed: pip install 'weightbench[tensorboard]'\n"
    assert not (tmp_path / "runs").exists()
    code, _, err = cli(*arguments, "--log", "tensorbord")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean tensorboard" in err


def test_nothing_is_logged_unasked(small_zoo: Path, tmp_path: Path) -> None:
    wb.run(wb.load_method("mlp", epochs=1), task="inr-classification", zoo=small_zoo, out=tmp_path)
    [(path, _)] = read_results(tmp_path)
    assert {file.suffix for file in path.parent.iterdir()} == {".json", ".safetensors"}
