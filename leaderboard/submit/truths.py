"""The truths that submissions are scored against: from the zoos on this machine, or committed already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.records.result import Result
from ...benchmarks.records.results_folder import TRUTHS, Record, ResultsFolder
from ...benchmarks.records.truth import Truth, write_truth
from ...benchmarks.records.zoo_identity import ZooIdentity
from ...runtime.errors import BadInput
from ...zoo.recipes.catalogue import find_build, zoo_names

if TYPE_CHECKING:
    from ...zoo.storage.zoo import Zoo


class Truths:
    """The truths of the zoos: the committed ones, and those of zoos on this machine.

    Arguments:
        committed: the results folder that has the first.
        scratch: receives the others.
        zoos: folders of zoos that are not in the cache.
    """

    def __init__(self, committed: ResultsFolder, scratch: ResultsFolder, zoos: Sequence[Path]) -> None:
        self.committed, self.scratch = committed, scratch
        self.folders = zoos
        self.opened: dict[ZooIdentity, Zoo | None] = {}
        self.found: dict[tuple[Path, ...], list[Truth]] = {}
        self.new: list[Path] = []

    def of(self, record: Record) -> list[Truth]:
        """The official truth, then that of the zoo on this machine where it is another build. Raises BadInput."""
        paths = tuple(self.committed.truth_paths(record.result.spec))
        if paths not in self.found:
            self.found[paths] = self._read(record)
        for truth in self.found[paths]:
            said, is_so = record.result.zoo.n_test, len(truth.table)
            if said != is_so:
                raise BadInput(f"{record.path}: zoo.n_test: says {said}, the zoo's test split has {is_so}")
        return self.found[paths]

    def _read(self, record: Record) -> list[Truth]:
        """The official truth, and where it is another build that of the zoos on this machine."""
        official, own, spec = [], [], record.result.spec
        files = zip(self.committed.truth_paths(spec), self.scratch.truth_paths(spec), strict=True)
        for (committed, local), zoo in zip(files, self._zoos(record.result), strict=True):
            if zoo is not None:
                write_truth(local, zoo)
                own.append(local)
                if not committed.exists():
                    self.new.append(local)
            if zoo is None and not committed.exists():
                name = committed.stem.partition("@")[0]
                whole = f", or `weightbench zoo build {name}` if it is all of it" if name in zoo_names() else ""
                raise BadInput(
                    f"{record.path}: zoo: {committed.stem} is neither on this machine nor in "
                    f"{self.committed.path / TRUTHS}: say --zoo with its folder{whole}"
                )
            official.append(committed if committed.exists() else local)
        found = [Truth(*official)]
        return found + ([Truth(*own)] if len(own) == len(official) and own != official else [])

    def _zoos(self, result: Result) -> list[Zoo | None]:
        """The zoo of a result, with the splits of its options, and those that are tested on too."""
        from ...benchmarks.task.registry import task_class

        zoo, options = self.zoo_of(result), result.task.options
        found = [task_class(result.task.name)(zoo, options).zoo if zoo else None]
        return found + [self._opened(ZooIdentity.parse(other)) for other in options.others]

    def zoo_of(self, result: Result) -> Zoo | None:
        """Exactly this zoo, version and recipe, if it is on this machine."""
        about = result.zoo
        return self._opened(ZooIdentity(about.name, about.version, about.recipe_sha256))

    def _opened(self, wanted: ZooIdentity) -> Zoo | None:
        if wanted not in self.opened:
            self.opened[wanted] = self._open(wanted)
        return self.opened[wanted]

    def _open(self, wanted: ZooIdentity) -> Zoo | None:
        from ...zoo.storage.zoo import open_zoo

        folder = find_build(*wanted, self.folders)
        return None if folder is None else open_zoo(folder)
