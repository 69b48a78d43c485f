"""Controls say what a score is without reading the weights, or without learning; boards never rank them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import planted_zoo
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.records.predictions import read_predictions
from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.pages.board_files import markdown
from weightbench.methods.contract.builtin import is_control
from weightbench.methods.contract.linear_readout import LinearReadout

EPOCHS = np.concatenate([np.random.default_rng(run).permutation(10) for run in range(80)])


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> wb.Zoo:
    """Eighty runs of ten epochs; `clocked` is told by time alone, `sum_of_squares` by the weights alone."""
    found = planted_zoo.networks((4, 12, 3), 800)
    noise = 0.01 * np.random.default_rng(0).normal(size=800)
    extra = {"epoch": EPOCHS, "clocked": np.log1p(EPOCHS) + noise}
    return planted_zoo.write_zoo(tmp_path_factory.mktemp("snapshots") / "zoo", {"narrow": found}, extra=extra)


def run(zoo: wb.Zoo, out: Path, method: str, **options: object) -> dict[str, float]:
    (result,) = wb.run(method, **({"task": "property", "zoo": zoo, "out": out} | options))
    assert result.status == "ok", result.error
    return result.scores


@pytest.mark.parametrize("protocol", ["supervised", "representation"])
def test_the_clock_tells_time_and_nothing_else(snapshots: wb.Zoo, tmp_path: Path, protocol: str) -> None:
    assert run(snapshots, tmp_path, "epoch-clock", target="clocked", protocol=protocol)["pearson-r"] > 0.99
    assert abs(run(snapshots, tmp_path, "epoch-clock", target="answer", protocol=protocol)["pearson-r"]) < 0.1


def test_the_clock_needs_epochs(small_zoo: Path, snapshots: wb.Zoo, tmp_path: Path) -> None:
    with pytest.raises(wb.BadInput, match="epoch-clock reads the column epoch, which this zoo does not have"):
        wb.run("epoch-clock", task="property", target="psnr", zoo=small_zoo, out=tmp_path)


def test_a_constant_answers_the_training_mean(snapshots: wb.Zoo, tmp_path: Path) -> None:
    scores = run(snapshots, tmp_path, "constant", target="answer")
    assert scores["pearson-r"] == 0
    assert scores["r2"] == pytest.approx(0, abs=0.1)
    ((path, result),) = read_results(tmp_path)
    _, arrays = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    mean = snapshots["train"].table["answer"].mean()
    assert arrays["values"] == pytest.approx(np.full_like(arrays["values"], mean), rel=1e-4)


def test_a_constant_answers_the_most_frequent_class(snapshots: wb.Zoo, tmp_path: Path) -> None:
    accuracy = run(snapshots, tmp_path, "constant", task="network-classification", target="size")["accuracy"]
    commonest = snapshots["train"].table["size"].value_counts().index[0]
    assert accuracy == pytest.approx(100 * (snapshots["test"].table["size"] == commonest).mean())


def test_an_untrained_encoder_takes_no_step(snapshots: wb.Zoo) -> None:
    trained, untrained = wb.load_method("structure-reps", epochs=0), wb.load_method("untrained")
    assert untrained.params == trained.params
    with pytest.raises(wb.BadInput, match="epochs of untrained takes"):
        wb.load_method("untrained", epochs=1)


def test_the_late_half_is_scored_apart(snapshots: wb.Zoo, tmp_path: Path) -> None:
    scores = run(snapshots, tmp_path, "weight-norms", target="clocked", split="within-run")
    ((path, result),) = read_results(tmp_path)
    ids, arrays = read_predictions(path.with_name(result.predictions.file), result.predictions.sha256)
    table = snapshots.with_splits("within-run")["test"].table.set_index("id").loc[ids]
    table["predicted"] = arrays["values"][:, 0].astype(float)
    late = table[table["epoch"] > 4.5]
    each = [part["clocked"].corr(part["predicted"]) for _, part in late.groupby("run") if len(part) > 1]
    assert scores["pearson-r-late"] == pytest.approx(np.mean(each))


@pytest.fixture(scope="module")
def board(snapshots: wb.Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("board")
    for method in ("weight-norms", "epoch-clock", "constant"):
        for target in ("clocked", "sum_of_squares"):
            wb.run(method, task="property", zoo=snapshots, target=target, seeds=[0, 1, 2], out=out)
    return out


def test_controls_stand_on_the_board_without_a_rank(board: Path) -> None:
    for found in load_boards(board):
        rows = found.rows.set_index("method")
        assert rows["kind"].to_dict() == {"weight-norms": "method", "epoch-clock": "control", "constant": "control"}
        assert rows["group"].dropna().to_dict() == {"weight-norms": 1}
        shown = {line.split(" | ")[0].strip("| "): line for line in markdown([found]).splitlines() if " | " in line}
        assert " control " in shown["epoch-clock"]
        assert " control " not in shown["weight-norms"]


def test_a_board_says_in_words_who_beats_the_clock(board: Path) -> None:
    said = {found.options.target: found.clock for found in load_boards(board)}
    assert said["sum_of_squares"].endswith("Better than it by a paired test (Holm, 5 %): weight-norms.")
    assert said["clocked"].endswith("Better than it by a paired test (Holm, 5 %): no method of 1.")


def test_controls_are_those_of_their_folder() -> None:
    names = ("constant", "epoch-clock", "untrained", "identity-matching", "weight-norms", "structure-reps", "my-own")
    assert [is_control(name) for name in names] == [True] * 4 + [False] * 3


def test_the_readout_of_representations_cannot_explode() -> None:
    """A feature that hardly differs in training, and test networks where it does."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 40, generator=generator)
    features[:, 1] *= 1e-6
    targets = features[:, :1] + 0.1 * torch.randn(60, 1, generator=generator)
    readout = LinearReadout("values", 1)
    readout.fit(features, targets)
    width = float(targets.max() - targets.min())
    for scale in (1.0, 1e3, 1e9):
        found = readout.predict(scale * torch.randn(200, 40, generator=generator))
        assert targets.min() - width <= found.min()
        assert found.max() <= targets.max() + width
    least_squares = LinearReadout("values", 1, alpha=0.0)
    least_squares.fit(features, targets)
    outside = features.clone()
    outside[:, 1] += 1
    assert (least_squares.predict(outside) - targets).abs().max() > 100 * (
        readout.predict(outside) - targets
    ).abs().max()


def test_those_ahead_of_the_clock_are_named_best_first(snapshots: wb.Zoo, tmp_path: Path) -> None:
    for method in ("weight-norms", "weight-stats", "graph-metrics", "epoch-clock"):
        wb.run(method, task="property", zoo=snapshots, target="sum_of_squares", seeds=[0], out=tmp_path)
    (found,) = load_boards(tmp_path)
    late = found.rows.set_index("method")["late"]
    ahead = late[late > late["epoch-clock"]].sort_values(ascending=False)
    assert len(ahead) > 1
    assert f"Above it: {', '.join(ahead.index)}; " in found.clock
