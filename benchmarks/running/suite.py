"""Suites: TOML files that list cells. Torch-free."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from ...runtime.errors import BadInput, unknown
from ...runtime.validation import first_error
from ..records.result import Options, ProtocolName

FOLDER = Path(__file__).parents[1] / "suites"


class Runs(BaseModel):
    """Methods on a task; a method is its name (or path) and its parameters, which come before the `settings` of all.

    `split`, `target`, `protocol` and `also` are the task's options. Lists of zoos, splits and targets give cells for
    each. `trials` of a random search are run for each method at the first seed, and the best on the validation split
    at the others.
    """

    model_config = ConfigDict(extra="forbid")

    task: str
    zoo: str | list[str]
    split: str | list[str] | None = None
    target: str | list[str] | None = None
    protocol: ProtocolName = "supervised"
    also: str | None = None
    trials: PositiveInt = 1
    settings: dict[str, Any] = {}
    methods: list[dict[str, Any]]

    @property
    def zoos_and_options(self) -> list[tuple[str, list[Options]]]:
        """Each zoo with the options for each target; once per split."""
        return [
            (zoo, [self._options(split, target) for target in _listed(self.target)])
            for zoo in _listed(self.zoo)
            for split in _listed(self.split)
        ]

    def _options(self, split: str | None, target: str | None) -> Options:
        return Options(split=split, target=target, protocol=self.protocol, also=self.also)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Suite(BaseModel):
    """What to run; `include` names built-in suites, whose runs come first."""

    model_config = ConfigDict(extra="forbid")

    description: str
    seeds: list[int] = [0]
    include: list[str] = []
    runs: list[Runs] = []


def suite_names() -> list[str]:
    """Built-in suites; those of a folder are called "tables/accuracy-decoding"."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.toml"))


def load_suite(reference: str) -> Suite:
    """A built-in suite by name, or a TOML file by path. Raises BadInput that names the file and the field."""
    path = Path(reference) if reference.endswith(".toml") else FOLDER / f"{reference}.toml"
    try:
        suite = Suite.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise unknown("suite", reference, suite_names()) from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {': '.join(first_error(error))}") from None
    included = [load_suite(name) for name in suite.include]
    for name, other in zip(suite.include, included, strict=True):
        if other.include:
            raise BadInput(f"{path}: include: {name} includes others itself; name those")
    runs = [run for other in [*included, suite] for run in other.runs]
    if not runs:
        raise BadInput(f"{path}: nothing to run: give it [[runs]] or include")
    return suite.model_copy(update={"runs": runs})
