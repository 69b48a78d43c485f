"""The standard zoos, one TOML file each in `standard/`. A name and version stand for exactly one recipe, for ever."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from ...runtime.errors import BadInput, unknown
from ...runtime.files import cache_dir
from ..storage.datasheet import ZooFacts
from ..storage.manifest import LOCAL, MANIFEST, RELEASE, SourceInfo, read_manifest
from .raw_data import SOURCES
from .zoo_entry import ZooEntry

STANDARD = Path(__file__).parents[1] / "standard"


def read_entry(path: Path) -> ZooEntry:
    """The zoo that a TOML file describes. Raises BadInput that names the file, the field and what it may be."""
    try:
        entry = ZooEntry.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        errors = error.errors()  # of a union one for every type that it is not; our own say most
        first = next((found for found in errors if found["type"] == "value_error"), errors[0])
        names = [str(part) for part in first["loc"] if part not in ("inr", "runs", "float", "str")]
        field = ".".join(name for name in names if "[" not in name) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown field; remove it or correct its name"
        raise BadInput(f"{path}: {field}: {message}") from None
    if path.stem != entry.name:
        raise BadInput(f"{path}: name: is {entry.name!r}, so the file should be called {entry.name}.toml")
    return entry


def zoo_names() -> list[str]:
    """The names of the standard zoos."""
    return sorted(path.stem for path in STANDARD.glob("*.toml"))


@cache
def _standard(name: str) -> ZooEntry:
    return read_entry(STANDARD / f"{name}.toml")


def catalogue() -> list[ZooEntry]:
    """Every standard zoo."""
    return [_standard(name) for name in zoo_names()]


def catalogue_entry(reference: str) -> ZooEntry:
    """The entry for "name", "name@version" or the path of one's own TOML file.

    Raises BadInput with the nearest names.
    """
    if reference.endswith(".toml"):
        return read_entry(Path(reference))
    name, _, version = reference.partition("@")
    if name not in zoo_names():
        raise unknown("zoo", name, zoo_names())
    entry = _standard(name)
    if version and version != entry.version:
        raise BadInput(f"zoo {name!r} has version {entry.version}, not {version!r}")
    return entry


def facts_of(entry: ZooEntry) -> ZooFacts:
    """What the datasheet of an entry's whole zoo is made from, on this machine or not."""
    sources = [
        SourceInfo(
            name=name, sha256=checksum, license=SOURCES[name].license, citation=SOURCES[name].citation, classes=[]
        )
        for name, checksum in entry.sources.items()
    ]
    return ZooFacts(entry.name, entry.networks, entry.recipe.architectures, entry.recipe_dict(), sources)


def published_sha256(name: str, version: str) -> str | None:
    """The sha256 of the `zoo.json` that everybody downloads; None where there is none (yet)."""
    entry = _standard(name) if name in zoo_names() else None
    return entry.manifest_sha256 if entry is not None and entry.version == version else None


def default_folder(entry: ZooEntry) -> Path:
    """Where a whole build of `entry` lives."""
    return cache_dir() / "zoos" / f"{entry.name}@{entry.version}"


def builds(name: str, version: str = "") -> list[Path]:
    """The folders in the cache with a zoo of this name and version, or of all its versions: the whole zoo before parts
    of it, builds with another seed and builds from one's own raw data. What a folder holds, its manifest says."""
    found = (path.parent for path in (cache_dir() / "zoos").glob(f"*/{MANIFEST}"))
    return sorted(folder for folder in found if folder.name.startswith(f"{name}@{version}"))


def find_build(name: str, version: str, recipe_sha256: str, folders: Iterable[Path] = ()) -> Path | None:
    """The folder with exactly this zoo, among `folders` and those in the cache; None where neither has it.

    Arguments:
        recipe_sha256: all of it, or how it begins.
        folders: of zoos that are not in the cache. Raises BadInput for one that is no zoo.
    """
    for folder in (*folders, *builds(name, version)):
        manifest = read_manifest(folder)[0]
        if (manifest.name, manifest.version) == (name, version) and manifest.recipe_sha256.startswith(recipe_sha256):
            return folder
    return None


def locate(reference: str | Path) -> Path:
    """The folder of a zoo given by name, "name@version" or path. Raises BadInput for an unknown name.

    A word that is both a folder here and a zoo's name means the folder only where that is a zoo.
    A name without version stands for the catalogue's; where that is not there, for a build from one's own raw data, or
    the newest version of a zoo that the catalogue does not have.
    """
    folder = Path(reference)
    if isinstance(reference, Path) or "/" in reference or (folder / MANIFEST).exists():
        return folder
    name, _, version = reference.partition("@")
    here = {folder.name.partition("@")[2]: folder for folder in builds(name)}
    if version in here:
        return here[version]
    if name not in zoo_names():
        released = {tuple(map(int, v.split("."))): v for v in here if re.fullmatch(RELEASE, v)}
        if version or not released:
            if folder.is_dir():
                return folder  # whoever opens it says what it lacks
            raise unknown("zoo", reference, zoo_names())
        return here[released[max(released)]]
    entry = _standard(name)
    if version and version.removesuffix(LOCAL) != entry.version:
        raise BadInput(
            f"zoo {name!r} has version {entry.version} here, not {version!r}: "
            f"`weightbench zoo get {reference} --repo-id ORG/NAME` downloads another"
        )
    own = f"{entry.version}{LOCAL}"
    if not version and entry.version not in here and own in here:
        return here[own]
    return default_folder(entry).with_name(f"{name}@{version or entry.version}")


def is_built(entry: ZooEntry) -> bool:
    """Whether the zoo is on this machine, from the catalogue's raw data or one's own."""
    return (locate(entry.name) / MANIFEST).exists()
