"""How far a cell that is run again may lie from its record. Knows numbers only; needs neither files nor torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from .intervals import LEVEL, MIN_SEEDS

MACHINES = 0.01  # of the score, which rounding on another processor may change


def tolerance(
    score: float, seeds: Sequence[float], interval: tuple[float, float] | None, *, same_networks: bool
) -> float:
    """The largest difference from a recorded score that seeds and machines explain.

    Arguments:
        seeds: the scores of the row's seeds.
        interval: the ends of the row's 95 % interval, where it has one.
        same_networks: whether the run and the record saw one build of the zoo.

    A run that rounds otherwise trains another network, as another seed does: two draws from the row's seeds differ by
    no more than their 95 % prediction interval, t * sqrt(2) * s. The test units are the same in both runs and explain
    nothing. But where the zoo was built anew, its networks are others, and half the row's interval counts too; also
    where there are too few seeds for s.
    """
    explained = [MACHINES * abs(score)]
    if len(seeds) >= MIN_SEEDS:
        quantile = stats.t.ppf((1 + LEVEL) / 2, len(seeds) - 1)
        explained.append(float(quantile * np.sqrt(2) * np.std(seeds, ddof=1)))
    if interval is not None and not (same_networks and len(seeds) >= MIN_SEEDS):
        explained.append((interval[1] - interval[0]) / 2)
    return max(explained)
