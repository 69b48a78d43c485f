"""`Cell`: one method on one task of a zoo with one seed, and where its result goes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from ...methods.contract.method import Method
from ...methods.contract.plug_in import reference_of
from ...methods.contract.registry import load_method
from ...runtime.errors import BadInput
from ...runtime.files import write_atomically
from ..records.result import CellSpec, Result, TrialPart
from ..records.results_folder import ResultsFolder, read_result
from ..task.task import Task


@dataclass(frozen=True, eq=False)
class Cell:
    """One (method, task, zoo, seed).

    Arguments:
        spec: what its record says of that. It is made when the cell is planned: a method's file may be edited while a
            suite runs, and what runs is what was imported.
        folder: receives its result.
        trial: its place in a random search, where it is part of one.
    """

    task: Task
    method: Method
    seed: int
    spec: CellSpec
    folder: ResultsFolder
    trial: TrialPart | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """As data: another process loads the method itself."""
        method = (reference_of(type(self.method)), self.method.params)
        folder = ResultsFolder(self.folder.path.resolve())
        return _arrived, (self.task, *method, self.seed, self.spec, folder, self.trial)

    @property
    def row(self) -> str:
        """Its task, zoo and method, which it shares with other seeds and trials."""
        return f"{self.task.title} · {self.task.zoo.name} · {self.spec.method.label}"

    @property
    def title(self) -> str:
        """What tells it from the others of a run."""
        trial = f" · trial {self.trial.number} of {self.trial.of}" if self.trial else ""
        return f"{self.row}{trial} · seed {self.seed}"

    @property
    def encoder(self) -> str:
        """Identifies what a representation's `fit` depends on: everything but the target."""
        options = self.spec.task.options.model_copy(update={"target": None})
        spec = self.spec._replace(task=self.spec.task.model_copy(update={"options": options}))
        return f"{spec.hash}-{self.seed}"

    def finished(self) -> Result | None:
        """The result of an earlier run, if it was a success and its predictions are there."""
        return self.folder.finished(self.spec, self.seed)

    def tried(self) -> Result | None:
        """The same, or that of a run that failed."""
        with contextlib.suppress(BadInput):
            return read_result(self.folder.record_path(self.spec, self.seed))
        return None

    def kept(self, found: Result) -> Result:
        """An earlier run's result, its record changed to say this cell's place in a random search."""
        if self.trial is None or found.trial == self.trial:
            return found
        placed = found.model_copy(update={"trial": self.trial})
        write_atomically(self.folder.record_path(self.spec, self.seed), placed.to_json())
        return placed


def _arrived(
    task: Task,
    reference: str | type[Method],
    params: dict[str, Any],
    seed: int,
    spec: CellSpec,
    folder: ResultsFolder,
    trial: TrialPart | None,
) -> Cell:
    return Cell(task, load_method(reference, params), seed, spec, folder, trial)
