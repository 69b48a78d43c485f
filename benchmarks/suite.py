"""Suites: TOML files that list cells. Torch-free."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..zoo.errors import BadInput, unknown

FOLDER = Path(__file__).parent / "suites"


class Runs(BaseModel):
    """Methods on one task and zoo; a method is its name (or path) and its parameters."""

    model_config = ConfigDict(extra="forbid")

    task: str
    zoo: str
    methods: list[dict[str, Any]]


class Suite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: str
    seeds: list[int] = [0]
    runs: list[Runs]


def suite_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_suite(reference: str) -> Suite:
    """A built-in suite by name, or a TOML file by path. Raises BadInput that names the file and the field."""
    path = Path(reference) if reference.endswith(".toml") else FOLDER / f"{reference}.toml"
    try:
        return Suite.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise unknown("suite", reference, suite_names()) from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
