"""Two methods, or the same cells in two results folders, compared item by item."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.metrics.metric import Items, mean_of
from ...runtime.errors import BadInput, unknown
from ..evidence.analysis import evaluated, units_of
from ..evidence.intervals import LEVEL, resampled
from .board import Board, load_boards
from .rows import Row


@dataclass(frozen=True)
class Comparison:
    """Row b against row a of one board: difference b - a of the scores, its 95 % interval and the paired test's p.

    `better`, `worse`, `equal` count test networks on which b does so; None for a metric that is no mean over networks.
    """

    board: str
    a: str
    b: str
    score_a: float
    score_b: float
    difference: float
    low: float
    high: float
    p: float
    better: int | None
    worse: int | None
    equal: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare_methods(results: Path, a: str, b: str) -> list[Comparison]:
    """Two rows on every board of a folder that has both. Raises BadInput when no board does."""
    found = []
    boards = load_boards(results)
    for board in boards:
        rows = [_row(board, name) for name in (a, b)]
        if rows[0] is not None and rows[1] is not None:
            found.append(_comparison(board, rows[0], results, board, rows[1], results))
    if not found:
        known = sorted({str(name) for board in boards for name in board.rows["method"]})
        for name in (a, b):
            if all(_row(board, name) is None for board in boards):
                raise unknown("method", name, known)
        raise BadInput(f"{results}: no board there has both {a} and {b}")
    return found


def compare_folders(a: Path, b: Path) -> list[Comparison]:
    """Every row that two results folders share: the same task, zoo, method and settings. Raises BadInput for none."""
    there = {_identity(board, row): (board, row) for board in load_boards(b) for row in _scored(board)}
    found = []
    for board in load_boards(a):
        for row in _scored(board):
            if other := there.get(_identity(board, row)):
                found.append(_comparison(board, row, a, other[0], other[1], b))
    if not found:
        raise BadInput(f"{a} and {b} share no row: nothing there has the same task, zoo, method and settings")
    return found


def _scored(board: Board) -> list[int]:
    return np.flatnonzero(board.rows["score"].notna()).tolist()


def _identity(board: Board, row: int) -> tuple[Any, ...]:
    """The settings, not the source: the same method may have been mended between two folders."""
    method = board.results[row][0].method
    zoo = (board.zoo, board.zoo_version, board.recipe_sha256)
    return (board.task, board.task_version, board.chosen, zoo, method.name, repr(sorted(method.params.items())))


def _row(board: Board, name: str) -> int | None:
    """The row called `name`, by label, by spec, or by the method's bare name. Raises BadInput where several fit."""
    labels = board.rows["method"].tolist()
    scored = _scored(board)
    exact = [row for row in scored if labels[row] == name]
    loose = [
        row
        for row in scored
        if board.results[row][0].method.name == name or (len(name) >= 4 and board.rows["spec"][row].startswith(name))
    ]
    fitting = exact or loose
    if len(fitting) > 1:
        choices = ", ".join(f"{labels[row]!r} (spec {board.rows['spec'][row]})" for row in fitting)
        raise BadInput(f"{board.title} has several rows called {name!r}: say which by its spec: {choices}")
    return fitting[0] if fitting else None


def _comparison(a: Board, row_a: int, folder_a: Path, b: Board, row_b: int, folder_b: Path) -> Comparison:
    first, second = _items(a.evidence[row_a]), _items(b.evidence[row_b])
    if len(first[0].columns) != len(second[0].columns):
        raise BadInput(f"{a.title}: the two folders hold other test networks")
    truth = a.evidence[row_a].succeeded[0].truth
    found = resampled([first, second], units_of(truth, a.zoo))
    differences = found.replicates[:, 1] - found.replicates[:, 0]
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    better = worse = equal = None
    if first[0].statistic is mean_of:
        gain = np.mean([i.columns for i in second], axis=0) - np.mean([i.columns for i in first], axis=0)
        gain = gain * (1 if a.higher_is_better else -1)
        better, worse, equal = int(np.sum(gain > 0)), int(np.sum(gain < 0)), int(np.sum(gain == 0))
    labels = [str(board.rows["method"][row]) for board, row in ((a, row_a), (b, row_b))]
    if folder_a != folder_b:
        labels = [f"{folder}: {label}" for folder, label in zip((folder_a, folder_b), labels, strict=True)]
    return Comparison(
        board=a.title,
        a=labels[0],
        b=labels[1],
        score_a=float(found.scores[0]),
        score_b=float(found.scores[1]),
        difference=float(found.scores[1] - found.scores[0]),
        low=float(low),
        high=float(high),
        p=float(found.p[0, 1]),
        better=better,
        worse=worse,
        equal=equal,
    )


def _items(row: Row) -> list[Items]:
    """The items of a row's seeds."""
    return [evaluated(record, record.truth).items for record in row.succeeded]
