"""Metrics of predicted values: Pearson's r, the coefficient of determination R2, Kendall's tau-b.

Under `within-run` each is a score per run, averaged over the runs whose target is not constant. A correlation with a
constant is 0.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kendalltau

from .metric import Answers, Evaluation, Items, Metric, mean_of

PAIR_ROWS = 512  # rows at a time of a matrix of all pairs, which as a whole would not fit


def pearson_of(columns: np.ndarray) -> np.ndarray:
    """Pearson's r from the means of x, y, x^2, y^2 and xy, `[..., 5]`; 0 where one of them does not vary."""
    x, y, xx, yy, xy = np.moveaxis(columns, -1, 0)
    x_variance, y_variance = xx - x * x, yy - y * y
    varies = (x_variance > 1e-13 * xx) & (y_variance > 1e-13 * yy)  # below that it is rounding
    return np.where(varies, (xy - x * y) / np.sqrt(np.where(varies, x_variance * y_variance, 1.0)), 0.0)


def r2_of(columns: np.ndarray) -> np.ndarray:
    """The coefficient of determination from the means of y, y^2 and the squared error, `[..., 3]`."""
    y, yy, error = np.moveaxis(columns, -1, 0)
    found: np.ndarray = 1 - error / np.maximum(yy - y * y, 1e-12)
    return found


class _Regression(Metric):
    """The base: predicted and true values `[N]` or `[N, 1]`, and the run of each network where scores are per run."""

    def read(self, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Predicted values, true values, and the stratum of each network."""
        true = answers.column(answers.options.target or "").astype(float)
        strata = None
        if answers.options.split == "within-run":
            strata = np.unique(answers.column("run"), return_inverse=True)[1]
            constant = [run for run in np.unique(strata) if np.ptp(true[strata == run]) == 0]
            strata = np.where(np.isin(strata, constant), -1, strata)
        return answers.array("values", 1)[:, 0].astype(float), true, strata

    def items(self, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None = None) -> Items:
        """The metric's values, of both standardised: that changes no score and keeps sums exact."""
        predicted, true = (values.reshape(len(values)).astype(float) for values in (predicted, true))
        spread = max(float(true.std()), 1e-12)
        x, y = ((values - true.mean()) / spread for values in (predicted, true))
        return self.standardised_items(x, y, strata)

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """The values of each network from predictions `x` and targets `y`, both `[N]`, in the targets' deviations."""
        raise NotImplementedError

    def evaluate(self, answers: Answers) -> Evaluation:
        """All three scores: each says what the others cannot see."""
        read = self.read(answers)
        scores = {metric.name: metric.value(*read) for metric in (PearsonR(), R2(), KendallTau())}
        return Evaluation(scores, self.items(*read))


class PearsonR(_Regression):
    """Pearson's r."""

    name = "pearson-r"

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """What r is a function of; predictions are standardised too, run by run, for some are far off in a few runs."""
        x = x.copy()
        for rows in Items(x, strata=strata).parts:
            x[rows] = (x[rows] - x[rows].mean()) / max(float(x[rows].std()), 1e-12)
        return Items(np.stack([x, y, x * x, y * y, x * y], axis=1), pearson_of, strata)


class R2(_Regression):
    """The coefficient of determination."""

    name = "r2"

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """What R2 is a function of."""
        return Items(np.stack([y, y * y, np.square(x - y)], axis=1), r2_of, strata)


class KendallTau(_Regression):
    """Kendall's tau-b, a mean over pairs of networks."""

    name = "kendall-tau"

    def value(self, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None = None) -> float:
        """The score of the items, without their work over all pairs."""
        x, y = (values.reshape(len(values)) for values in (predicted, true))
        parts = np.zeros(len(x), int) if strata is None else strata
        return float(np.mean([_tau(x[parts == part], y[parts == part]) for part in np.unique(parts[parts >= 0])]))

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """The jackknife pseudo-value of each network; their mean is moved to tau."""
        column = np.zeros(len(x))
        parts = np.zeros(len(x), int) if strata is None else strata
        for part in np.unique(parts[parts >= 0]):
            column[parts == part] = _tau_pseudo_values(x[parts == part], y[parts == part])
        return Items(column[:, None], mean_of, strata)


def _tau(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b of `[N]` and `[N]`; 0 where one of them is constant."""
    return float(kendalltau(x, y).statistic) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


def _tau_pseudo_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pseudo-values `[N]` of Kendall's tau-b, their mean moved to tau-b; zeros where x or y is constant."""
    n = len(x)
    concordant, x_untied, y_untied = np.zeros(n), np.zeros(n), np.zeros(n)
    for start in range(0, n, PAIR_ROWS):
        dx, dy = (np.sign(values[start : start + PAIR_ROWS, None] - values[None]) for values in (x, y))
        rows = slice(start, start + len(dx))
        concordant[rows], x_untied[rows], y_untied[rows] = (dx * dy).sum(1), (dx * dx).sum(1), (dy * dy).sum(1)
    totals = np.array([concordant.sum(), x_untied.sum(), y_untied.sum()])
    if min(totals[1:]) == 0:
        return np.zeros(n)
    without = totals[:, None] - 2 * np.stack([concordant, x_untied, y_untied])
    left_out = without[0] / np.sqrt(np.maximum(without[1] * without[2], 1e-12))
    pseudo = n * (tau := _tau(x, y)) - (n - 1) * left_out
    found: np.ndarray = pseudo - pseudo.mean() + tau
    return found
