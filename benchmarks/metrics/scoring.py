"""Scores from stored predictions and the zoo's truth. Torch-free; the board knows nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import grey_dilation
from scipy.stats import NearConstantInputWarning, kendalltau, pearsonr
from sklearn.metrics import average_precision_score, r2_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from ...runtime.errors import BadInput, unknown
from ..records.evidence import PIXEL_ITEMS, Truth, dequantise, stored
from ..records.result import Options, TaskPart
from .neuron_orders import barriers, matched_shares, trained_pairs

Arrays = dict[str, np.ndarray]


def column_values(table: pd.DataFrame, target: str) -> pd.Series:
    """A column of a zoo's table, or the difference of two: "train_loss - test_loss". Raises BadInput for no column."""
    columns = []
    for name in target.split(" - ", 1):
        if name not in table:
            raise unknown("column", name, map(str, set(table) - {"id", "architecture"}))
        columns.append(table[name])
    try:
        return columns[0] if len(columns) == 1 else columns[0] - columns[1]
    except TypeError:
        raise BadInput(f"{target}: these columns hold text; a difference takes numbers") from None


def score(task: TaskPart, ids: list[str], arrays: Arrays, truth: Truth) -> dict[str, float]:
    """Every score of a cell, the headline one under the metric's name.

    Raises BadInput when the predictions do not cover exactly the test networks or contradict themselves.
    """
    if task.metric not in SCORERS:
        raise unknown("metric", task.metric, SCORERS)
    asked = truth.table.index
    if task.metric == "barrier":
        asked = asked[trained_pairs(truth.table)[0]]
    if len(set(ids)) != len(ids) or set(ids) != set(asked):
        raise BadInput(f"predictions for {len(set(ids))} networks, the test split has {len(asked)} others")
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BadInput(f"the array {name} holds NaN or infinity")
    rows = truth.table.index.get_indexer(pd.Index(ids))
    return SCORERS[task.metric](arrays, truth, rows, task.options)


def right_classes(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> np.ndarray:
    """Whether each prediction names the right class, `[N]`."""
    target = options.target or "label"
    classes = truth.classes[target]
    logits = stored(arrays, "logits", len(rows), len(classes))
    found: np.ndarray = np.asarray(classes)[logits.argmax(1)] == column_values(truth.table, target).to_numpy()[rows]
    return found


def _accuracy(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    return {"accuracy": 100 * float(right_classes(arrays, truth, rows, options).mean())}


def _regression(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    """Under `within-run` every score is one per run, averaged over the runs whose target is not constant."""
    values = column_values(truth.table, options.target or "").to_numpy(float)[rows]
    predicted = stored(arrays, "values", len(rows), 1)[:, 0].astype(float)
    if options.split != "within-run":
        return regression_scores(values, predicted)
    runs = truth.table["run"].to_numpy()[rows]
    parts = [runs == run for run in np.unique(runs) if np.ptp(values[runs == run]) > 0]
    found = pd.DataFrame([regression_scores(values[part], predicted[part]) for part in parts])
    return {str(name): float(mean) for name, mean in found.mean().items()}


def regression_scores(values: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Pearson r, coefficient of determination R2 and Kendall's tau-b; correlations with a constant are 0."""
    values, predicted = values.astype(float), predicted.astype(float)
    found = {"pearson-r": 0.0, "r2": float(r2_score(values, predicted)), "kendall-tau": 0.0}
    if np.ptp(predicted) > 0 and np.ptp(values) > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NearConstantInputWarning)
            found["pearson-r"] = float(pearsonr(values, predicted).statistic)
        found["kendall-tau"] = float(kendalltau(values, predicted).statistic)
    return found


def _retrieval(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    precisions, ranks = retrieved(arrays, truth, rows, options)
    return _retrieval_scores(precisions, ranks)


def retrieved(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """`ranked` for stored embeddings."""
    labels = column_values(truth.table, options.target or "").to_numpy()[rows]
    owners = (truth.table["run"] if "run" in truth.table else pd.Series(range(len(truth.table)))).to_numpy()[rows]
    return ranked(stored(arrays, "embeddings", len(rows), None), labels, owners)


def retrieval_scores(embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> dict[str, float]:
    """Mean average precision and recall@k in %, by exact search: see `ranked`.

    recall@k: the share of queries with a relevant row among the first k. Queries without any are left out.
    """
    return _retrieval_scores(*ranked(embeddings, labels, owners))


def _retrieval_scores(precisions: np.ndarray, ranks: np.ndarray) -> dict[str, float]:
    counted = ~np.isnan(precisions)
    if not counted.any():
        raise BadInput("no test network has another of its kind in another run: there is nothing to retrieve")
    found = {f"recall@{k}": 100 * float(np.mean(ranks[counted] < k)) for k in (1, 5, 10)}
    return {"map": 100 * float(np.mean(precisions[counted]))} | found


def ranked(embeddings: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision `[N]` of every query, NaN where no row is relevant, and the rank of the first relevant row.

    Each row is a query; rows of another owner are ranked by Euclidean distance between standardised embeddings
    `[N, d]`, and those of the query's label are relevant.
    """
    scaled = StandardScaler().fit_transform(embeddings.astype(float))
    precisions, ranks = np.full(len(scaled), np.nan), np.zeros(len(scaled), int)
    for start in range(0, len(scaled), 512):
        for row, distances in enumerate(euclidean_distances(scaled[start : start + 512], scaled), start):
            others = owners != owners[row]
            relevant = labels[others] == labels[row]
            if not relevant.any():
                continue
            precisions[row] = average_precision_score(relevant, -distances[others])
            ranks[row] = int(relevant[np.argsort(distances[others], kind="stable")].argmax())
    return precisions, ranks


def _matched(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    return {"matched": float(matched_shares(arrays, truth, rows).mean())}


def _barrier(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    return {"barrier": float(barriers(arrays, truth, rows).mean())}


def _dilation_mse(arrays: Arrays, truth: Truth, rows: np.ndarray, options: Options) -> dict[str, float]:
    """Of the zoo, and under the name of the other one of that which is tested on too."""
    found = {"dilation-mse": _mean_error(arrays, truth, rows)}
    if truth.also is not None and options.also is not None:
        ending = "." + options.also.partition("@")[0]
        theirs = {name.removesuffix(ending): values for name, values in arrays.items() if name.endswith(ending)}
        found["dilation-mse" + ending] = _mean_error(theirs, truth.also, np.arange(len(truth.also.table)))
    return found


def _mean_error(arrays: Arrays, truth: Truth, rows: np.ndarray) -> float:
    """Mean over items of the stored errors, which must agree with the stored renderings as far as bytes can tell."""
    assert truth.images is not None  # the task needs them
    errors = stored(arrays, "squared_error", len(rows)).astype(np.float64)
    images = truth.images[: min(len(rows), PIXEL_ITEMS)]
    pixels = stored(arrays, "pixels", len(images), images[0].size)
    if (rows[: len(images)] != np.arange(len(images))).any() or (errors < 0).any():
        raise BadInput("stored errors are negative, or the renderings are not those of the first test networks")
    dilated = np.stack([grey_dilation(image, size=(3, 3), mode="constant") for image in images])
    rms = np.sqrt(np.square(dequantise(pixels) - dilated.reshape(len(pixels), -1)).mean(1))
    root = np.sqrt(errors[: len(pixels)])
    clipped = ((pixels == 0) | (pixels == 255)).any(1)
    step = 1 / 255 + 1e-4  # half a byte's width: how far a rounded rendering can be from the true one
    wrong = (root < rms - step) | (~clipped & (root > rms + step))
    if wrong.any():
        raise BadInput(f"{wrong.sum()} stored errors contradict the stored renderings")
    return 100 * float(errors.mean())


SCORERS: dict[str, Callable[[Arrays, Truth, np.ndarray, Options], dict[str, float]]] = {
    "accuracy": _accuracy,
    "pearson-r": _regression,
    "r2": _regression,
    "kendall-tau": _regression,
    "map": _retrieval,
    "matched": _matched,
    "barrier": _barrier,
    "dilation-mse": _dilation_mse,
}
