"""Two methods, or the same cells in two results folders, compared item by item."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.metrics.metric import Evaluation, mean_of
from ...runtime.errors import BadInput, unknown
from ..evidence.analysis import evaluated
from ..evidence.intervals import estimated
from .board import Board, load_boards
from .rows import Row, rounded
from .wording import how_many, interval_over


@dataclass(frozen=True)
class Comparison:
    """Row b against row a of one board: difference b - a of the scores, its 95 % interval and the paired test's p.

    `units` says how many there are; where they are too few, there is no interval. `over` says what else the interval
    speaks of, "images and seeds" or, where a row has too few seeds, "images"; then there is no p. `better`, `worse`,
    `equal` count items (test networks, or pairs) on which b does so; None for a metric that is no mean over items.
    """

    board: str
    a: str
    b: str
    score_a: float
    score_b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    units: str
    over: str | None
    better: int | None
    worse: int | None
    equal: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare_methods(results: Path, a: str, b: str) -> list[Comparison]:
    """Two rows on every board of a folder that has both. Raises BadInput when no board does.

    Arguments:
        a, b: a method, for its row that is best on validation data, a row's label, or the start of a spec.
    """
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
    """The row that `name` means: a method, a row's label, or the start of a spec.

    Of several, a method's or those of several kinds of hardware, it is the best on validation data, as in the overview.
    Raises BadInput for a start of several specs.
    """
    scored = _scored(board)
    methods = [row for row in scored if board.results[row][0].method.name == name]
    labelled = [row for row in scored if board.rows["method"][row] == name]
    specs = [row for row in scored if len(name) >= 4 and board.rows["spec"][row].startswith(name)]
    if not (methods or labelled) and len(known := sorted({board.rows["spec"][row] for row in specs})) > 1:
        raise BadInput(
            f"{board.title}: {name} is the start of {' and '.join(known)}; give more of the one that you mean"
        )
    fitting = methods or labelled or specs
    return board.best_on_validation(fitting) if fitting else None


def _comparison(a: Board, row_a: int, folder_a: Path, b: Board, row_b: int, folder_b: Path) -> Comparison:
    first, second = _evaluations(a.evidence[row_a]), _evaluations(b.evidence[row_b])
    if len(first[0].items.columns) != len(second[0].items.columns):
        raise BadInput(f"{a.title}: the two folders hold other test networks")
    units = first[0].units
    of_first, of_second = ([one.items for one in row] for row in (first, second))
    found = estimated([of_first, of_second], units)
    difference, low, high = found.difference(0, 1)
    better = worse = equal = None
    if of_first[0].statistic is mean_of:
        gain = np.mean([i.columns for i in of_second], axis=0) - np.mean([i.columns for i in of_first], axis=0)
        gain = gain * (1 if a.higher_is_better else -1)
        better, worse, equal = int(np.sum(gain > 0)), int(np.sum(gain < 0)), int(np.sum(gain == 0))
    labels = [_label(board, row) for board, row in ((a, row_a), (b, row_b))]
    if folder_a != folder_b:
        labels = [f"{folder}: {label}" for folder, label in zip((folder_a, folder_b), labels, strict=True)]
    return Comparison(
        board=a.title,
        a=labels[0],
        b=labels[1],
        score_a=float(found.scores[0]),
        score_b=float(found.scores[1]),
        difference=difference,
        low=rounded(low),
        high=rounded(high),
        p=rounded(found.p[0, 1]),
        units=how_many(units.count, units.name),
        over=None if np.isnan(low) else interval_over(units, int(found.seeds.min())),
        better=better,
        worse=worse,
        equal=equal,
    )


def _label(board: Board, row: int) -> str:
    several = board.rows["device"].nunique() > 1
    return str(board.rows["method"][row]) + (f", {board.rows['device'][row]}" if several else "")


def _evaluations(row: Row) -> list[Evaluation]:
    """The scores and items of a row's seeds."""
    return [evaluated(record, record.truth) for record in row.succeeded]
