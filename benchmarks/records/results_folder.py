"""A results folder: records, the predictions beside them, and in `zoos/` the truth that these are scored against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from ...runtime.errors import BadInput
from ...runtime.validation import first_error
from .predictions import check_predictions, read_predictions
from .result import Result
from .schema_1 import upgraded
from .truth import Truth, read_truth

RECORD = "seed-*.json"  # the name of a record


@dataclass(frozen=True)
class Record:
    """One result, the file that it stands in, and the results folder that it belongs to."""

    path: Path
    result: Result
    folder: Path

    @property
    def truth(self) -> Truth:
        """What its predictions are scored against. Raises BadInput where that is missing."""
        return read_truth(self.folder, self.result.zoo, self.result.task.options)

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


def record_paths(folder: Path) -> list[Path]:
    """The records of a results folder, whatever they hold."""
    return sorted(folder.glob(f"*/*/*/*/{RECORD}"))


def read_result(path: Path) -> Result:
    """The record in a file. Raises BadInput that names the file and the field."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    try:
        try:
            known = from_json(content)
        except ValueError:
            known = None  # pydantic says where
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
    return Record(path, result, path.parents[4])


def read_records(folder: Path) -> list[Record]:
    """Every record of a results folder; of a cell that a record of an earlier schema names too, the later one alone.

    Raises BadInput for a damaged record, and for one whose content says that it belongs elsewhere.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; `weightbench run` writes results")
    records = [read_record(path) for path in record_paths(folder)]
    current = {record.result.path for record in records if record.path.parts[-5:] == record.result.path.parts}
    return [r for r in records if r.path.parts[-5:] == r.result.path.parts or r.result.path not in current]
