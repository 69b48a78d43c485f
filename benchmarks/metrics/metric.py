"""What a metric is: from predictions and targets to values per test network, whose statistic is the score. Torch-free.

Intervals and tests resample the same values, and training chooses by the same score: a metric is written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from ...runtime.errors import BadInput
from ..records.predictions import Arrays, checked_array
from ..records.result import Options
from ..records.truth import Truth, column_values


def mean_of(columns: np.ndarray) -> np.ndarray:
    """The statistic of a metric that is a mean over items; `columns` `[..., 1]`."""
    found: np.ndarray = columns[..., 0]
    return found


def share_of(columns: np.ndarray) -> np.ndarray:
    """The statistic of a mean over those items that count: the sum of values over the number, `[..., 2]`."""
    value, count = np.moveaxis(columns, -1, 0)
    found: np.ndarray = value / np.maximum(count, 1e-12)
    return found


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

    @property
    def parts(self) -> list[np.ndarray]:
        """The networks of each stratum, as row numbers."""
        if self.strata is None:
            return [np.arange(len(self.columns))]
        return [np.flatnonzero(self.strata == stratum) for stratum in np.unique(self.strata[self.strata >= 0])]

    @property
    def score(self) -> float:
        """The statistic over all networks; with strata the mean of theirs."""
        return float(np.mean([self.statistic(self.columns[rows].mean(0)) for rows in self.parts]))


def counted(values: np.ndarray, counts: np.ndarray) -> Items:
    """The items of a mean over the values `[N]` of those networks that count, bool `[N]`."""
    return Items(np.stack([np.where(counts, values, 0), counts], 1).astype(float), share_of)


@dataclass(frozen=True)
class Answers:
    """The stored predictions of a cell beside the truth.

    Arguments:
        rows: `[n]`, of each stored prediction its network's row in the truth.
    """

    arrays: Arrays
    truth: Truth
    options: Options
    rows: np.ndarray

    @property
    def networks(self) -> np.ndarray:
        """`[n]`, the rows of the networks that were asked about, in the truth's order."""
        return np.sort(self.rows)

    def array(self, name: str, *shape: int | None) -> np.ndarray:
        """A stored array `[n, *shape]` in the truth's order. Raises BadInput for another shape."""
        found: np.ndarray = checked_array(self.arrays, name, len(self.rows), *shape)[np.argsort(self.rows)]
        return found

    def column(self, name: str) -> np.ndarray:
        """`[n]`, the truth about a column of the zoo's table, or the difference of two."""
        found: np.ndarray = column_values(self.truth.table, name).to_numpy()[self.networks]
        return found

    @property
    def elsewhere(self) -> Answers | None:
        """Those about the zoo that is tested on too, whose arrays have its name at the end."""
        if self.truth.also is None:
            return None
        ending = self.ending
        arrays = {name.removesuffix(ending): a for name, a in self.arrays.items() if name.endswith(ending)}
        rows = np.arange(len(self.truth.also.table))
        return Answers(arrays, self.truth.also, self.options.model_copy(update={"also": None}), rows)

    @property
    def ending(self) -> str:
        """Of the names of arrays and scores about the zoo that is tested on too, ".fashion-mnist-inrs"."""
        return "." + str(self.options.also).partition("@")[0]


class Evaluation(NamedTuple):
    """The scores of a cell by name, the metric's own among them, and the items of that one."""

    scores: dict[str, float]
    items: Items


class Metric(ABC):
    """A metric in the unit that papers print.

    Class attributes:
        name: the name of the headline score.
        unit: as `records.result.shown_unit` takes it.
        higher_is_better: its direction.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def read(self, answers: Answers) -> tuple[Any, ...]:
        """From stored predictions and the truth what `items` takes. Raises BadInput where these disagree."""

    @abstractmethod
    def items(self, *read: Any) -> Items:
        """The values of each network, from predictions and targets `[N, ...]`."""

    def value(self, *read: Any) -> float:
        """The score of what `items` takes, which they give too."""
        return self.items(*read).score

    def quality(self, predicted: np.ndarray, targets: np.ndarray) -> float:
        """The score of predictions `[N, ...]` in training, for choosing on the validation split."""
        return self.value(predicted, targets)

    def evaluate(self, answers: Answers) -> Evaluation:
        """Every score of stored predictions, and the values of each network. Raises BadInput as `read` does."""
        items = self.items(*self.read(answers))
        return Evaluation({self.name: items.score}, items)

    def asks_about(self, truth: Truth) -> np.ndarray:
        """The rows of the test networks that predictions must cover."""
        return np.arange(len(truth.table))

    def answers(self, ids: list[str], arrays: Arrays, truth: Truth, options: Options) -> Answers:
        """Stored predictions, if they are about exactly the test networks and finite. Raises BadInput."""
        wanted = truth.table.index[self.asks_about(truth)]
        if len(set(ids)) != len(ids) or set(ids) != set(wanted):
            raise BadInput(f"predictions for {len(set(ids))} networks, the test split has {len(wanted)} others")
        for name, values in arrays.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise BadInput(f"the array {name} holds NaN or infinity")
        return Answers(arrays, truth, options, truth.table.index.get_indexer(pd.Index(ids)))
