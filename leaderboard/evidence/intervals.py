"""The board's statistics: intervals, tie groups and average ranks. Knows arrays only; needs neither files nor torch.

What is resampled are *units*: the images or runs that test networks belong to, never one of several copies alone. One
draw of units serves every row and seed of a board, so that rows are compared on equal draws; a row's seeds are strata,
each is in every draw once. Intervals therefore speak of other test items, `std` of other seeds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...benchmarks.metrics.metric import Items

REPLICATES = 2000
LEVEL = 0.95
BLOCK = 250  # replicates drawn at a time
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Units:
    """Which test networks are drawn together.

    Arguments:
        codes: `[N]`, the unit of every test network, 0 to U - 1.
        key: seeds the draws; boards of one zoo share them.
    """

    codes: np.ndarray
    key: str

    def of(self, items: Items) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each stratum its networks, and their units counted from 0; within a stratum each network is a unit."""
        if items.strata is None:
            return [(np.arange(len(self.codes)), self.codes)]
        return [(rows, np.arange(len(rows))) for rows in items.parts]

    def draws(self, units: int) -> Iterator[np.ndarray]:
        """How often each unit is in each replicate, `[BLOCK, units]` at a time, `REPLICATES` in all."""
        random = np.random.RandomState(zlib.crc32(self.key.encode()))  # its stream is frozen: boards stay equal
        for start in range(0, REPLICATES, BLOCK):
            size = min(BLOCK, REPLICATES - start)
            drawn = random.randint(0, units, size=(size, units)) + units * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(float)


@dataclass(frozen=True)
class Intervals:
    """The statistics of one board's rows.

    Attributes:
        scores: `[rows]`, mean over seeds.
        low, high: `[rows]`, the 95 % interval over test items.
        replicates: `[REPLICATES, rows]`, the scores of every draw.
        p: `[rows, rows]`, of the paired test that two rows differ, before any correction.
    """

    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray
    replicates: np.ndarray
    p: np.ndarray


def resampled(rows: Sequence[Sequence[Items]], units: Units) -> Intervals:
    """Statistics of rows, each given as the items of its seeds (all of one metric and test split)."""
    seeds = np.array([len(row) for row in rows])
    cells = [items for row in rows for items in row]
    statistic, width = cells[0].statistic, cells[0].columns.shape[1]
    columns = np.concatenate([items.columns for items in cells], axis=1)
    firsts = np.concatenate([[0], np.cumsum(seeds)[:-1]])

    def per_row(values: np.ndarray) -> np.ndarray:
        """Mean over each row's seeds, from `[..., cells]` to `[..., rows]`."""
        mean: np.ndarray = np.add.reduceat(values, firsts, axis=-1) / seeds
        return mean

    parts = units.of(cells[0])
    scores = np.zeros(len(rows))
    replicates = np.zeros((REPLICATES, len(rows)))
    variances = np.zeros((len(rows), len(rows)))
    freedom = 0
    for members, codes in parts:
        counts = np.bincount(codes).astype(float)
        sums = np.zeros((len(counts), columns.shape[1]))
        np.add.at(sums, codes, columns[members])
        means = (sums.sum(0) / counts.sum()).reshape(len(cells), width)
        scores += per_row(statistic(means)) / len(parts)
        blocks = [
            statistic(((drawn @ sums) / (drawn @ counts)[:, None]).reshape(len(drawn), len(cells), width))
            for drawn in units.draws(len(counts))
        ]
        replicates += per_row(np.concatenate(blocks)) / len(parts)
        influence = per_row(_influence(sums.reshape(len(counts), len(cells), width), counts, means, statistic))
        variances += _paired_variances(influence) / len(parts) ** 2
        freedom += len(counts) - 1
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Intervals(scores, low, high, replicates, _paired_p(scores, variances, freedom))


def _influence(sums: np.ndarray, counts: np.ndarray, means: np.ndarray, statistic: Statistic) -> np.ndarray:
    """What each unit adds to the score, to first order, `[units, cells]`: for a mean its deviation from the mean."""
    step = 1e-5
    slopes = np.zeros_like(means)
    for column in range(means.shape[1]):
        nudge = np.zeros(means.shape[1])
        nudge[column] = step
        slopes[:, column] = (statistic(means + nudge) - statistic(means - nudge)) / (2 * step)
    deviations = (sums - counts[:, None, None] * means) / counts.mean()
    influence: np.ndarray = np.einsum("ucw,cw->uc", deviations, slopes)
    return influence


def _paired_variances(influence: np.ndarray) -> np.ndarray:
    """Variance of the difference of two rows' scores, `[rows, rows]`."""
    units, rows = influence.shape
    found = np.zeros((rows, rows))
    for row in range(rows):
        found[row] = np.var(influence - influence[:, row, None], axis=0, ddof=1) / units if units > 1 else np.inf
    return found


def _paired_p(scores: np.ndarray, variances: np.ndarray, freedom: int) -> np.ndarray:
    """Two-sided p of Student's paired test; for a mean over items it is `scipy.stats.ttest_rel`."""
    difference = np.abs(scores[:, None] - scores[None])
    same = difference <= 1e-12 * np.maximum(1, np.abs(scores))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = difference / np.sqrt(variances)
    p: np.ndarray = np.where(same, 1.0, 2 * stats.t.sf(np.where(same, 0.0, t), max(freedom, 1)))
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """p of several tests `[tests]`, adjusted so that all together seldom find what is not there (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def tie_groups(intervals: Intervals, rows: Sequence[int], higher_is_better: bool) -> dict[int, int]:
    """The group of each of `rows`, 1 first: rows that cannot be told from the best row of their group.

    All pairs are tested, at 5 % together.
    """
    sign = -1 if higher_is_better else 1
    order = sorted(rows, key=lambda row: (sign * intervals.scores[row], row))
    a, b = np.triu_indices(len(order), 1)
    adjusted = np.zeros((len(order), len(order)))
    adjusted[a, b] = holm(intervals.p[np.array(order)[a], np.array(order)[b]]) if len(a) else 0
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


@dataclass(frozen=True)
class Ranked:
    """One board's part in an average: `labels` name the columns of `replicates`."""

    labels: Sequence[str]
    scores: np.ndarray
    replicates: np.ndarray
    higher_is_better: bool


def average_ranks(boards: Sequence[Ranked]) -> list[tuple[str, float, float, float]]:
    """Average rank over boards with its 95 % interval, (label, rank, low, high), the best first.

    Only labels that every board has take part, and they are ranked among themselves.
    """
    complete = sorted(set.intersection(*(set(board.labels) for board in boards))) if boards else []
    if not complete:
        return []
    ranks, draws = np.zeros(len(complete)), np.zeros((REPLICATES, len(complete)))
    for board in boards:
        columns = [list(board.labels).index(label) for label in complete]
        sign = -1 if board.higher_is_better else 1
        ranks += stats.rankdata(sign * board.scores[columns]) / len(boards)
        draws += stats.rankdata(sign * board.replicates[:, columns], axis=1) / len(boards)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    found = zip(complete, ranks.tolist(), low.tolist(), high.tolist(), strict=True)
    return sorted(found, key=lambda row: (row[1], row[0]))
