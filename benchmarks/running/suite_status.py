"""What of a suite is done, failed, running or missing in a results folder; looks only, also while a run is going.

A cell's place in the folder depends on its zoo's manifest: where the zoo is absent, nobody can tell whether it is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ...runtime.errors import BadInput
from ...zoo.recipes.catalogue import locate
from ...zoo.storage.manifest import MANIFEST
from ..records.results_folder import ResultsFolder, read_result
from .cell import Cell
from .plan_cells import plan, requests_of
from .suite import Suite

State = Literal["done", "running", "failed", "missing", "waiting"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class CellState:
    """One cell of a suite.

    Arguments:
        row: its task, zoo and method, the same for all seeds.
        trial: its number in a random search, 0 where there is none.
        spec: the hash that names its folder, or that of the search's first trial; "" where its zoo is not there.
        why: what went wrong, or what it waits for.
        absent: the zoo that it waits for, and without which nobody can tell whether it is done.
    """

    row: str
    trial: int
    seed: int
    state: State
    spec: str = ""
    why: str = ""
    absent: str = ""


def told(states: Sequence[CellState]) -> list[str]:
    """What is not done, a line for the cells of a row that share a state, and one for all that wait for a zoo."""
    open_cells = [cell for cell in states if cell.state != "done"]
    rows: dict[tuple[str, ...], list[CellState]] = {}
    for cell in open_cells:
        kind = (cell.absent,) if cell.absent else (cell.row, cell.spec, cell.state, cell.why)
        rows.setdefault(kind, []).append(cell)
    return [_line(cells) for cells in rows.values()]


def _line(cells: Sequence[CellState]) -> str:
    first = cells[0]
    if first.absent:
        number = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        return f"waiting: {number} of {first.absent}, a zoo that is not here (`weightbench zoo build` or `zoo get`)"
    trials = _numbered("trial", {cell.trial for cell in cells} - {0})
    seeds = _numbered("seed", {cell.seed for cell in cells})
    return f"{first.state}: {first.row}{trials}{seeds}" + (f" ({first.why})" if first.why else "")


def _numbered(noun: str, numbers: set[int]) -> str:
    plural = "s" if len(numbers) > 1 else ""
    return f" · {noun}{plural} {', '.join(map(str, sorted(numbers)))}" if numbers else ""


def status(suite: Suite, folder: ResultsFolder, *, seeds: Sequence[int] | None = None) -> list[CellState]:
    """The state of every cell of `suite` in a results folder. Nothing is built or downloaded. Raises BadInput."""
    if not folder.path.is_dir():
        raise BadInput(f"{folder}: no such folder; `weightbench run --suite NAME --out {folder}` writes results there")
    found = []
    for request in requests_of(suite):
        zoos = {str(request.zoo), *(other for options in request.options for other in options.others)}
        absent = [name for name in zoos if not (locate(name) / MANIFEST).exists()]
        if not absent:
            found += [_state(cell) for cell in plan([request], seeds or suite.seeds, folder)]
            continue
        why = f"zoo {absent[0]} is not on this machine yet"
        for method in request.methods:
            for options in request.options:
                row = f"{request.task.name}{options} · {request.zoo} · {method.name}"
                found += [CellState(row, 0, seed, "waiting", "", why, absent[0]) for seed in seeds or suite.seeds]
    return found


def _state(cell: Cell) -> CellState:
    state, why = _found(cell)
    trial, spec = (cell.trial.number, cell.trial.search) if cell.trial else (0, cell.spec.hash)
    return CellState(cell.row, trial, cell.seed, state, spec, why)


def _found(cell: Cell) -> tuple[State, str]:
    if cell.finished() is not None:
        return "done", ""
    if cell.folder.is_running(cell.spec, cell.seed):
        return "running", ""
    with contextlib.suppress(BadInput):
        result = read_result(cell.folder.record_path(cell.spec, cell.seed))
        return (
            ("missing", "its predictions are damaged")
            if result.status == "ok"
            else ("failed", result.error or result.status)
        )
    return "missing", ""
