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

from ...benchmarks.metrics import metric
from ...benchmarks.metrics.metric import Evaluation, Units
from ...benchmarks.metrics.scoring import evaluate
from ...benchmarks.records import truth as truths
from ...benchmarks.records.results_folder import Record
from ...benchmarks.records.truth import Truth, column_values
from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, digest, file_sha256, write_atomically
from . import intervals
from .intervals import Intervals, estimated

POINTS = 150  # of a row's picture of predicted against true values


def evaluated(record: Record, truth: Truth) -> Evaluation:
    """Every score of a record's predictions, and the items of the headline one; BadInput for damaged evidence."""
    result = record.result
    ids, arrays = record.predictions()
    try:
        if result.predictions and result.predictions.n != len(ids):
            raise BadInput(f"predictions.n: says {result.predictions.n}, the file holds {len(ids)}")
        return evaluate(result.task, ids, arrays, truth)
    except BadInput as error:
        raise BadInput(f"{record.path}: {error}; remove it and run the cell again") from None


@dataclass(frozen=True)
class Analysis:
    """What the predictions of a board's rows give.

    Arguments:
        scores: every score of every record.
        points: for each row true and predicted values of its first seed, `[rows, points, 2]`; no points for others.
        intervals: of the headline score.
        units: what is independent on the test split.
        others: of other scores by their names: of the late half of training, where the zoo holds other networks too,
            and of the zoos that are tested on too.
    """

    scores: list[list[dict[str, float]]]
    points: np.ndarray
    intervals: Intervals
    units: Units
    others: dict[str, Intervals]


def analysed(rows: Sequence[Sequence[Record]]) -> Analysis:
    """The scores, points and statistics of a board's rows.

    Every prediction file is checked against its checksum, cached or not. Raises BadInput for damaged evidence.
    """
    first = rows[0][0]
    task, zoo = first.result.task, first.result.zoo
    truth_paths = first.folder.truth_paths(first.result.spec)
    if not all(path.exists() for path in truth_paths):
        _ = first.truth  # says what is missing
    key = {
        "task": task.model_dump(),
        "zoo": zoo.name,
        "rows": [[record.check_predictions() for record in row] for row in rows],
        "truth": [file_sha256(path) for path in truth_paths],
        "code": _code(),
    }
    file = cache_dir() / "boards" / f"{digest(key)[:24]}.safetensors"
    with contextlib.suppress(OSError, SafetensorError, KeyError):
        stored = load(file.read_bytes())
        names = json.loads(stored["names"].tobytes())
        scores = _split([dict(zip(names, values, strict=True)) for values in stored["of_records"].tolist()], rows)
        kept = Intervals(**{name: stored[name] for name in Intervals.__annotations__})
        others = {
            name: Intervals(**{field: stored[f"{name}/{field}"] for field in Intervals.__annotations__})
            for name in json.loads(stored["others"].tobytes())
        }
        units = Units(stored["codes"], stored["unit"].tobytes().decode(), stored["shared"].item())
        return Analysis(scores, stored["points"], kept, units, others)
    truth = first.truth
    found = [[evaluated(record, truth) for record in row] for row in rows]
    scores = [[one.scores for one in row] for row in found]
    points = np.stack([_points(row[0], truth) for row in rows])
    units = found[0][0].units
    statistics = estimated([[one.items for one in row] for row in found], units)
    others = {
        name: estimated([[one.others[name][0] for one in row] for row in found], named)
        for name, (_, named) in found[0][0].others.items()
    }
    names = list(scores[0][0])
    table = [[every[name] for name in names] for row in scores for every in row]
    arrays = {"of_records": np.asarray(table), "names": _bytes(json.dumps(names)), "points": points} | vars(statistics)
    arrays |= {f"{name}/{field}": values for name, one in others.items() for field, values in vars(one).items()}
    arrays |= {"others": _bytes(json.dumps(list(others))), "codes": units.codes}
    arrays |= {"unit": _bytes(units.name), "shared": np.asarray(units.shared)}
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
        write_atomically(file, save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))
    return Analysis(scores, points, statistics, units, others)


@cache
def _code() -> list[str]:
    """Checksums of all that a score or an interval is computed with."""
    metrics = sorted(Path(str(metric.__file__)).parent.glob("*.py"))
    return [file_sha256(path) for path in (*metrics, Path(str(truths.__file__)), Path(intervals.__file__))]


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _points(record: Record, truth: Truth) -> np.ndarray:
    """True and predicted values of evenly spaced test networks, `[POINTS or fewer, 2]`; `[0, 2]` for other answers."""
    ids, arrays = record.predictions()
    if "values" not in arrays:
        return np.empty((0, 2))
    true = column_values(truth.table, record.result.task.options.target or "").loc[ids].to_numpy(float)
    pairs = np.stack([true, arrays["values"][:, 0].astype(float)], 1)[np.argsort(ids)]
    found: np.ndarray = pairs[np.unique(np.linspace(0, len(pairs) - 1, POINTS).round().astype(int))]
    return found


def _split(values: list[dict[str, float]], rows: Sequence[Sequence[Record]]) -> list[list[dict[str, float]]]:
    rest = iter(values)
    return [list(islice(rest, len(row))) for row in rows]
