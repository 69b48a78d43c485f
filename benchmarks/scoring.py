"""Scores from stored predictions and the zoo's truth. Torch-free; the board knows nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import grey_dilation
from sklearn.metrics import accuracy_score

from ..zoo.errors import BadInput, unknown
from .evidence import PIXEL_ITEMS, Truth, dequantise

Arrays = dict[str, np.ndarray]


def score(metric: str, ids: list[str], arrays: Arrays, truth: Truth) -> dict[str, float]:
    """Every score of a cell, the headline one under the metric's name.

    Raises BadInput when the predictions do not cover exactly the test networks or contradict themselves.
    """
    rows = _rows(metric, ids, arrays, truth)
    return SCORERS[metric](arrays, truth, rows)


def _rows(metric: str, ids: list[str], arrays: Arrays, truth: Truth) -> np.ndarray:
    """The truth's row of every prediction, after what must hold whatever the metric."""
    if metric not in SCORERS:
        raise unknown("metric", metric, SCORERS)
    if len(set(ids)) != len(ids) or set(ids) != set(truth.table.index):
        raise BadInput(f"predictions for {len(set(ids))} networks, the test split has {len(truth.table)} others")
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BadInput(f"the array {name} holds NaN or infinity")
    return truth.table.index.get_indexer(pd.Index(ids))


def _array(arrays: Arrays, name: str, *shape: int | None) -> np.ndarray:
    """A stored array, its shape checked; None stands for any length."""
    found = arrays[name].shape if name in arrays else None
    if found is None or len(found) != len(shape) or any(w not in (None, n) for w, n in zip(shape, found, strict=True)):
        wanted = tuple("any" if length is None else length for length in shape)
        raise BadInput(f"the array {name} should have the shape {wanted}, found {found or 'none'}")
    return arrays[name]


def _accuracy(arrays: Arrays, truth: Truth, rows: np.ndarray) -> dict[str, float]:
    labels = truth.table["label"].to_numpy()[rows]
    logits = _array(arrays, "logits", len(rows), None)
    return {"accuracy": 100 * float(accuracy_score(labels, logits.argmax(1)))}


def _dilation_mse(arrays: Arrays, truth: Truth, rows: np.ndarray) -> dict[str, float]:
    """Mean over items of the stored errors, which must agree with the stored renderings as far as bytes can tell."""
    errors = _array(arrays, "squared_error", len(rows)).astype(np.float64)
    images = truth.images[: min(len(rows), PIXEL_ITEMS)]
    pixels = _array(arrays, "pixels", len(images), images[0].size)
    if (rows[: len(images)] != np.arange(len(images))).any() or (errors < 0).any():
        raise BadInput("stored errors are negative, or the renderings are not those of the first test networks")
    dilated = np.stack([grey_dilation(image, size=(3, 3), mode="constant") for image in images])
    rms = np.sqrt(np.square(dequantise(pixels) - dilated.reshape(len(pixels), -1)).mean(1))
    stored = np.sqrt(errors[: len(pixels)])
    clipped = ((pixels == 0) | (pixels == 255)).any(1)
    step = 1 / 255 + 1e-4  # half a byte's width: how far a rounded rendering can be from the true one
    wrong = (stored < rms - step) | (~clipped & (stored > rms + step))
    if wrong.any():
        raise BadInput(f"{wrong.sum()} stored errors contradict the stored renderings")
    return {"dilation-mse": 100 * float(errors.mean())}


SCORERS: dict[str, Callable[[Arrays, Truth, np.ndarray], dict[str, float]]] = {
    "accuracy": _accuracy,
    "dilation-mse": _dilation_mse,
}
