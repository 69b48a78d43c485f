"""`zoo.json`: what a zoo folder holds. Data only; no time, host or date, so that equal builds are equal files."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...runtime.errors import BadInput
from ..networks.architecture import Architecture

MANIFEST = "zoo.json"
ZOO_NAME = "[a-z0-9]+(-[a-z0-9]+)*"
RELEASE = r"[0-9]+\.[0-9]+\.[0-9]+"
LOCAL = "+local"  # version suffix of a build from other raw data than the catalogue's
VERSION = f"{RELEASE}({re.escape(LOCAL)})?"
FILE_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"  # of data files, and so of the architectures that they are called after


class ZooFile(BaseModel):
    """One parquet file: the networks of one split and one architecture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(pattern=rf"^data/{FILE_NAME}\.parquet$")]
    split: str
    architecture: str
    rows: int
    bytes: int
    sha256: str


class SourceInfo(BaseModel):
    """The data that the networks were trained on; the checksum is None where only the networks were imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str | None
    license: str
    citation: str
    classes: list[str]
    image_shape: tuple[int, ...] | None = None
    image_max: int | None = None


class Rendering(BaseModel):
    """How the networks of an INR zoo encode images: in which order of coordinates, and between which two values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coordinates: Literal["xy", "ij"]
    target_range: tuple[float, float]


class Dropped(BaseModel):
    """Networks that were trained and kept out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicates: int = 0
    diverged: list[str] = []


class Manifest(BaseModel):
    """The content of `zoo.json`.

    `recipe` says how the networks were made, by its `kind`; "import" for those that were made elsewhere.
    `splits` are those of the files; `other_splits` names further ones, each a column of the table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str
    version: str
    description: str
    changelog: dict[str, str] = {}
    architectures: dict[str, Architecture]
    splits: dict[str, int]
    other_splits: dict[str, dict[str, int]] = {}
    files: list[ZooFile]
    columns: dict[str, str]
    quality: dict[str, float]
    dropped: Dropped = Dropped()
    rendering: Rendering | None = None
    recipe: dict[str, Any]
    recipe_sha256: str
    sources: list[SourceInfo]
    build: dict[str, Any]
    builder: str

    @property
    def imported(self) -> bool:
        """Whether the networks were made elsewhere."""
        return self.recipe.get("kind") == "import"

    def to_json(self) -> bytes:
        """The bytes of `zoo.json`; equal manifests give equal bytes."""
        return (json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n").encode()


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a zoo folder and the sha256 of its bytes. Raises BadInput that says how to get a right one.

    Paths of its files are plain names in `data/`: a manifest from elsewhere reaches no other place of the disk.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: missing, so {folder} is not a zoo folder; `weightbench zoo build` makes one") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(f"{path}: {where}: {first['msg']}; build or download the zoo again") from None
    return manifest, hashlib.sha256(content).hexdigest()
