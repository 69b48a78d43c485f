"""From what is asked to cells: everything that can be told without raw data is checked here, before the first fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...methods.contract.method import Method
from ...methods.contract.plug_in import PlugInKind, reference_of, source_sha256
from ...methods.contract.random_search import trials
from ...methods.contract.registry import METHODS, load_method
from ...runtime.errors import BadInput
from ...runtime.files import cache_dir
from ...zoo.load_zoo import load_zoo
from ...zoo.recipes.catalogue import published_sha256
from ...zoo.storage.zoo import Zoo
from ..records.result import CellSpec, MethodPart, Options, TaskPart, TrialPart, ZooPart
from ..records.results_folder import ResultsFolder
from ..records.trials import chosen_trial
from ..task.registry import task_class
from ..task.task import TASKS, Task
from .cell import Cell
from .protocols import protocol_of
from .suite import Suite


@dataclass(frozen=True)
class Request:
    """What is asked: methods on a task of a zoo, once for each of several options.

    Arguments:
        zoo: a name, a folder or a loaded `Zoo`.
        trials: of a random search for each method; 1 for the settings that it has.
    """

    methods: Sequence[Method]
    task: type[Task]
    zoo: str | Path | Zoo
    options: Sequence[Options]
    trials: int = 1


def requests_of(suite: Suite) -> list[Request]:
    """What a suite asks. Raises BadInput for unknown tasks, methods and parameters."""
    found = []
    for runs in suite.runs:
        task = task_class(runs.task)
        for entry in runs.methods:
            if "name" not in entry:
                raise BadInput(f"a method of task {runs.task} has no name: {entry}")
        entries = [runs.settings | entry for entry in runs.methods]
        methods = [load_method(str(e["name"]), {k: v for k, v in e.items() if k != "name"}) for e in entries]
        found += [Request(methods, task, zoo, options, runs.trials) for zoo, options in runs.zoos_and_options]
    return found


def plan(requests: Iterable[Request], seeds: Sequence[int], folder: ResultsFolder) -> list[Cell]:
    """The cells of requests, seed by seed, those that share an encoder side by side.

    Of a random search the first seed's cells are all its trials; the others are of the chosen trial, and there once
    every trial was run: what comes next can be read off `folder`.

    Raises BadInput for tasks, zoos and methods that do not go together.
    """
    zoos: dict[tuple[str | Path, str | None], Zoo] = {}
    planned: list[tuple[list[Method], list[Task]]] = []
    for request in requests:
        tasks: list[Task] = []
        for options in request.options:
            if isinstance(request.zoo, Zoo):
                tasks.append(request.task(request.zoo, options))
                continue
            key = (request.zoo, options.split)
            tasks.append(request.task(zoos.get(key) or load_zoo(request.zoo), options))
            zoos[key] = tasks[-1].zoo
        planned += [(trials(method, request.trials), tasks) for method in request.methods]
    # All of one seed before the next: a suite that is cut off has whole boards.
    return [
        cell
        for seed in seeds
        for methods, tasks in planned
        for task in tasks
        for cell in _cells(task, methods, seed, seeds[0], folder)
    ]


def _cells(task: Task, methods: list[Method], seed: int, first: int, folder: ResultsFolder) -> list[Cell]:
    """Of one method, or of the trials of one, on a task."""
    if len(methods) == 1:
        return [planned_cell(task, methods[0], seed, folder)]
    cells = [planned_cell(task, method, first, folder) for method in methods]
    search = cells[0].spec.hash
    places = [TrialPart(search=search, number=number, of=len(cells)) for number in range(1, len(cells) + 1)]
    cells = [replace(cell, trial=place) for cell, place in zip(cells, places, strict=True)]
    if seed == first:
        return cells
    tried = [cell.tried() for cell in cells]
    best = chosen_trial([result for result in tried if result])
    chosen = [cell for cell in cells if best and cell.spec.hash == best.spec.hash]
    return [replace(cell, seed=seed) for cell in chosen] if all(tried) else []


def planned_cell(task: Task, method: Method, seed: int, folder: ResultsFolder) -> Cell:
    """A cell. Raises BadInput when the method does not support the task, its protocol or its networks."""
    if not {task.name, task.family} & set(method.tasks):
        raise BadInput(f"method {method.name} supports {', '.join(method.tasks)}, not {task.name}")
    verb = protocol_of(task).verb
    if not method.has(verb):
        raise BadInput(f"method {method.name} has no `{verb}`, which the {task.options.protocol} protocol needs")
    method.check(task)  # type: ignore[arg-type]  # what it may ask of a task that has no targets is there
    return Cell(task, method, seed, _spec(task, method), folder)


def _spec(task: Task, method: Method) -> CellSpec:
    zoo, kind = task.zoo, type(method)
    sizes = {name: len(split) for name, split in (next(task.folds).splits | task.splits).items()}
    return CellSpec(
        task_part(task),
        ZooPart(
            name=zoo.name,
            version=zoo.version,
            recipe_sha256=zoo.manifest.recipe_sha256,
            manifest_sha256=zoo.manifest_sha256,
            own_build=published_sha256(zoo.name, zoo.version) != zoo.manifest_sha256,
            reference=_zoo_reference(zoo),
            **{f"n_{name}": size for name, size in sizes.items()},
        ),
        MethodPart(
            name=method.name,
            version=METHODS.version_of(kind),
            params=method.params,
            source_sha256=source_sha256(kind),
            paper=method.paper,
            variant=method.variant,
            recipe=method.recipe,
            reference=_reference(METHODS, kind),
        ),
    )


def task_part(task: Task) -> TaskPart:
    """What a record says of a task."""
    kind, plug_in = type(task), not TASKS.is_builtin(type(task))
    return TaskPart(
        name=task.name,
        version=TASKS.version_of(kind),
        options=task.options,
        metric=task.metric,
        unit=task.unit,
        higher_is_better=task.higher_is_better,
        source_sha256=source_sha256(kind) if plug_in else None,
        reference=_reference(TASKS, kind) if plug_in else None,
    )


def _reference(plug_ins: PlugInKind[Any], kind: type[Method] | type[Task]) -> str | None:
    """What a command line calls a method or task; None for a class of a program."""
    found = reference_of(kind)
    if isinstance(found, str):
        return _from_here(Path(found))
    with contextlib.suppress(BadInput):
        if plug_ins.load(kind.name) is found:
            return kind.name
    return None


def _zoo_reference(zoo: Zoo) -> str:
    """What a command line calls a zoo: the name of a folder in the cache tells a part from the whole."""
    folder = zoo.folder.absolute()
    return folder.name if folder.parent == (cache_dir() / "zoos").absolute() else _from_here(folder)


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
