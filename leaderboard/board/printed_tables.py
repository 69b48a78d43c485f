"""What papers printed, as data: shown beside measured rows of the same task and zoo, never ranked with them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ...benchmarks.records.result import Result
from ...zoo.recipes.catalogue import catalogue_entry, zoo_names
from ...zoo.storage.manifest import LOCAL

FOLDER = Path(__file__).parents[1] / "published"


class ReportedRow(BaseModel):
    """One printed number; `ours` names the method of this suite and the parameters that it stands for.

    `remark` is one sentence on why the number measured here is another; `reading` the reading of the paper that `ours`
    follows, where there are several; `epochs` how long this one was trained, where the table's rows differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    score: float
    spread: float | None = None
    ours: dict[str, Any] = {}
    remark: str = ""
    reading: str = ""
    epochs: int | None = None

    @property
    def name(self) -> str:
        """The method as printed, with the reading."""
        return ", ".join(filter(None, (self.method, self.reading)))

    def deviation(self, kind: str) -> float | None:
        """The standard deviation over seeds; None where no spread is printed."""
        return self.spread if self.spread is None or kind == "std" else self.spread**0.5

    def shown(self, kind: str) -> str:
        """The number as printed: "91.4 ± 0.6", or "0.74 (variance 0.002)"."""
        if self.spread is None:
            return f"{self.score:g}"
        return f"{self.score:g} ± {self.spread:g}" if kind == "std" else f"{self.score:g} (variance {self.spread:g})"


class ReportedTable(BaseModel):
    """A printed table (one zoo of it), with where it stands, when it appeared, and under which conditions it holds.

    `stand_in` is a smaller zoo of the same kind, on which the order of the rows may be compared; `remark` what there is
    to say about that order; `epochs` how long the paper trained, where one figure holds for all rows; `zoo_differs` how
    the zoo of the catalogue that bears the paper's name differs from the paper's own; `readings` what the text leaves
    open: other readings than the defaults, by name, with the parameters that make them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    zoo: str
    stand_in: str | None = None
    remark: str = ""
    epochs: int | None = None
    zoo_differs: str = ""
    readings: dict[str, dict[str, Any]] = {}
    options: dict[str, Any] = {}
    source: str
    date: str
    regime: str
    metric: str
    unit: str
    higher_is_better: bool
    spread: Literal["std", "variance"] = "std"
    rows: list[ReportedRow]

    def epochs_of(self, row: ReportedRow) -> int | None:
        """How long the paper trained a row of the table, where it says."""
        return row.epochs or self.epochs

    @property
    def title(self) -> str:
        """The task and zoo that it is about, with the options."""
        chosen = ", ".join(str(value) for _, value in sorted(self.options.items()))
        return f"{self.task} on {self.zoo}" + (f" ({chosen})" if chosen else "")

    @property
    def compared(self) -> list[ReportedRow]:
        """The rows, each also under every other reading; one of a reading stands for results of that reading alone."""
        default = {
            name: None for chosen in self.readings.values() for name in chosen
        }  # not in a result, at its default
        found = []
        for reading, chosen in {"": {}, **self.readings}.items():
            for row in self.rows:
                ours = row.ours and row.ours | default | chosen
                found.append(row.model_copy(update={"ours": ours, "reading": reading}))
        return found

    def fits(self, task: str, zoo: str, options: dict[str, Any]) -> bool:
        """Whether measured rows of this task, zoo and options may stand beside this table."""
        return zoo == self.zoo and self.beside(task, zoo, options)

    def caveat(self, zoo: str, version: str, recipe_sha256: str) -> str:
        """Why numbers measured on a zoo are no reproduction of these; empty where they are.

        Only the whole zoo of the catalogue, from the raw data whose checksum that has, stands for the paper's.
        """
        if zoo != self.zoo:
            why = "Another zoo than the paper's"
        elif self.zoo_differs:
            why = self.zoo_differs
        elif zoo not in zoo_names():
            why = "Networks from elsewhere, perhaps not all of the paper's"
        elif recipe_sha256 == (entry := catalogue_entry(zoo)).recipe_sha256:
            return ""
        elif not version.endswith(LOCAL):
            why = "Not the whole zoo, or another seed"
        elif "" in entry.sources.values():
            why = "Made from raw data that the catalogue has no checksum of, perhaps a part of the paper's"
        else:
            why = "Made from other raw data than the paper's"
        return f"{why}: the order can be compared, the numbers cannot."

    def beside(self, task: str, zoo: str, options: dict[str, Any]) -> bool:
        """The same, or of the zoo that stands in for its own."""
        fitting = all(options.get(key) == value for key, value in self.options.items())
        return task == self.task and zoo in (self.zoo, self.stand_in) and fitting


@cache
def published() -> list[ReportedTable]:
    """Every table, in the order of the files."""
    files = [tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))]
    return [ReportedTable.model_validate(table) for file in files for table in file["tables"]]


def reported_tables(task: str, zoo: str, options: dict[str, Any]) -> list[ReportedTable]:
    """The tables about a task on a zoo, with these options."""
    return [table for table in published() if table.fits(task, zoo, options)]


def reported_score(result: Result) -> float | None:
    """The number printed for the method of a result on the same zoo, if there is one."""
    zoo = result.zoo
    for table in reported_tables(result.task.name, zoo.name, dict(result.task.options)):
        if table.caveat(zoo.name, zoo.version, zoo.recipe_sha256):
            continue
        for row in table.compared:
            if table.metric == result.task.metric and stands_for(result, row):
                return row.score
    return None


def stands_for(result: Result, row: ReportedRow) -> bool:
    """Whether a result is of the method, with the parameters, of a printed row."""
    method = {"name": result.method.name} | result.method.params
    return bool(row.ours) and all(method.get(key) == value for key, value in row.ours.items())
