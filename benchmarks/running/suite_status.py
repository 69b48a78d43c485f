"""What of a suite is done, failed, running or missing in a results folder; looks only, also while a run is going."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import Timeout

from ...runtime.errors import BadInput
from ...zoo.recipes.catalogue import locate
from ...zoo.storage.manifest import MANIFEST
from ..records.result import read_result
from .cell import LOCKS, Cell, plan
from .suite import Suite

State = Literal["done", "failed", "running", "missing"]


@dataclass(frozen=True)
class CellState:
    """One cell of a suite; `why` says what went wrong, or what it waits for."""

    title: str
    state: State
    why: str = ""


def status(suite: Suite, folder: Path, *, seeds: Sequence[int] | None = None) -> list[CellState]:
    """The state of every cell of `suite` in the results folder. Nothing is built or downloaded. Raises BadInput."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; `weightbench run --suite NAME --out {folder}` writes results there")
    found = []
    for runs in suite.runs:
        for zoo, choices in runs.grounds:
            absent = [name for name in (zoo, runs.also) if name and not (locate(name) / MANIFEST).exists()]
            if not absent:
                here = runs.model_copy(update={"zoo": zoo, "split": choices[0].split})
                part = suite.model_copy(update={"runs": [here]})
                found += [_state(cell) for cell in plan(part, seeds=seeds, out=folder)]
                continue
            for method in runs.methods:
                for seed in seeds or suite.seeds:
                    for options in choices:
                        title = f"{runs.task}{options} · {zoo} · {method.get('name')} · seed {seed}"
                        found.append(CellState(title, "missing", f"zoo {absent[0]} is not on this machine yet"))
    return found


def _state(cell: Cell) -> CellState:
    if cell.finished() is not None:
        return CellState(cell.title, "done")
    if _is_running(cell):
        return CellState(cell.title, "running")
    with contextlib.suppress(BadInput):
        result = read_result(cell.path)
        if result.status != "ok":
            return CellState(cell.title, "failed", result.error or result.status)
        return CellState(cell.title, "missing", "its predictions are damaged")
    return CellState(cell.title, "missing")


def _is_running(cell: Cell) -> bool:
    if not (cell.out / LOCKS).is_dir():  # nothing ran here, or the folder was copied: leave it as it is
        return False
    try:
        with cell.lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
