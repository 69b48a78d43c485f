"""Scores from stored predictions and the zoo's truth. Torch-free; the board knows nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import grey_dilation
from sklearn.metrics import accuracy_score

from ..zoo.errors import BadInput
from .evidence import Truth, dequantise

Arrays = dict[str, np.ndarray]


def score(metric: str, ids: list[str], arrays: Arrays, truth: Truth) -> dict[str, float]:
    """Every score of a cell, the headline one under the metric's name.

    Raises BadInput when the predictions do not cover exactly the test networks or contradict themselves.
    """
    if len(set(ids)) != len(ids) or set(ids) != set(truth.table.index):
        raise BadInput(f"predictions for {len(set(ids))} networks, the test split has {len(truth.table)} others")
    rows = truth.table.index.get_indexer(pd.Index(ids))
    return SCORERS[metric](arrays, truth, rows)


def _accuracy(arrays: Arrays, truth: Truth, rows: np.ndarray) -> dict[str, float]:
    labels = truth.table["label"].to_numpy()[rows]
    return {"accuracy": 100 * float(accuracy_score(labels, arrays["logits"].argmax(1)))}


def _dilation_mse(arrays: Arrays, truth: Truth, rows: np.ndarray) -> dict[str, float]:
    """Mean over items of the stored errors, which must agree with the stored renderings as far as bytes can tell."""
    errors = arrays["squared_error"].astype(np.float64)
    pixels = arrays["pixels"]
    images = truth.images[rows[: len(pixels)]]
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
