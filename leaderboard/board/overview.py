"""The overview: methods by tasks, each task by one board that stands for it. Torch-free.

Which board that is, which row of a method is shown and what is marked: `RULES` tells the readers of the board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import pandas as pd

from ...benchmarks.records.result import shown_unit
from ...methods.contract.builtin import builtin_methods, is_ceiling, is_control
from .board import Board
from .columns import COLUMNS

TASKS = (
    "inr-classification",
    "inr-dilation",
    "accuracy-decoding",
    "generalization-gap",
    "network-classification",
    "network-retrieval",
    "neuron-alignment",
    "property",
)
Kind = Literal["method", "baseline", "ceiling", "control"]
GROUPS: dict[str, tuple[Kind, ...]] = {
    "methods": ("method",),
    "baselines": ("baseline",),
    "ceilings and controls": ("ceiling", "control"),
}
RULES = (
    "Each task is shown by the board that has most methods (of equals, most test networks); one within runs, which "
    "leaks, only where there is no other. Of several rows of a method the one with the best validation score is shown. "
    "Best: the best score, ceilings and controls apart; tied for best: in its tie group. A board with fewer than three "
    "seeds or too few units has no tie groups: nothing is tested there. Ceilings fall back on the picture: inr-decode "
    "decodes an INR and reads its pixels, refit trains it on its own dilated rendering. Controls say what a score is "
    "worth: the same answer for all networks (constant), how long one was trained and nothing else (epoch-clock), an "
    "encoder without training (untrained), neurons left where they are (identity-matching). Blank: not run."
)
COMPETING: tuple[Kind, ...] = ("method", "baseline")
SCORE = next(column for column in COLUMNS if column.key == "score")


@dataclass(frozen=True)
class TaskColumn:
    """A task with the board that stands for it: its place among the boards, and the class of hardware."""

    board: Board
    place: int
    device: str

    @property
    def where(self) -> str:
        """What else tells the board: target and splits, the zoo, the hardware where it is no CPU."""
        return f"{self.board.chosen} on {self.board.zoo}{self.machine}".strip()

    @property
    def machine(self) -> str:
        """The hardware where it is no CPU, after a comma."""
        return "" if self.device == "CPU" else f", {self.device}"

    @property
    def measure(self) -> str:
        """The metric with its unit."""
        return ", ".join(filter(None, [self.board.metric, shown_unit(self.board.unit)]))

    @property
    def direction(self) -> str:
        """An arrow to where better scores are."""
        return "↑" if self.board.higher_is_better else "↓"


@dataclass(frozen=True)
class Cell:
    """A method's score on a task: the row of the board, the score as text, and the mark.

    `label` is the method with its settings, `mark` "best", "tied" (it cannot be told from the best) or "".
    """

    row: int
    label: str
    score: str
    mark: Literal["best", "tied", ""] = ""


@dataclass(frozen=True)
class Line:
    """A method with its cells, in the order of the columns; None where it was not run."""

    method: str
    kind: Kind
    cells: list[Cell | None]


@dataclass(frozen=True)
class Overview:
    """The table: `lines` by the first task that a method stands on, the best on it first."""

    columns: list[TaskColumn]
    lines: list[Line]

    def groups(self) -> list[tuple[str, list[Line]]]:
        """The lines of each of `GROUPS` that has any."""
        found = [(name, [line for line in self.lines if line.kind in kinds]) for name, kinds in GROUPS.items()]
        return [(name, lines) for name, lines in found if lines]

    @property
    def state(self) -> str:
        """What the field's state is, in two sentences; empty without scores."""
        led: dict[str, list[str]] = {}
        tied, with_baseline = [], 0
        for column, cells in self._by_column():
            task = column.board.task
            for line, cell in cells:
                if cell.mark == "best":
                    led.setdefault(line.method, []).append(task)
            tied += [task] if any(cell.mark == "tied" for _, cell in cells) else []
            with_baseline += any(cell.mark and line.kind != "method" for line, cell in cells)
        if not led:
            return ""
        best = _enumerated([f"{method} ({', '.join(tasks)})" for method, tasks in led.items()])
        who = f"the best {'is' if len(led) == 1 else 'are'} {best}"
        others = [f"on {_enumerated(tied)} others cannot be told from the best"] if tied else []
        untested = [column.board.task for column in self.columns if column.board.rows["group"].isna().all()]
        others += [f"on {_enumerated(untested)} seeds or units are too few to tell"] if untested else []
        of, tasks = sum(line.kind in COMPETING for line in self.lines), _counted(len(self.columns), "task")
        first = "; ".join([f"Of {of} methods and baselines on {tasks} {who}", *others])
        second = "; ".join([f"A baseline is best or tied for best on {with_baseline} of {tasks}", *self._ceilings()])
        return f"{first}. {second}."

    def _ceilings(self) -> list[str]:
        """How far the best stay below each ceiling."""
        said = []
        for column, cells in self._by_column():
            best = next((cell for _, cell in cells if cell.mark == "best"), None)
            for line, cell in cells:
                if line.kind == "ceiling" and best:
                    groups = column.board.rows["group"]
                    tied = pd.notna(groups[best.row]) and groups[best.row] == groups[cell.row]
                    reached = "is reached" if best.row < cell.row or tied else "is not reached"
                    said.append(
                        f"on {column.board.task} the ceiling, {line.method} with {cell.score}, {reached} ({best.score})"
                    )
        return said

    def _by_column(self) -> list[tuple[TaskColumn, list[tuple[Line, Cell]]]]:
        return [
            (column, [(line, cell) for line in self.lines if (cell := line.cells[at]) is not None])
            for at, column in enumerate(self.columns)
        ]


def overview(boards: Sequence[Board]) -> Overview:
    """The overview of these boards; tasks without any score are left out."""
    current = [(task, [place for place in group if not boards[place].superseded]) for task, group in by_task(boards)]
    columns = [column for _, group in current if (column := _standing(boards, group)) is not None]
    found = [_cells(column) for column in columns]
    lines = [Line(method, method_kind(method), [cells.get(method) for cells in found]) for method in _in_order(found)]
    return Overview(columns, lines)


def by_task(boards: Sequence[Board]) -> list[tuple[str, list[int]]]:
    """The places of the boards of each task, in the order of `TASKS`, others after it; those that leak come last, and
    those of an earlier version of the task after them."""
    names = sorted(
        {board.task for board in boards}, key=lambda task: (TASKS.index(task) if task in TASKS else len(TASKS), task)
    )
    places = sorted(range(len(boards)), key=lambda place: (boards[place].superseded, boards[place].leaks))
    return [(task, [place for place in places if boards[place].task == task]) for task in names]


def _standing(boards: Sequence[Board], places: list[int]) -> TaskColumn | None:
    """The board and class of hardware that stand for a task: most methods (not controls), then most test networks."""
    devices = [(place, str(device)) for place in places for device in sorted(set(boards[place].rows["device"]))]
    candidates = [TaskColumn(boards[place], place, device) for place, device in devices]
    scored = [column for column in candidates if _methods(column)]
    if not scored:
        return None
    return min(scored, key=lambda column: (column.board.leaks, -_competing(column), -column.board.n_test))


def _competing(column: TaskColumn) -> int:
    return sum(method_kind(method) in COMPETING for method in _methods(column))


def _methods(column: TaskColumn) -> dict[str, list[int]]:
    """The rows with a score of each method."""
    found: dict[str, list[int]] = {}
    for place, row in enumerate(column.board.evidence):
        if row.device == column.device and row.values:
            found.setdefault(row.first.method.name, []).append(place)
    return found


def _cells(column: TaskColumn) -> dict[str, Cell]:
    """The cell of each method, the best first, those that failed last."""
    board, shown = column.board, _methods(column)
    chosen = {method: board.best_on_validation(places) for method, places in shown.items()}
    competing = [row for method, row in chosen.items() if method_kind(method) in COMPETING]
    groups = board.rows["group"]
    best = min(competing, default=None)  # rows are sorted by score
    scores = board.rows["score"]
    cells = {}
    for method, row in sorted(chosen.items(), key=lambda pair: pair[1]):
        mark: Literal["best", "tied", ""] = ""
        if best is not None and row in competing:
            tied = pd.notna(groups[best]) and groups[row] == groups[best]
            mark = "best" if scores[row] == scores[best] else "tied" if tied else ""
        cells[method] = _cell(board, row, mark)
    for place, evidence in enumerate(board.evidence):
        if evidence.device == column.device and evidence.first.method.name not in cells:
            cells[evidence.first.method.name] = _cell(board, place)
    return cells


def _cell(board: Board, row: int, mark: Literal["best", "tied", ""] = "") -> Cell:
    cells = board.rows.iloc[row]
    return Cell(row, str(cells["method"]), SCORE.shown(cells), mark)


def _in_order(found: list[dict[str, Cell]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(found)))


def method_kind(method: str) -> Kind:
    """What a method is on boards; one of one's own is a method."""
    if is_ceiling(method) or is_control(method):
        return "ceiling" if is_ceiling(method) else "control"
    return "baseline" if ".baselines." in builtin_methods().get(method, "") else "method"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _enumerated(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
