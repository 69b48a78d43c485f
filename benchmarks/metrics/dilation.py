"""The error of edited INRs: between what they render and their source images, dilated (Zhou et al. 2023, section 4.2).

Every network's error is stored, and the rendering of the first ones, as bytes, which must agree with their errors.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter

from ...runtime.errors import BadInput
from ..records.predictions import checked_array
from .metric import Answers, Evaluation, Items, Metric

PIXEL_ITEMS = 1000  # edited INRs whose rendering is kept, the first of the split's order
PIXEL_LOW, PIXEL_HIGH = -0.5, 1.5


def dilated(images: np.ndarray) -> np.ndarray:
    """Grey images `[N, height, width]` in [0, 1], dilated by 3x3."""
    found: np.ndarray = maximum_filter(images, size=(1, 3, 3), mode="constant")
    return found


def quantise(pixels: np.ndarray) -> np.ndarray:
    """Pixels as bytes on [-0.5, 1.5]; what lies outside is clipped."""
    scaled = (pixels - PIXEL_LOW) / (PIXEL_HIGH - PIXEL_LOW) * 255
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def dequantise(pixels: np.ndarray) -> np.ndarray:
    """Bytes as pixels, float64."""
    return pixels.astype(np.float64) / 255 * (PIXEL_HIGH - PIXEL_LOW) + PIXEL_LOW


class DilationError(Metric):
    """Mean squared error of the pixels, in 10^-2; nothing is clipped."""

    name, unit, higher_is_better = "dilation-mse", "1e-2", False

    def read(self, answers: Answers) -> tuple[np.ndarray]:
        """The stored error of every network. Raises BadInput for errors that contradict the stored renderings."""
        images, rows = answers.truth.images, answers.rows
        assert images is not None  # the task needs them
        images = images[: min(len(rows), PIXEL_ITEMS)]
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

    def items(self, errors: np.ndarray) -> Items:
        """100 times each network's mean squared error `[N]`."""
        return Items(100.0 * errors[:, None])

    def quality(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """Of rendered pixels `[N, pixels]` against dilated ones."""
        return self.value(np.square(predicted - targets).mean(1))

    def evaluate(self, answers: Answers) -> Evaluation:
        """The score on the zoo, and under its name that on the zoo that is tested on too."""
        found = super().evaluate(answers)
        if (other := answers.elsewhere) is not None:
            found.scores[self.name + answers.ending] = super().evaluate(other).scores[self.name]
        return found
