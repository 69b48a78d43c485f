"""Which recorded cells are run again: by what they are, by a draw, by the time that they took. Torch-free."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...benchmarks.records.result import Result
from ...benchmarks.records.results_folder import RECORD, Record, ResultsFolder, read_record
from ...runtime.errors import BadInput
from ...zoo.storage.manifest import MANIFEST, read_manifest


@dataclass(frozen=True)
class Filters:
    """What a cell must be; None, or nothing listed, for anything.

    Arguments:
        zoos: names, "name@version", or the paths of zoo folders.
        longest: the seconds that training and prediction took at most.
    """

    tasks: Sequence[str] = ()
    zoos: Sequence[str] = ()
    methods: Sequence[str] = ()
    split: str | None = None
    target: str | None = None
    protocol: str | None = None
    longest: float | None = None

    def fits(self, result: Result) -> bool:
        """Whether a cell is asked for."""
        options = result.task.options
        return (
            (not self.tasks or result.task.name in self.tasks)
            and (not self.methods or result.method.name in self.methods)
            and (not self.zoos or any(_is_zoo(result, zoo) for zoo in self.zoos))
            and self.split in (None, options.split)
            and self.target in (None, options.target)
            and self.protocol in (None, options.protocol)
            and (self.longest is None or recorded_seconds(result) <= self.longest)
        )

    @property
    def folders(self) -> list[Path]:
        """Those of `zoos` that are folders of zoos."""
        return [Path(zoo) for zoo in self.zoos if (Path(zoo) / MANIFEST).exists()]


def _is_zoo(result: Result, wanted: str) -> bool:
    about = result.zoo
    if (Path(wanted) / MANIFEST).exists():
        return read_manifest(Path(wanted))[0].recipe_sha256 == about.recipe_sha256
    return wanted in (about.name, f"{about.name}@{about.version}")


def records_in(places: Sequence[Path], filters: Filters) -> list[Record]:
    """The records in files and results folders that fit. Raises BadInput for damaged ones, and for none."""
    found: dict[Path, Record] = {}
    for place in places:
        here = ResultsFolder(place).records() if place.is_dir() else [read_record(place)]
        if not here:
            raise BadInput(f"{place}: no results there, which lie at <task>/<zoo>/<method>/<spec hash>/{RECORD}")
        found |= {record.path: record for record in here if filters.fits(record.result)}
    if not found:
        raise BadInput(f"{', '.join(map(str, places))}: no recorded cell fits; `weightbench leaderboard` shows what is")
    return list(found.values())


def recorded_seconds(result: Result) -> float:
    """What training and prediction took; 0 where the run failed."""
    if result.cost is None or result.predictions is None:
        return 0.0
    asked = max(result.predictions.n, result.zoo.n_test)  # a metric may store a part of the answers
    return result.cost.fit_s + asked / max(result.cost.predict_networks_per_s, 1e-9)


def in_order(records: Sequence[Record], sample: int | None, seed: str) -> list[Record]:
    """The cheapest first; or `sample` of them in the order that `seed` draws, which no file's place changes."""
    if sample is None:
        return sorted(records, key=lambda record: (recorded_seconds(record.result), _identity(record.result)))

    def draw(record: Record) -> str:
        return hashlib.sha256(f"{seed} {_identity(record.result)}".encode()).hexdigest()

    return sorted(records, key=draw)[:sample]


def _identity(result: Result) -> str:
    """Of a cell on a class of hardware, wherever its record lies."""
    return f"{result.path.as_posix()} {result.machine}"
