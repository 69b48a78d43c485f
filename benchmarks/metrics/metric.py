"""What a metric is: from predictions and targets to values per test network, whose statistic is the score. Torch-free.

Intervals and tests are of the same values, and training chooses by the same score: a metric is written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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


def mean_of_pseudo_values(columns: np.ndarray) -> np.ndarray:
    """The mean of jackknife pseudo-values `[..., 1]`: they say how sure the score is, and nothing of single items."""
    return mean_of(columns)


@dataclass(frozen=True)
class Items:
    """What a score is made of, item by item in the truth's order: test networks, or pairs of them.

    Arguments:
        columns: `[N, k]`; the score is `statistic` of their means. So a mean over networks is one column and a
            correlation five, and either can be computed for any part of the networks from sums.
        statistic: from `[..., k]` to `[...]`.
        strata: `[N]` for a score that is the mean of one score per stratum (per run, say); networks at -1 do not count.
        bounds: between which every score lies, where it does.
        min_units: an interval takes more units than others' do to reach its level: this many.
    """

    columns: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray] = mean_of
    strata: np.ndarray | None = None
    bounds: tuple[float, float] | None = None
    min_units: int = 0

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


def pseudo_values(score: float | np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Jackknife pseudo-values `[N, ...]` from the scores without each item, their mean moved to the score.

    To first order a score is a mean of them (Tukey 1958; Miller 1974).
    """
    count = len(left_out)
    values = count * score - (count - 1) * left_out
    found: np.ndarray = values - values.mean(0) + score
    return found


@dataclass(frozen=True)
class Units:
    """What is independent of each other on a test split: images, or runs; copies and epochs of one are not.

    Arguments:
        codes: `[items]`, the unit of each item; items at -1 do not count.
        name: of one unit, "image" say.
        shared: in how many units each independent part is: runs in two of their pairs, else 1.
    """

    codes: np.ndarray
    name: str
    shared: int = 1

    @property
    def count(self) -> int:
        """How many there are."""
        return len(np.unique(self.codes[self.codes >= 0]))


def ending_of(zoo: str) -> str:
    """Of the names of arrays and scores about a zoo that is tested on too, ".fashion-mnist-inrs"."""
    return "." + zoo.partition("@")[0]


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

    def elsewhere(self, metric: Metric) -> dict[str, Answers]:
        """Those about each zoo that is tested on too, in the order of its truth, by what its arrays' names end with."""
        found = {}
        options = self.options.model_copy(update={"also": None, "split": None})
        for other, truth in zip(self.options.others, self.truth.also, strict=True):
            ending = ending_of(other)
            arrays = {name.removesuffix(ending): a for name, a in self.arrays.items() if name.endswith(ending)}
            found[ending] = Answers(arrays, truth, options, metric.asks_about(truth))
        return found


class Evaluation(NamedTuple):
    """The scores of a cell by name, the metric's own among them, and the items of that one with their units.

    `others`: items and units of other scores by their names: of the late half of training, of other zoos.
    """

    scores: dict[str, float]
    items: Items
    units: Units
    others: Mapping[str, tuple[Items, Units]] = MappingProxyType({})


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
        items, others = self.items(*self.read(answers)), self.elsewhere(answers)
        scores = {self.name: items.score} | {name: found.score for name, (found, _) in others.items()}
        return Evaluation(scores, items, self.units(answers), others)

    def elsewhere(self, answers: Answers) -> dict[str, tuple[Items, Units]]:
        """The values of each network of the zoos that are tested on too, by the name of the score there."""
        found = answers.elsewhere(self)
        return {self.name + end: (self.items(*self.read(there)), self.units(there)) for end, there in found.items()}

    def units(self, answers: Answers) -> Units:
        """The units of `items`: networks of one image or one run are one; where the truth names neither, each is."""
        table = answers.truth.table.iloc[answers.networks]
        column = next((name for name in ("item", "run") if name in table), None)
        values = table[column] if column else table.index
        pictured = column == "item" and answers.truth.images is not None
        name = "image" if pictured else column or "network"
        return Units(np.unique(values.to_numpy(str), return_inverse=True)[1], name)

    def asks_about(self, truth: Truth) -> np.ndarray:
        """The rows of the test networks that predictions must cover."""
        return np.arange(len(truth.table))

    def answers(self, ids: list[str], arrays: Arrays, truth: Truth, options: Options) -> Answers:
        """Stored predictions, if they are about exactly the test networks and finite. Raises BadInput."""
        wanted = truth.table.index[self.asks_about(truth)]
        if len(set(ids)) != len(ids) or set(ids) != set(wanted):
            missing = len(set(wanted) - set(ids))
            raise BadInput(
                f"predictions for {len(set(ids))} networks, expected those for {len(wanted)} of the test split, "
                f"{missing} of which are missing"
            )
        for name, values in arrays.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise BadInput(f"the array {name} holds NaN or infinity")
        return Answers(arrays, truth, options, truth.table.index.get_indexer(pd.Index(ids)))
