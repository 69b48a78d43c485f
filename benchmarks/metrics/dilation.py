"""The error of edited INRs: between what they render and their source images, dilated (Zhou et al. 2023, section 4.2).

The renderings are stored, as bytes, and a score is computed from them alone; so of a large test split a fixed part is
scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from ...runtime.errors import BadInput
from ..records.truth import Truth
from .metric import Answers, Items, Metric

SCORED = 1000  # networks of a test split, at most
PIXEL_LOW, PIXEL_HIGH = -0.5, 1.5


def drawn(ids: Sequence[str]) -> np.ndarray:
    """The places of the networks that are scored, ascending: 1,000 of a test split, or all.

    A zoo's recipe draws the order of its split: the first ones. A split in the order of its ids, which may be that of
    its source, was not drawn: those whose ids have the smallest SHA-256.
    """
    if list(ids) != sorted(ids):
        return np.arange(min(len(ids), SCORED))
    checksums = [hashlib.sha256(name.encode()).digest() for name in ids]
    return np.array(sorted(sorted(range(len(ids)), key=checksums.__getitem__)[:SCORED]), int)


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
    """Mean squared error of the stored pixels, in 10^-2."""

    name, unit, higher_is_better = "dilation-mse", "1e-2", False

    def asks_about(self, truth: Truth) -> np.ndarray:
        """The networks that are scored, whose renderings are stored."""
        return drawn(truth.table.index.tolist())

    def read(self, answers: Answers) -> tuple[np.ndarray]:
        """The mean squared error of every network. Raises BadInput for renderings of another size or kind."""
        images = answers.truth.images
        assert images is not None  # the task needs them
        targets = dilated(images[answers.networks]).reshape(len(answers.networks), -1)
        pixels = answers.array("pixels", targets.shape[1])
        if pixels.dtype != np.uint8:
            raise BadInput(f"the array pixels holds {pixels.dtype}, expected bytes")
        return (np.square(dequantise(pixels) - targets).mean(1),)

    def items(self, errors: np.ndarray) -> Items:
        """100 times each network's mean squared error `[N]`."""
        return Items(100.0 * errors[:, None])

    def quality(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """Of rendered pixels `[N, pixels]` against dilated ones."""
        return self.value(np.square(predicted - targets).mean(1))
