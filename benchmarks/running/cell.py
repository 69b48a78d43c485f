"""`Cell`: one method on one task of a zoo with one seed, and where its result goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...methods.contract.method import Method
from ...methods.contract.plug_in import reference_of
from ...methods.contract.registry import load_method
from ..records.result import CellSpec, Result
from ..records.results_folder import ResultsFolder
from ..task.task import Task


@dataclass(frozen=True, eq=False)
class Cell:
    """One (method, task, zoo, seed).

    Arguments:
        spec: what its record says of that. It is made when the cell is planned: a method's file may be edited while a
            suite runs, and what runs is what was imported.
        folder: receives its result.
    """

    task: Task
    method: Method
    seed: int
    spec: CellSpec
    folder: ResultsFolder

    def __reduce__(self) -> tuple[Any, ...]:
        """As data: another process loads the method itself."""
        method = (reference_of(type(self.method)), self.method.params)
        folder = ResultsFolder(self.folder.path.resolve())
        return _arrived, (self.task, *method, self.seed, self.spec, folder)

    @property
    def title(self) -> str:
        """What tells it from the others of a run."""
        return f"{self.task.title} · {self.task.zoo.name} · {self.spec.method.label} · seed {self.seed}"

    @property
    def encoder(self) -> str:
        """Identifies what a representation's `fit` depends on: everything but the target."""
        options = self.spec.task.options.model_copy(update={"target": None})
        spec = self.spec._replace(task=self.spec.task.model_copy(update={"options": options}))
        return f"{spec.hash}-{self.seed}"

    def finished(self) -> Result | None:
        """The result of an earlier run, if it was a success and its predictions are there."""
        return self.folder.finished(self.spec, self.seed)


def _arrived(
    task: Task, reference: str | type[Method], params: dict[str, Any], seed: int, spec: CellSpec, folder: ResultsFolder
) -> Cell:
    return Cell(task, load_method(reference, params), seed, spec, folder)
