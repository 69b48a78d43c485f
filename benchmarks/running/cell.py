"""Cells: what a run or a suite asks for, checked before the first fit."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...methods.contract.method import Method
from ...methods.contract.registry import load_class, load_method, reference_of, source_sha256
from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, make_folder
from ...zoo.load_zoo import load_zoo
from ...zoo.recipes.catalogue import published_sha256
from ...zoo.storage.zoo import Zoo
from ..records.evidence import read_predictions
from ..records.result import MethodPart, Result, TaskPart, ZooPart, place, read_result, spec_hash
from ..task.task import Task, task_class
from .protocols import protocol_of
from .suite import Suite

LOCKS, CHECKPOINTS = ".locks", ".checkpoints"  # in a results folder


@dataclass(frozen=True, eq=False)
class Cell:
    """One (method, task, zoo, seed) and where its result belongs.

    Arguments:
        source: checksum of the file that defines the method.
        references: what a command line calls the method (None: it cannot) and the zoo.
    """

    task: Task
    method: Method
    seed: int
    out: Path
    source: str
    references: tuple[str | None, str]

    def __reduce__(self) -> tuple[Any, ...]:
        """As data: another process loads the method itself, but a result is named by the source that was asked for."""
        method = (reference_of(type(self.method)), self.method.params)
        return _arrived, (self.task, *method, self.seed, self.out.resolve(), self.source, self.references)

    @cached_property
    def parts(self) -> tuple[TaskPart, ZooPart, MethodPart]:
        task, zoo, method = self.task, self.task.zoo, self.method
        sizes = {f"n_{name}": len(split) for name, split in task.splits.items()}
        return (
            TaskPart(
                name=task.name,
                version=task.version,
                options=task.options,
                metric=task.metric,
                unit=task.unit,
                higher_is_better=task.higher_is_better,
            ),
            ZooPart(
                name=zoo.name,
                version=zoo.version,
                recipe_sha256=zoo.manifest.recipe_sha256,
                manifest_sha256=zoo.manifest_sha256,
                own_build=published_sha256(zoo.name, zoo.version) != zoo.manifest_sha256,
                reference=self.references[1],
                **sizes,
            ),
            MethodPart(
                name=method.name,
                params=method.params,
                source_sha256=self.source,
                paper=method.paper,
                variant=method.variant,
                reference=self.references[0],
            ),
        )

    @property
    def path(self) -> Path:
        return self.out / place(*self.parts, self.seed)

    @property
    def lock(self) -> FileLock:
        """Held by the process that runs the cell."""
        return FileLock(make_folder(self.out / LOCKS) / self._slug)

    @property
    def checkpoint(self) -> Path:
        """How the files begin in which the state of its training is kept until it ends."""
        return self.out / CHECKPOINTS / self._slug

    @property
    def _slug(self) -> str:
        return f"{self.task.name}-{self.method.name}-{self.path.parent.name}-{self.seed}"

    @property
    def title(self) -> str:
        return f"{self.task.title} · {self.task.zoo.name} · {self.parts[2].label} · seed {self.seed}"

    @property
    def encoder(self) -> str:
        """Identifies what a representation's `fit` depends on: everything but the target."""
        task, zoo, method = self.parts
        task = task.model_copy(update={"options": task.options.model_copy(update={"target": None})})
        return f"{spec_hash(task, zoo, method)}-{self.seed}"

    def finished(self) -> Result | None:
        """The result of an earlier run, if it was a success and its predictions are there."""
        with contextlib.suppress(BadInput):
            result = read_result(self.path)
            if result.status == "ok" and result.predictions is not None:
                read_predictions(self.path.with_name(result.predictions.file), result.predictions.sha256)
                return result
        return None


def _arrived(
    task: Task,
    reference: str | type[Method],
    params: dict[str, Any],
    seed: int,
    out: Path,
    source: str,
    references: tuple[str | None, str],
) -> Cell:
    return Cell(task, load_method(reference, params), seed, out, source, references)


def plan(suite: Suite, *, seeds: Sequence[int] | None, out: Path) -> list[Cell]:
    """The cells of a suite, seed by seed, those that share an encoder side by side.

    Everything that can be told without raw data is checked here, before the first fit. Raises BadInput.
    """
    zoos: dict[tuple[str, str | None], Zoo] = {}
    asked: list[tuple[Method, list[Task]]] = []
    for runs in suite.runs:
        methods = [_method(runs.task, entry) for entry in runs.methods]
        for name, choices in runs.grounds:
            tasks: list[Task] = []
            for options in choices:
                zoo = zoos.get((name, options.split)) or load_zoo(name)
                tasks.append(task_class(runs.task)(zoo, options))
                zoos[name, options.split] = tasks[-1].zoo
            asked += [(method, tasks) for method in methods]
    # All of one seed before the next: a suite that is cut off has whole boards.
    return [
        checked_cell(task, method, seed, out)
        for seed in (seeds or suite.seeds)
        for method, tasks in asked
        for task in tasks
    ]


def _method(task: str, entry: dict[str, Any]) -> Method:
    if "name" not in entry:
        raise BadInput(f"a method of task {task} has no name: {entry}")
    return load_method(entry["name"], {key: value for key, value in entry.items() if key != "name"})


def checked_cell(task: Task, method: Method, seed: int, out: Path) -> Cell:
    """Raises BadInput when the method does not support the task, its protocol or its networks."""
    if not {task.name, task.family} & set(method.tasks):
        raise BadInput(f"method {method.name} supports {', '.join(method.tasks)}, not {task.name}")
    verb = protocol_of(task).verb
    if not method.has(verb):
        raise BadInput(f"method {method.name} has no `{verb}`, which the {task.options.protocol} protocol needs")
    method.check(task)
    # The source is hashed now: a method's file may be edited while the suite runs, and what runs is what was imported.
    references = (_method_reference(method), _zoo_reference(task.zoo))
    return Cell(task, method, seed, out, source_sha256(type(method)), references)


def _method_reference(method: Method) -> str | None:
    """What a command line calls a method; None for an object of a program."""
    found = reference_of(type(method))
    if isinstance(found, str):
        return _from_here(Path(found))
    with contextlib.suppress(BadInput):
        if load_class(method.name) is found:
            return method.name
    return None


def _zoo_reference(zoo: Zoo) -> str:
    """What a command line calls a zoo: the name of a folder in the cache tells a part from the whole."""
    folder = zoo.folder.absolute()
    return folder.name if folder.parent == (cache_dir() / "zoos").absolute() else _from_here(folder)


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
