"""From the records of a board to its statistics, cached until a prediction, the truth or the code changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ...benchmarks.metrics import items as per_item
from ...benchmarks.metrics import neuron_orders as orders
from ...benchmarks.metrics import scoring
from ...benchmarks.records import evidence
from ...benchmarks.records.evidence import Truth, read_predictions, read_truth, truth_paths
from ...benchmarks.records.result import Result
from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, digest, file_sha256, write_atomically
from . import intervals as statistics
from .intervals import Analysis, Units, analyse


@dataclass(frozen=True)
class Record:
    """One result, where its record lies, and the results folder that it belongs to."""

    path: Path
    result: Result
    folder: Path

    @property
    def truth_folder(self) -> Path:
        """Runs keep the truth within the results folder; the committed results have it beside them."""
        within, beside = truth_files(self.folder, self.result)[0], self.folder.parent
        return self.folder if within.exists() or not (beside / evidence.TRUTH).is_dir() else beside

    @property
    def truth(self) -> Truth:
        return load_truth(self.truth_folder, self.result)

    def predictions(self) -> tuple[list[str], dict[str, np.ndarray]]:
        """The ids and arrays of a successful one. Raises BadInput for a missing or changed file."""
        about = self.result.predictions
        assert about is not None
        return read_predictions(self.path.with_name(about.file), about.sha256)


def evaluated(record: Record, truth: Truth) -> tuple[dict[str, float], per_item.Items | None]:
    """Every score of a record's predictions, and the items of the headline one; BadInput for damaged evidence."""
    result = record.result
    ids, arrays = record.predictions()
    try:
        if result.predictions and result.predictions.n != len(ids):
            raise BadInput(f"predictions.n: says {result.predictions.n}, the file holds {len(ids)}")
        return scoring.score(result.task, ids, arrays, truth), per_item.items(result.task, ids, arrays, truth)
    except BadInput as error:
        raise BadInput(f"{record.path}: {error}; remove it and run the cell again") from None


def truth_files(folder: Path, result: Result) -> list[Path]:
    """Where the truth lies that a result is scored against, of one zoo or two."""
    return truth_paths(folder, result.zoo, result.task.options)


def load_truth(folder: Path, result: Result) -> Truth:
    return read_truth(folder, result.zoo, result.task.options)


def units_of(truth: Truth, key: str) -> Units:
    """Test networks of one image or one run are drawn together; where the truth names neither, each for itself."""
    column = next((name for name in ("item", "run") if name in truth.table), None)
    values = truth.table[column] if column else truth.table.index
    return Units(np.unique(values.to_numpy(str), return_inverse=True)[1], key)


@cache
def _code() -> list[str]:
    return [file_sha256(Path(str(module.__file__))) for module in (evidence, orders, scoring, per_item, statistics)]


@dataclass(frozen=True)
class Analysed:
    """What the predictions of a board's rows give.

    Arguments:
        scores: every score of every record.
        points: for each row true and predicted values of its first seed, `[rows, points, 2]`.
        statistics: None for a metric without items.
    """

    scores: list[list[dict[str, float]]]
    points: np.ndarray
    statistics: Analysis | None


def analysed(rows: Sequence[Sequence[Record]]) -> Analysed:
    """The scores, points and statistics of a board's rows.

    Every prediction file is checked against its checksum, cached or not. Raises BadInput for damaged evidence.
    """
    first = rows[0][0]
    zoo, task = first.result.zoo, first.result.task
    official = truth_files(first.truth_folder, first.result)
    if not all(path.exists() for path in official):
        load_truth(first.truth_folder, first.result)  # says what is missing
    key = {
        "task": task.model_dump(),
        "zoo": zoo.name,
        "rows": [[_checked_sha256(record) for record in row] for row in rows],
        "truth": [file_sha256(path) for path in official],
        "code": _code(),
    }
    file = cache_dir() / "boards" / f"{digest(key)[:24]}.safetensors"
    with contextlib.suppress(OSError, SafetensorError, KeyError):
        stored = load(file.read_bytes())
        names = json.loads(stored["names"].tobytes())
        scores = _split([dict(zip(names, values, strict=True)) for values in stored["of_records"].tolist()], rows)
        kept = Analysis(**{name: stored[name] for name in Analysis.__annotations__})
        return Analysed(scores, stored["points"], kept)
    truth = first.truth
    found = [[evaluated(record, truth) for record in row] for row in rows]
    scores = [[every for every, _ in row] for row in found]
    items = [[one for _, one in row if one is not None] for row in found]
    points = np.stack([_points(row[0], truth) for row in rows])
    if not all(items):
        return Analysed(scores, points, None)
    analysis = analyse(items, units_of(truth, zoo.name))
    names = list(scores[0][0])
    table = [[every[name] for name in names] for row in scores for every in row]
    text = np.frombuffer(json.dumps(names).encode(), np.uint8)
    arrays = {"of_records": np.asarray(table), "names": text, "points": points} | vars(analysis)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
        write_atomically(file, save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))
    return Analysed(scores, points, analysis)


def _points(record: Record, truth: Truth) -> np.ndarray:
    return per_item.sample(record.result.task, *record.predictions(), truth)


def _checked_sha256(record: Record) -> str:
    """The checksum of a record's predictions. Raises BadInput for a missing or changed file."""
    predictions = record.result.predictions
    assert predictions is not None
    path = record.path.with_name(predictions.file)
    mend = f"remove {record.path} and run the cell again"
    try:
        found = file_sha256(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; {mend}") from None
    if found != predictions.sha256:
        raise BadInput(f"{path}: found sha256 {found}, its record expects {predictions.sha256}; {mend}")
    return found


def _split(values: list[dict[str, float]], rows: Sequence[Sequence[Record]]) -> list[list[dict[str, float]]]:
    rest = iter(values)
    return [list(islice(rest, len(row))) for row in rows]
