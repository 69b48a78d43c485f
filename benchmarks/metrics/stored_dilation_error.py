"""The error of edited INRs in version 1 of `inr-dilation`, whose records are still read.

The error of every network was stored, and the rendering of the first ones alone, which must agree with their errors:
those of the others were believed.
"""

from __future__ import annotations

import numpy as np

from ...runtime.errors import BadInput
from ..records.predictions import checked_array
from ..records.truth import Truth
from .dilation import SCORED, DilationError, dequantise, dilated
from .metric import Answers, Metric


class StoredDilationError(DilationError):
    """Mean squared error of the pixels, as it was stored, in 10^-2; nothing is clipped."""

    def asks_about(self, truth: Truth) -> np.ndarray:
        """All test networks."""
        return Metric.asks_about(self, truth)

    def read(self, answers: Answers) -> tuple[np.ndarray]:
        """The stored error of every network. Raises BadInput for errors that contradict the stored renderings."""
        images, rows = answers.truth.images, answers.rows
        assert images is not None  # the task needs them
        images = images[: min(len(rows), SCORED)]
        stored = checked_array(answers.arrays, "squared_error", len(rows)).astype(np.float64)
        pixels = checked_array(answers.arrays, "pixels", len(images), images[0].size)
        if (rows[: len(images)] != np.arange(len(images))).any() or (stored < 0).any():
            raise BadInput("stored errors are negative, or the renderings are not those of the first test networks")
        targets = dilated(images).reshape(len(pixels), -1)
        rms = np.sqrt(np.square(dequantise(pixels) - targets).mean(1))
        root = np.sqrt(stored[: len(pixels)])
        clipped = ((pixels == 0) | (pixels == 255)).any(1)
        step = 1 / 255 + 1e-4  # half a byte's width: how far a rounded rendering can be from the true one
        wrong = (root < rms - step) | (~clipped & (root > rms + step))
        if wrong.any():
            raise BadInput(f"{wrong.sum()} stored errors contradict the stored renderings")
        return (answers.array("squared_error").astype(np.float64),)
