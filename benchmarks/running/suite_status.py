"""What of a suite is done, failed, running or missing in a results folder; looks only, also while a run is going."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...runtime.errors import BadInput
from ...zoo.recipes.catalogue import locate
from ...zoo.storage.manifest import MANIFEST
from ..records.results_folder import ResultsFolder, read_result
from .cell import Cell
from .plan_cells import plan, requests_of
from .suite import Suite

State = Literal["done", "failed", "running", "missing"]


@dataclass(frozen=True)
class CellState:
    """One cell of a suite; `why` says what went wrong, or what it waits for."""

    title: str
    state: State
    why: str = ""


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
        for method in request.methods:
            for seed in seeds or suite.seeds:
                for options in request.options:
                    title = f"{request.task.name}{options} · {request.zoo} · {method.name} · seed {seed}"
                    found.append(CellState(title, "missing", f"zoo {absent[0]} is not on this machine yet"))
    return found


def _state(cell: Cell) -> CellState:
    if cell.finished() is not None:
        return CellState(cell.title, "done")
    if cell.folder.is_running(cell.spec, cell.seed):
        return CellState(cell.title, "running")
    with contextlib.suppress(BadInput):
        result = read_result(cell.folder.record_path(cell.spec, cell.seed))
        if result.status != "ok":
            return CellState(cell.title, "failed", result.error or result.status)
        return CellState(cell.title, "missing", "its predictions are damaged")
    return CellState(cell.title, "missing")
