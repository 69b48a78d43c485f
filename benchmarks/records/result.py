"""The result record: one JSON file per cell, validated on the way in and out. Torch-free."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...runtime.errors import BadInput
from ...runtime.files import digest

RECORD = "seed-*.json"  # the name of a record


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Options(_Part):
    """What may be chosen about a task; boards never mix them.

    `split` is None where a zoo has one set of splits only, `target` where the task has a fixed one. `also` names a
    second zoo that is tested on too, "name@version-recipe".
    """

    split: str | None = None
    target: str | None = None
    protocol: Literal["supervised", "representation"] = "supervised"
    also: str | None = None

    def __str__(self) -> str:
        """For titles, after a task's name: " of test_accuracy (within-run, representation)"."""
        protocol = self.protocol if self.protocol != "supervised" else None
        said = [self.split, protocol, f"also on {self.also}" if self.also else None]
        found = ", ".join(text for text in said if text)
        return (f" of {self.target}" if self.target else "") + (f" ({found})" if found else "")


class TaskPart(_Part):
    name: str
    version: int
    options: Options
    metric: str
    unit: str
    higher_is_better: bool

    @property
    def title(self) -> str:
        return f"{self.name}{self.options}"


class ZooPart(_Part):
    """`reference` is what `--zoo` took: the name of a folder in the cache, or a path; not part of the spec hash."""

    name: str
    version: str
    recipe_sha256: str
    manifest_sha256: str
    own_build: bool
    n_train: int
    n_val: int
    n_test: int
    reference: str | None = None


class MethodPart(_Part):
    """`reference` is what `weightbench run` took: a name, or a path; not part of the spec hash."""

    name: str
    params: dict[str, Any]
    source_sha256: str
    paper: str = ""
    variant: str | None = None
    reference: str | None = None

    @property
    def label(self) -> str:
        """The name, with the settings that differ from the method's defaults."""
        return self.name + (f" ({self.variant})" if self.variant else "")


class PredictionsPart(_Part):
    file: str
    sha256: str
    n: int


class CostPart(_Part):
    """Trained parameters, seconds of fit, networks per second of predict (after a warm-up), peak memory in MB."""

    parameters: int | None
    fit_s: float
    predict_networks_per_s: float
    peak_memory_mb: int


class Result(_Part):
    """The outcome of one cell: (method, task, zoo, seed)."""

    schema_version: Literal[1] = Field(1, alias="schema")
    task: TaskPart
    zoo: ZooPart
    method: MethodPart
    seed: int
    status: Literal["ok", "failed", "oom"]
    error: str | None = None
    selection: dict[str, Any] | None = None
    budget: dict[str, Any] | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    symmetry: dict[str, Any] | None = None
    predictions: PredictionsPart | None = None
    cost: CostPart | None = None
    curves: dict[str, list[float]] | None = None  # by name, one value per epoch
    environment: dict[str, Any]
    finished: str

    @property
    def spec_hash(self) -> str:
        """Identifies what was asked, not who ran it: everything but seed and machine."""
        return spec_hash(self.task, self.zoo, self.method)

    @property
    def place(self) -> PurePath:
        """Of the record in a results folder, see `place`."""
        return place(self.task, self.zoo, self.method, self.seed)

    def to_json(self) -> bytes:
        return (self.model_dump_json(by_alias=True, indent=1) + "\n").encode()


def spec_hash(task: TaskPart, zoo: ZooPart, method: MethodPart) -> str:
    options = task.options.model_dump()
    if task.options.also is None:  # it was not asked when the first results were named
        del options["also"]
    spec = {
        "task": {"name": task.name, "version": task.version, "options": options},
        "zoo": zoo.model_dump(include={"name", "version", "recipe_sha256"}),
        "method": method.model_dump(include={"name", "params", "source_sha256"}),
    }
    return digest(spec)[:12]


def shown_unit(unit: str) -> str:
    """A task's unit as it is printed."""
    return {"1e-2": "x 10⁻²"}.get(unit, unit)


def place(task: TaskPart, zoo: ZooPart, method: MethodPart, seed: int) -> PurePath:
    """Where a record lies in a results folder: `<task>/<zoo>/<method>/<spec hash>/seed-<k>.json`."""
    return PurePath(task.name, zoo.name, method.name, spec_hash(task, zoo, method), f"seed-{seed}.json")


def results_folder(path: Path, result: Result) -> Path:
    """The results folder that a record lies in. Raises BadInput where its content says that it belongs elsewhere."""
    if path.parts[-5:] != result.place.parts:
        raise BadInput(f"{path}: its content belongs at {result.place.as_posix()}; move it there, or remove it")
    return path.parents[4]


def records_in(folder: Path) -> list[Path]:
    """The records of a results folder, whatever they hold."""
    return sorted(folder.glob(f"*/*/*/*/{RECORD}"))


def read_result(path: Path) -> Result:
    """Raises BadInput that names the file and the field."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        if where == "schema":
            raise BadInput(
                f"{path}: schema: found {first['input']!r}, this version reads 1: update weightbench"
            ) from None
        raise BadInput(f"{path}: {where}: {first['msg']}; remove it and run the cell again") from None


def read_results(folder: Path) -> list[tuple[Path, Result]]:
    """Every record of a results folder, with its path."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; `weightbench run` writes results")
    return [(path, read_result(path)) for path in records_in(folder)]
