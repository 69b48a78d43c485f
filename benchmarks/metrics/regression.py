"""Metrics of predicted values: Pearson's r, the coefficient of determination R2, Kendall's tau-b.

Under `within-run` each is a score per run, averaged over the runs whose target is not constant. A correlation with a
constant is 0.

Of a zoo of snapshots the headline metric has a second score, of the late half of training alone: scores rise at the
start of every run, so that a method that only tells how long a network was trained does well on all epochs together.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod

import numpy as np
from scipy.stats import NearConstantInputWarning, kendalltau, pearsonr
from sklearn.metrics import r2_score

from .metric import Answers, Evaluation, Items, Metric, Units, mean_of_pseudo_values, pseudo_values

LATE = "-late"  # ends the name of the score of the late half of training
PAIR_ROWS = 512  # rows at a time of a matrix of all pairs, which as a whole would not fit


class Regression(Metric):
    """The base: from predicted and true values `[N]` or `[N, 1]`, and the run of each network where scores are per run.

    The score is exact; `items` gives it to rounding, in a form that intervals can be made of.
    """

    @abstractmethod
    def of(self, predicted: np.ndarray, true: np.ndarray) -> float:
        """The metric of values `[n]` and `[n]`, neither of them constant."""

    @abstractmethod
    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """The values of each network from predictions `x` and targets `y`, both `[N]`, in the targets' deviations."""

    def read(self, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Predicted values, true values, and the stratum of each network."""
        true = answers.column(answers.options.target or "").astype(float)
        strata = None
        if answers.options.split == "within-run":
            strata = _varied(np.unique(answers.column("run"), return_inverse=True)[1], true)
        return answers.array("values", 1)[:, 0].astype(float), true, strata

    def items(self, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None = None) -> Items:
        """The metric's values, of both standardised: that changes no score and keeps sums exact."""
        predicted, true = _flat(predicted), _flat(true)
        spread = max(float(true.std()), 1e-12)
        return self.standardised_items((predicted - true.mean()) / spread, (true - true.mean()) / spread, strata)

    def value(self, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None = None) -> float:
        """The score; with strata the mean of theirs."""
        predicted, true = _flat(predicted), _flat(true)
        parts = Items(true, strata=strata).parts
        return float(np.mean([self._checked(predicted[rows], true[rows]) for rows in parts]))

    def _checked(self, predicted: np.ndarray, true: np.ndarray) -> float:
        return self.of(predicted, true) if np.ptp(predicted) > 0 and np.ptp(true) > 0 else 0.0

    def evaluate(self, answers: Answers) -> Evaluation:
        """All three scores: each says what the others cannot see; and the headline one of the late half, and of other
        zoos."""
        read = self.read(answers)
        scores = {metric.name: metric.value(*read) for metric in (PearsonR(), R2(), KendallTau())}
        others = self.elsewhere(answers)
        scores |= {name: found.score for name, (found, _) in others.items()}
        found = self._late(answers, *read)
        if found is not None:
            late, units = found
            scores[self.name + LATE] = self.value(*late)
            others[self.name + LATE] = (self.items(*late), units)
        return Evaluation(scores, self.items(*read), self._units(answers, read[-1]), others)

    def _units(self, answers: Answers, strata: np.ndarray | None) -> Units:
        return self.units(answers) if strata is None else Units(strata, "run")

    def _late(
        self, answers: Answers, predicted: np.ndarray, true: np.ndarray, strata: np.ndarray | None
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray | None], Units] | None:
        """What was read, of epochs behind the middle of training alone; None where there are no others."""
        if "epoch" not in answers.truth.table:
            return None
        epochs = answers.column("epoch")
        late = epochs > epochs.max() / 2
        if late.all() or np.ptp(true[late]) == 0:
            return None
        true, predicted = true[late], predicted[late]
        kept = None if strata is None else _varied(strata[late], true)
        if kept is not None and (kept < 0).all():
            return None
        units = self._units(answers, strata)
        codes = units.codes[late] if kept is None else kept
        return (predicted, true, kept), Units(codes, units.name, units.shared)


class PearsonR(Regression):
    """Pearson's r."""

    name = "pearson-r"

    def of(self, predicted: np.ndarray, true: np.ndarray) -> float:
        """scipy's."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NearConstantInputWarning)
            return float(pearsonr(true, predicted).statistic)

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """What r is a function of."""
        x = (x - x.mean()) / max(float(x.std()), 1e-12)
        return Items(np.stack([x, y, x * x, y * y, x * y], axis=1), pearson_of, strata, (-1, 1))


class R2(Regression):
    """The coefficient of determination."""

    name = "r2"

    def of(self, predicted: np.ndarray, true: np.ndarray) -> float:
        """scikit-learn's."""
        return float(r2_score(true, predicted))

    def _checked(self, predicted: np.ndarray, true: np.ndarray) -> float:
        return self.of(predicted, true)  # also of a constant

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """What R2 is a function of."""
        return Items(np.stack([y, y * y, np.square(x - y)], axis=1), r2_of, strata)


class KendallTau(Regression):
    """Kendall's tau-b, a mean over pairs of networks."""

    name = "kendall-tau"

    def of(self, predicted: np.ndarray, true: np.ndarray) -> float:
        """scipy's."""
        return float(kendalltau(true, predicted).statistic)

    def standardised_items(self, x: np.ndarray, y: np.ndarray, strata: np.ndarray | None) -> Items:
        """The jackknife pseudo-value of each network; their mean is moved to tau."""
        column = np.zeros(len(x))
        parts = np.zeros(len(x), int) if strata is None else strata
        for part in np.unique(parts[parts >= 0]):
            column[parts == part] = _tau_pseudo_values(x[parts == part], y[parts == part])
        return Items(column[:, None], mean_of_pseudo_values, strata, (-1, 1))


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
    tau = totals[0] / np.sqrt(totals[1] * totals[2])
    left_out = without[0] / np.sqrt(np.maximum(without[1] * without[2], 1e-12))
    return pseudo_values(float(tau), left_out)


def _varied(strata: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Strata `[N]`, -1 in place of those whose true values `[N]` are all the same."""
    constant = [part for part in np.unique(strata[strata >= 0]) if np.ptp(true[strata == part]) == 0]
    return np.where(np.isin(strata, constant), -1, strata)


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values)).astype(float)
