"""From a record to the cell that it is of, to be run again exactly as recorded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...benchmarks.records.result import MethodPart, ZooPart
from ...benchmarks.records.results_folder import Record, ResultsFolder
from ...benchmarks.running.cell import Cell
from ...benchmarks.running.plan_cells import Request, plan
from ...benchmarks.task.registry import task_class
from ...methods.contract.method import Method
from ...methods.contract.registry import METHODS, load_class, load_method, method_names
from ...runtime.errors import BadInput
from ...runtime.machine import pick_device
from ...zoo.load_zoo import load_zoo
from ...zoo.recipes.catalogue import catalogue_entry, find_build, zoo_names
from ...zoo.storage.manifest import MANIFEST
from ...zoo.storage.zoo import Zoo, open_zoo
from ..submit.method_sources import checked_source
from .chosen_records import recorded_seconds


class RecordedCells:
    """Plans the cells of records.

    Arguments:
        out: receives the results.
        folders: of zoos that are not in the cache.
        foreign: names of methods that are no part of the suite whose kept files may be run.
    """

    def __init__(self, out: ResultsFolder, folders: Sequence[Path], foreign: Collection[str]) -> None:
        self.out, self.folders, self.foreign = out, folders, foreign
        self.zoos: dict[tuple[str | None, ...], Zoo] = {}  # and their splits, so that cells share what they read

    def cell(self, record: Record) -> Cell:
        """The cell of a record. Raises BadInput that says why it cannot be run again here, or any more."""
        result = record.result
        if not record.succeeded:
            raise BadInput(f"its run {result.status}: {result.error}")
        pick_device(result.environment.get("device"))
        method = self._method(record)
        split = result.task.options.split
        request = Request([method], task_class(result.task.name), self._zoo(result.zoo, split), [result.task.options])
        (cell,) = plan([request], [result.seed], self.out)
        self.zoos[*_identity(result.zoo), split] = cell.task.zoo
        if (today := cell.spec.task.version) != result.task.version:
            raise BadInput(f"task {result.task.name} has version {today} today, not {result.task.version}")
        if cell.spec.hash != result.spec.hash:
            raise BadInput(f"today the cell has another identity, {cell.spec.hash} in place of {result.spec.hash}")
        cell.task.ready()
        return cell

    def _method(self, record: Record) -> Method:
        about = record.result.method
        if about.name in method_names():
            kind = load_class(about.name)
        elif about.name in self.foreign:
            kind = load_class(str(checked_source(record)))
        else:
            raise BadInput(f"{_kept(about)} is foreign code, run only where --foreign-code {about.name} says so")
        if (today := METHODS.version_of(kind)) != about.version:
            raise BadInput(f"method {about.name} has version {today} today, not {about.version}")
        method = load_method(kind, about.params)
        if changed := sorted(method.params.keys() - about.params.keys()):
            raise BadInput(f"method {about.name} has parameters that its record does not know: {', '.join(changed)}")
        return method

    def _zoo(self, about: ZooPart, split: str | None) -> Zoo:
        """Exactly this zoo: of a folder, of the cache, or made as `run` does; in this split where that is known."""
        key = _identity(about)
        if (*key, split) in self.zoos:
            return self.zoos[*key, split]
        if key not in self.zoos:
            own = Path(about.reference or "")
            folder = find_build(*key, [*self.folders, *([own] if (own / MANIFEST).exists() else [])])
            self.zoos[key] = self._made(about) if folder is None else open_zoo(folder)
        return self.zoos[key]

    def _made(self, about: ZooPart) -> Zoo:
        if about.name in zoo_names() and catalogue_entry(about.name).recipe_sha256 == about.recipe_sha256:
            return load_zoo(f"{about.name}@{about.version}")
        build = f", or `weightbench zoo build {about.name}` from the same raw data" if about.name in zoo_names() else ""
        raise BadInput(
            f"zoo {about.name}@{about.version} of recipe {about.recipe_sha256[:8]} is not on this machine: "
            f"say --zoo with its folder{build}"
        )


def _identity(about: ZooPart) -> tuple[str, str, str]:
    return about.name, about.version, about.recipe_sha256


@dataclass
class Plan:
    """What is run again, and what is not with the reason."""

    cells: list[tuple[Record, Cell]] = field(default_factory=list)
    skipped: list[tuple[Record, str]] = field(default_factory=list)


def plan_again(records: Sequence[Record], cells: RecordedCells, budget: float | None) -> Plan:
    """The cells of records, in order, as long as their recorded seconds fit; what is finished already costs nothing."""
    found, spent = Plan(), 0.0
    for record in records:
        try:
            cell = cells.cell(record)
        except BadInput as error:
            found.skipped.append((record, str(error)))
            continue
        cost = 0.0 if cell.finished() else recorded_seconds(record.result)
        if budget is not None and spent + cost > budget:
            found.skipped.append((record, "the budget has no time left for it"))
            continue
        spent += cost
        found.cells.append((record, cell))
    return found


def _kept(about: MethodPart) -> str:
    return f"sources/{about.source_sha256[:12]}.py of {about.name}"
