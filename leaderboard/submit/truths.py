"""The truths that submissions are scored against: from the zoos on this machine, or committed already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.records.evidence import TRUTH, Truth, identified, write_truth
from ...benchmarks.records.result import Result
from ...runtime.errors import BadInput
from ...zoo.recipes.catalogue import builds, zoo_names
from ...zoo.storage.manifest import read_manifest
from ..evidence.analysis import truth_files

if TYPE_CHECKING:
    from ...zoo.storage.zoo import Zoo


class Truths:
    """The truths of the zoos: the committed ones, and those of zoos on this machine."""

    def __init__(self, home: Path, scratch: Path, zoos: Sequence[Path]) -> None:
        self.home, self.scratch = home, scratch
        self.zoos = {folder: read_manifest(folder)[0] for folder in zoos}
        self.opened: dict[tuple[str, str, str], Zoo | None] = {}
        self.found: dict[tuple[Path, ...], list[Truth]] = {}
        self.new: list[Path] = []

    def of(self, path: Path, result: Result) -> list[Truth]:
        """The official truth, then that of the zoo on this machine where it is another build. Raises BadInput."""
        zoo = result.zoo
        committed = tuple(truth_files(self.home, result))
        if committed not in self.found:
            self.found[committed] = self._read(path, result)
        for truth in self.found[committed]:
            if zoo.n_test != len(truth.table):
                raise BadInput(f"{path}: zoo.n_test: says {zoo.n_test}, the zoo's test split has {len(truth.table)}")
        return self.found[committed]

    def _read(self, path: Path, result: Result) -> list[Truth]:
        """The official truth, and where it is another build that of the zoos on this machine."""
        official, own = [], []
        files = zip(truth_files(self.home, result), truth_files(self.scratch, result), strict=True)
        for (committed, local), zoo in zip(files, self._zoos(result), strict=True):
            if zoo is not None:
                write_truth(local, zoo)
                own.append(local)
                if not committed.exists():
                    self.new.append(local)
            if zoo is None and not committed.exists():
                name = committed.stem.partition("@")[0]
                whole = f", or `weightbench zoo build {name}` if it is all of it" if name in zoo_names() else ""
                raise BadInput(
                    f"{path}: zoo: {committed.stem} is neither on this machine nor in {self.home / TRUTH}: "
                    f"say --zoo with its folder{whole}"
                )
            official.append(committed if committed.exists() else local)
        found = [Truth(*official)]
        return found + ([Truth(*own)] if len(own) == len(official) and own != official else [])

    def _zoos(self, result: Result) -> list[Zoo | None]:
        """The zoo of a result, with the splits of its options, and the one that is tested on too."""
        from ...benchmarks.task.task import task_class

        zoo, also = self.zoo_of(result), result.task.options.also
        found = [task_class(result.task.name)(zoo, result.task.options).zoo if zoo else None]
        if also:
            found.append(self._opened(identified(also)))
        return found

    def zoo_of(self, result: Result) -> Zoo | None:
        """Exactly this zoo, version and recipe, if it is on this machine."""
        about = result.zoo
        return self._opened((about.name, about.version, about.recipe_sha256))

    def _opened(self, wanted: tuple[str, str, str]) -> Zoo | None:
        """A zoo by name, version and how its recipe's checksum begins."""
        if wanted not in self.opened:
            self.opened[wanted] = self._open(*wanted)
        return self.opened[wanted]

    def _open(self, name: str, version: str, recipe: str) -> Zoo | None:
        from ...zoo.storage.zoo import open_zoo

        cached = {folder: read_manifest(folder)[0] for folder in builds(name, version)}
        for folder, manifest in (self.zoos | cached).items():
            if (manifest.name, manifest.version) == (name, version) and manifest.recipe_sha256.startswith(recipe):
                return open_zoo(folder)
        return None
