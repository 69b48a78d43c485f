"""`ResultsFolder`: where results go, and how they are read again. Torch-free.

    <task>/<zoo>/<method>/<spec hash>/seed-<k>.json    the record of a cell, its predictions beside it
    <task>/<zoo>/<method>/<spec hash>/replications/<machine>/seed-<k>.json    the cell run again, without predictions
    zoos/<zoo identity>.parquet                        the truth that predictions are scored against
    sources/<sha256>.py                                the file of a method or task that is no part of the suite
    .locks/ .checkpoints/                              while cells run

The committed results of the suite, in `leaderboard/results`, are such a folder too.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from pydantic import ValidationError

from ...runtime.errors import BadInput
from ...runtime.files import make_folder
from ...runtime.validation import first_error
from .predictions import check_predictions, read_predictions
from .result import CellSpec, Result, same_score
from .schema_1 import upgraded
from .truth import Truth
from .zoo_identity import ZooIdentity

RECORD = "seed-*.json"  # the name of a record
LOCKS, CHECKPOINTS, TRUTHS, SOURCES = ".locks", ".checkpoints", "zoos", "sources"
REPLICATIONS = "replications"


@dataclass(frozen=True)
class ResultsFolder:
    """A folder of results."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def record_path(self, spec: CellSpec, seed: int) -> Path:
        """Where the record of a cell belongs."""
        return self.path / spec.record_path(seed)

    def replication_path(self, result: Result) -> Path:
        """Where the record of a cell belongs that a machine ran again."""
        record = self.record_path(result.spec, result.seed)
        return record.parent / REPLICATIONS / result.machine / record.name

    def lock(self, spec: CellSpec, seed: int) -> FileLock:
        """Held by the process that runs the cell."""
        return FileLock(make_folder(self.path / LOCKS) / _slug(spec, seed))

    def is_running(self, spec: CellSpec, seed: int) -> bool:
        """Whether a process runs the cell now; nothing is written to find out."""
        if not (self.path / LOCKS).is_dir():  # nothing ran here, or the folder was copied: leave it as it is
            return False
        try:
            with self.lock(spec, seed).acquire(timeout=0):
                return False
        except Timeout:
            return True

    def checkpoint(self, spec: CellSpec, seed: int) -> Path:
        """How the files begin in which the state of the cell's training is kept until it ends."""
        return self.path / CHECKPOINTS / _slug(spec, seed)

    def finished(self, spec: CellSpec, seed: int) -> Result | None:
        """The result of the cell, if it was a success and its predictions are there."""
        with contextlib.suppress(BadInput):
            record = Record(self.record_path(spec, seed), read_result(self.record_path(spec, seed)), self)
            if record.succeeded:
                record.predictions()
                return record.result
        return None

    def truth_paths(self, spec: CellSpec) -> list[Path]:
        """Where the truth lies about the zoo of a cell, in its splits, and about those that are tested on too."""
        zoo, options = spec.zoo, spec.task.options
        policy = f"-{options.split}" if options.split else ""
        names = [f"{ZooIdentity(zoo.name, zoo.version, zoo.recipe_sha256)}{policy}"]
        names += [str(ZooIdentity.parse(other)) for other in options.others]
        return [self.path / TRUTHS / f"{name}.parquet" for name in names]

    def truth(self, spec: CellSpec) -> Truth:
        """What predictions of a cell are scored against. Raises BadInput where that is missing."""
        return Truth(*self.truth_paths(spec))

    def source_path(self, sha256: str) -> Path:
        """Where the file of a method or task lies that is no part of the suite."""
        return self.path / SOURCES / f"{sha256}.py"

    def record_paths(self) -> list[Path]:
        """The records, whatever they hold."""
        return sorted(self.path.glob(f"*/*/*/*/{RECORD}"))

    def records(self) -> list[Record]:
        """Every record; of a cell that a record of an earlier schema names too, the later one alone.

        Raises BadInput for a damaged record, and for one whose content says that it belongs elsewhere.
        """
        if not self.path.is_dir():
            raise BadInput(f"{self}: no such folder; `weightbench run` writes results")
        found = [read_record(path) for path in self.record_paths()]
        current = {record.result.path for record in found if record.is_in_place}
        return [record for record in found if record.is_in_place or record.result.path not in current]


@dataclass(frozen=True)
class Record:
    """One result, the file that it stands in, and the results folder that it belongs to."""

    path: Path
    result: Result
    folder: ResultsFolder

    @property
    def is_in_place(self) -> bool:
        """Whether it lies where today's schema has it."""
        return self.path.parts[-5:] == self.result.path.parts

    @property
    def truth(self) -> Truth:
        """What its predictions are scored against. Raises BadInput where that is missing."""
        return self.folder.truth(self.result.spec)

    @property
    def succeeded(self) -> bool:
        """Whether there are predictions to be scored."""
        return self.result.status == "ok" and self.result.predictions is not None

    @property
    def predictions_path(self) -> Path:
        """The file of the predictions of a successful one."""
        assert self.result.predictions is not None
        return self.path.with_name(self.result.predictions.file)

    def predictions(self) -> tuple[list[str], dict[str, np.ndarray]]:
        """The ids and arrays of a successful one. Raises BadInput for a missing or changed file."""
        assert self.result.predictions is not None
        return read_predictions(self.predictions_path, self.result.predictions.sha256)

    def check_predictions(self) -> str:
        """The checksum of the predictions of a successful one. Raises BadInput for a missing or changed file."""
        assert self.result.predictions is not None
        return check_predictions(self.predictions_path, self.result.predictions.sha256)

    def beside(self, other: Record) -> Result:
        """The result, with the manifest of another record of the cell where both saw the same test networks.

        Manifests also say how a zoo was built, with how many threads for instance, which changes no network.
        """
        same = False
        with contextlib.suppress(BadInput):  # no truth is kept here
            same = self.truth.table.equals(other.truth.table)
        manifest = (other if same else self).result.zoo.manifest_sha256
        zoo = self.result.zoo.model_copy(update={"manifest_sha256": manifest})
        return self.result.model_copy(update={"zoo": zoo})

    def replications(self) -> list[Result]:
        """The same cell run again, once per machine.

        Raises BadInput for what belongs elsewhere, and for another score of the same predictions.
        """
        found = []
        for path in sorted(self.path.parent.glob(f"{REPLICATIONS}/*/{self.path.name}")):
            result = read_result(path)
            if result.spec.hash != self.result.spec.hash or path != self.folder.replication_path(result):
                raise BadInput(f"{path}: its content is of another cell or machine; remove it and submit it again")
            if result.score is None or result.predictions is None:
                raise BadInput(f"{path}: score: is missing; remove it and submit it again")
            same = result.predictions == self.result.predictions
            if same and not same_score(result.score, self.result.score):
                raise BadInput(
                    f"{path}: score: is {result.score:.6g}, the same predictions gave {self.result.score}; "
                    "remove it and submit it again"
                )
            found.append(result)
        return found


def read_result(path: Path) -> Result:
    """The result in a file. Raises BadInput that names the file and the field."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    try:
        known = None
        with contextlib.suppress(ValueError, RecursionError):  # pydantic says what is wrong with it
            known = json.loads(content)
        if isinstance(known, dict) and known.get("schema") == 1:
            return Result.model_validate(upgraded(known))
        return Result.model_validate_json(content)
    except ValidationError as error:
        field, message = first_error(error)
        if field == "schema":
            found = error.errors()[0]["input"]
            raise BadInput(f"{path}: schema: found {found!r}, this version reads 1 and 2: update weightbench") from None
        raise BadInput(f"{path}: {field}: {message}; remove it and run the cell again") from None


def read_record(path: Path) -> Record:
    """A record with its results folder. Raises BadInput where its content says that it belongs elsewhere."""
    result = read_result(path)
    places = (result.path, result.spec.record_path(result.seed, result.spec.hash_of_schema_1))
    if path.parts[-5:] not in [place.parts for place in places]:
        raise BadInput(f"{path}: its content belongs at {result.path.as_posix()}; move it there, or remove it")
    return Record(path, result, ResultsFolder(path.parents[4]))


def _slug(spec: CellSpec, seed: int) -> str:
    return f"{spec.task.name}-{spec.method.name}-{spec.hash}-{seed}"
