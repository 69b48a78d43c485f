"""The board's statistics: intervals and tie groups. Knows arrays only; needs neither files nor torch.

A score speaks of other *units*, the images or runs that test networks belong to, and of other *seeds*. Every seed
meets every unit, so a row is a crossed table `[units, seeds]` whose mean is the score: its own values where the score
is a mean, jackknife pseudo-values where it is not (Tukey 1958). The variance of that mean, and of the difference of
two, has a part of the units and a part of the seeds, as of cases and readers in diagnostic studies (Dorfman, Berbaum
and Metz 1992; Obuchowski and Rockette 1995), and Student's t its degrees of freedom from both (Satterthwaite 1946).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from ...benchmarks.metrics.metric import Items, Units, pseudo_values

LEVEL = 0.95
MIN_UNITS, MIN_SEEDS = 20, 3  # fewer do not reach the level, tests/leaderboard/evidence/test_coverage.py


@dataclass(frozen=True)
class Intervals:
    """The statistics of one board's rows.

    Attributes:
        scores: `[rows]`, mean over seeds.
        low, high: `[rows]`, the 95 % interval: over units and seeds, or with fewer than `MIN_SEEDS` seeds over units
            alone. NaN where there are fewer than `MIN_UNITS` units, or than the metric needs.
        errors: `[rows, rows]`, the standard error of the difference of two rows' scores, from the same.
        freedom: `[rows, rows]`, its degrees of freedom.
        seeds: `[rows]`, how many.
    """

    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray
    errors: np.ndarray
    freedom: np.ndarray
    seeds: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """`[rows, rows]`, two-sided p of the paired test that two rows differ, before any correction.

        NaN where a row has too few seeds to tell its method from another, or the board too few units.
        """
        difference = np.abs(self.scores[:, None] - self.scores[None])
        same = difference <= 1e-12 * np.maximum(1, np.abs(self.scores))
        with np.errstate(divide="ignore", invalid="ignore"):
            p = np.where(same, 1.0, 2 * stats.t.sf(difference / self.errors, self.freedom))
        known = (self.seeds >= MIN_SEEDS) & np.isfinite(self.low)
        found: np.ndarray = np.where(known[:, None] & known[None], p, np.nan)
        return found

    def difference(self, a: int, b: int) -> tuple[float, float, float]:
        """Row b's score less row a's, with the ends of its 95 % interval; NaN where there are too few units."""
        difference = float(self.scores[b] - self.scores[a])
        half = float(_quantile(self.freedom[a, b]) * self.errors[a, b])
        return difference, difference - half, difference + half


def estimated(rows: Sequence[Sequence[Items]], units: Units) -> Intervals:
    """Statistics of rows, each given as the items of its seeds (all of one metric and test split)."""
    cells = [items for row in rows for items in row]
    seeds = np.array([len(row) for row in rows])
    values = np.split(_unit_values(cells, units), np.cumsum(seeds)[:-1], axis=1)
    scores = np.array([table.mean() for table in values])
    independent = units.count / units.shared
    if independent < max(MIN_UNITS, cells[0].min_units):
        none, nothing = np.full(len(rows), np.nan), np.full((len(rows), len(rows)), np.nan)
        return Intervals(scores, none, none, nothing, nothing, seeds)
    means = np.stack([table.mean(1) for table in values], axis=1)
    of_seeds = np.array([_seed_variance(table) for table in values])
    variance, freedom = _with_seeds(means.var(0, ddof=1) / independent, independent, of_seeds)
    low, high = _interval(scores, means, variance, freedom, cells[0], independent)
    errors, degrees = np.empty((2, len(rows), len(rows)))
    for row in range(len(rows)):
        apart = np.var(means - means[:, row, None], axis=0, ddof=1) / independent
        found, degrees[row] = _with_seeds(apart, independent, of_seeds + of_seeds[row])
        errors[row] = np.sqrt(found)
    return Intervals(scores, low, high, errors, degrees, seeds)


def _unit_values(cells: Sequence[Items], units: Units) -> np.ndarray:
    """What each unit says in each cell, `[units, cells]`; their means are the scores."""
    kept = units.codes >= 0
    codes = np.unique(units.codes[kept], return_inverse=True)[1]
    columns = np.stack([items.columns[kept] for items in cells], axis=1)
    counts = np.bincount(codes).astype(float)[:, None, None]
    sums = np.zeros((len(counts), *columns.shape[1:]))
    np.add.at(sums, codes, columns)
    statistic = cells[0].statistic
    if cells[0].strata is not None:
        return statistic(sums / counts)
    score = statistic(sums.sum(0) / counts.sum())
    if len(counts) == 1:
        return score[None]
    return pseudo_values(score, statistic((sums.sum(0) - sums) / (counts.sum() - counts)))


def _seed_variance(table: np.ndarray) -> tuple[float, float, float]:
    """What the seeds add to the variance of the mean of `[units, seeds]`, and to the two denominators of `_with_seeds`.

    The mean squares of seeds less those of the residuals; nothing where there are too few seeds to tell.
    """
    units, seeds = table.shape
    if seeds < MIN_SEEDS:
        return 0.0, 0.0, 0.0
    of_seed = table.mean(0)
    between = float(of_seed.var(ddof=1)) / seeds
    residuals = table - table.mean(1, keepdims=True) - of_seed + table.mean()
    within = float(np.square(residuals).sum()) / ((units - 1) * (seeds - 1) * units * seeds)
    added = between - within
    if added <= 0:
        return 0.0, 0.0, 0.0
    return added, (between**2 + within**2 / (units - 1)) / (seeds - 1), added / (seeds - 1)


def _with_seeds(of_units: np.ndarray, independent: float, of_seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances `[rows]` of both parts together, and their degrees of freedom.

    Satterthwaite's are too many where few seeds carry most of the variance: there the mean of 1 / df, weighted by the
    parts of the variance, is larger, and counts.
    """
    variance = of_units + of_seeds[:, 0]
    some = np.where(variance > 0, variance, 1.0)
    last = independent - 1
    inverse = np.maximum(
        (of_units**2 / last + of_seeds[:, 1]) / some**2,
        (of_units / last + of_seeds[:, 2]) / some,
    )
    return variance, 1 / np.where(variance > 0, inverse, 1 / last)


def _quantile(freedom: np.ndarray) -> np.ndarray:
    found: np.ndarray = stats.t.ppf((1 + LEVEL) / 2, freedom)
    return found


def _interval(
    scores: np.ndarray,
    means: np.ndarray,
    variance: np.ndarray,
    freedom: np.ndarray,
    items: Items,
    independent: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % intervals: on the scale where a share or a correlation has no ends, or with skewness."""
    if items.bounds is None or items.strata is not None:
        low, high = _skewed(scores, means, variance, freedom)
        low, high = (np.clip(end, *items.bounds) for end in (low, high)) if items.bounds else (low, high)
        return low, high
    start, end = items.bounds
    place = (scores - start) / (end - start)
    inside = np.clip(place, 1e-9, 1 - 1e-9)
    half = _quantile(freedom) * np.sqrt(variance) / (end - start) / (inside * (1 - inside))
    # At an end nothing varies: as far from it as all right, or all wrong, answers may be (Clopper and Pearson 1934).
    edge = ((1 - LEVEL) / 2) ** (1 / independent)
    top, bottom = place > inside, place < inside
    low = np.select([top, bottom], [edge, 0.0], expit(logit(inside) - half))
    high = np.select([top, bottom], [1.0, 1 - edge], expit(logit(inside) + half))
    return start + (end - start) * low, start + (end - start) * high


def _skewed(
    scores: np.ndarray, means: np.ndarray, variance: np.ndarray, freedom: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends for means of skewed values: Student's interval after Hall's cubic transformation (1992, section 2)."""
    units = len(means)
    third = np.power(means - means.mean(0), 3).sum(0) * units / ((units - 1) * (units - 2))
    error = np.sqrt(variance)
    skewness = np.divide(third, units**2 * error**3, out=np.zeros_like(error), where=error > 0)

    def end(quantile: np.ndarray) -> np.ndarray:
        moved = quantile - skewness / 6
        bent = skewness * moved
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(np.abs(bent) < 1e-6, moved, 3 * (np.cbrt(1 + bent) - 1) / skewness)
        ends: np.ndarray = scores - error * found
        return ends

    quantile = _quantile(freedom)
    return end(quantile), end(-quantile)


def holm(p: np.ndarray) -> np.ndarray:
    """p of several tests `[tests]`, adjusted so that all together seldom find what is not there (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def tie_groups(intervals: Intervals, rows: Sequence[int], higher_is_better: bool) -> dict[int, int]:
    """The group of each of `rows`, 1 first: rows that cannot be told from the best row of their group.

    All pairs are tested, at 5 % together. Rows that no test is possible for have no group.
    """
    sign, p = -1 if higher_is_better else 1, intervals.p
    order = sorted((row for row in rows if p[row, row] == 1), key=lambda row: (sign * intervals.scores[row], row))
    a, b = np.triu_indices(len(order), 1)
    adjusted = np.zeros((len(order), len(order)))
    adjusted[a, b] = holm(p[np.array(order)[a], np.array(order)[b]]) if len(a) else 0
    groups: dict[int, int] = {}
    leader = 0
    for place, row in enumerate(order):
        if place == 0:
            groups[row] = 1
        elif adjusted[leader, place] > 1 - LEVEL:
            groups[row] = groups[order[leader]]
        else:
            groups[row], leader = groups[order[leader]] + 1, place
    return groups
