"""A score taken apart: what each test network adds to it; intervals and tests are drawn from that. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..records.evidence import Truth
from ..records.result import TaskPart
from .neuron_orders import barriers, matched_shares, trained_pairs
from .scoring import column_values, retrieved, right_classes

Arrays = dict[str, np.ndarray]
SHOWN = 150  # points of a row's picture of predicted against true values


def mean_of(columns: np.ndarray) -> np.ndarray:
    """The statistic of a metric that is a mean over items; `columns` `[..., 1]`."""
    return columns[..., 0]


def share_of(columns: np.ndarray) -> np.ndarray:
    """The statistic of a mean over those items that count: the sum of values over the number, `[..., 2]`."""
    value, count = np.moveaxis(columns, -1, 0)
    return value / np.maximum(count, 1e-12)


def pearson_of(columns: np.ndarray) -> np.ndarray:
    """Pearson's r from the means of x, y, x^2, y^2 and xy, `[..., 5]`; 0 where one of them does not vary."""
    x, y, xx, yy, xy = np.moveaxis(columns, -1, 0)
    x_variance, y_variance = xx - x * x, yy - y * y
    varies = (x_variance > 1e-13 * xx) & (y_variance > 1e-13 * yy)  # below that it is rounding
    return np.where(varies, (xy - x * y) / np.sqrt(np.where(varies, x_variance * y_variance, 1.0)), 0.0)


def r2_of(columns: np.ndarray) -> np.ndarray:
    """The coefficient of determination from the means of y, y^2 and the squared error, `[..., 3]`."""
    y, yy, error = np.moveaxis(columns, -1, 0)
    return 1 - error / np.maximum(yy - y * y, 1e-12)


@dataclass(frozen=True)
class Items:
    """What a score is made of, test network by test network in the truth's order.

    Arguments:
        columns: `[N, k]`; the score is `statistic` of their means. So a mean over networks is one column and a
            correlation five, and either can be computed for any draw of networks by one matrix product.
        statistic: from `[..., k]` to `[...]`.
        strata: `[N]` for a score that is the mean of one score per stratum (per run, say); networks at -1 do not count.
    """

    columns: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray] = mean_of
    strata: np.ndarray | None = None


def regression_items(metric: str, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None = None) -> Items:
    """The items of "pearson-r", "r2" or "kendall-tau" between two `[N]`.

    Values are standardised first, which changes no score and keeps the sums exact. Kendall's tau is a mean over pairs;
    each network has its jackknife pseudo-value, and the mean of those is moved to tau.
    """
    spread = max(float(true.std()), 1e-12)
    x, y = ((values.astype(float) - true.mean()) / spread for values in (predicted, true))
    if metric == "r2":
        return Items(np.stack([y, y * y, np.square(x - y)], axis=1), r2_of, strata)
    if metric == "pearson-r":
        x = (x - x.mean()) / max(float(x.std()), 1e-12)
        return Items(np.stack([x, y, x * x, y * y, x * y], axis=1), pearson_of, strata)
    column = np.zeros(len(x))
    parts = np.zeros(len(x), int) if strata is None else strata
    for part in np.unique(parts[parts >= 0]):
        column[parts == part] = _tau_pseudo_values(x[parts == part], y[parts == part])
    return Items(column[:, None], mean_of, strata)


def _tau_pseudo_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pseudo-values `[N]` of Kendall's tau-b, their mean moved to tau-b; zeros where x or y is constant."""
    n = len(x)
    concordant, x_untied, y_untied = np.zeros(n), np.zeros(n), np.zeros(n)
    for start in range(0, n, 512):  # rows at a time: all pairs at once would not fit
        dx, dy = (np.sign(values[start : start + 512, None] - values[None]) for values in (x, y))
        rows = slice(start, start + len(dx))
        concordant[rows], x_untied[rows], y_untied[rows] = (dx * dy).sum(1), (dx * dx).sum(1), (dy * dy).sum(1)
    totals = np.array([concordant.sum(), x_untied.sum(), y_untied.sum()])
    if min(totals[1:]) == 0:
        return np.zeros(n)
    without = totals[:, None] - 2 * np.stack([concordant, x_untied, y_untied])
    tau = totals[0] / np.sqrt(totals[1] * totals[2])
    left_out = without[0] / np.sqrt(np.maximum(without[1] * without[2], 1e-12))
    pseudo = n * tau - (n - 1) * left_out
    return pseudo - pseudo.mean() + tau


def items(task: TaskPart, ids: list[str], arrays: Arrays, truth: Truth) -> Items | None:
    """The headline score of predictions that `score` has accepted, item by item; None for a metric without items."""
    if task.metric not in ITEMS:
        return None
    order = np.argsort(truth.table.index.get_indexer(pd.Index(ids)))
    sorted_arrays = {name: values[order] if len(values) == len(order) else values for name, values in arrays.items()}
    return ITEMS[task.metric](task, sorted_arrays, truth)


def sample(task: TaskPart, ids: list[str], arrays: Arrays, truth: Truth) -> np.ndarray:
    """True and predicted values of evenly spaced test networks, `[SHOWN or fewer, 2]`; `[0, 2]` for other answers."""
    if "values" not in arrays:
        return np.empty((0, 2))
    true = column_values(truth.table, task.options.target or "").loc[ids].to_numpy(float)
    pairs = np.stack([true, arrays["values"][:, 0].astype(float)], 1)[np.argsort(ids)]
    return pairs[np.unique(np.linspace(0, len(pairs) - 1, SHOWN).round().astype(int))]


def _accuracy(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    return Items(100.0 * right_classes(arrays, truth, np.arange(len(truth.table)), task.options)[:, None])


def _dilation(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    return Items(100.0 * arrays["squared_error"].astype(np.float64)[:, None])


def _regression(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    values = column_values(truth.table, task.options.target or "").to_numpy(float)
    strata = None
    if task.options.split == "within-run":  # one score per run; runs with a constant target have none
        runs = truth.table["run"].to_numpy()
        strata = np.unique(runs, return_inverse=True)[1]
        for run in np.unique(strata):
            if np.ptp(values[strata == run]) == 0:
                strata = np.where(strata == run, -1, strata)
    return regression_items(task.metric, arrays["values"][:, 0], values, strata)


def _counted(values: np.ndarray, counts: np.ndarray) -> Items:
    """The items of a mean over the values `[N]` of those networks that count, bool `[N]`."""
    return Items(np.stack([np.where(counts, values, 0), counts], 1).astype(float), share_of)


def _retrieval(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    """Queries are drawn anew, what they search in is not."""
    precisions, _ = retrieved(arrays, truth, np.arange(len(truth.table)), task.options)
    return _counted(100 * precisions, ~np.isnan(precisions))


def _matched(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    return Items(matched_shares(arrays, truth, np.arange(len(truth.table)))[:, None])


def _barrier(task: TaskPart, arrays: Arrays, truth: Truth) -> Items:
    """Each pair counts for the run of its first network."""
    rows, _ = trained_pairs(truth.table)
    values, counts = np.zeros(len(truth.table)), np.zeros(len(truth.table), bool)
    values[rows], counts[rows] = barriers(arrays, truth, rows), True
    return _counted(values, counts)


ITEMS: dict[str, Callable[[TaskPart, Arrays, Truth], Items]] = {
    "accuracy": _accuracy,
    "dilation-mse": _dilation,
    "pearson-r": _regression,
    "r2": _regression,
    "kendall-tau": _regression,
    "map": _retrieval,
    "matched": _matched,
    "barrier": _barrier,
}
