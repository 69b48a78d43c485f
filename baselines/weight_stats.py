"""Gradient-boosted trees on weight statistics (Unterthiner et al. 2020, arXiv:2002.11448)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt
from torch import Tensor

from ..methods.contract.method import Method
from ..methods.contract.network_checks import require_finite
from ..methods.contract.parameter_ranges import PositiveFinite
from ..methods.contract.task_view import TaskView
from ..methods.statistics.boosted_trees import BoostedTrees
from ..methods.statistics.weight_statistics import NUMBERS, statistics
from ..zoo.networks.networks import Networks
from ..zoo.storage.zoo import Split


class WeightStats(Method):
    """Gradient-boosted trees on the statistics.

    Several architectures share the columns: tensors are numbered from the input on, in pairs of weight and bias, and
    what an architecture does not have is missing (NaN), which trees can split on. Of deeper networks than those of
    training the tensors that these have are read.

    Fields:
        trees, lr, leaves: of scikit-learn's HistGradientBoosting; training stops early on val.
    """

    name = "weight-stats"
    tasks = ("inr-classification", "property")
    symmetries = ("permutation",)
    any_operation = True
    paper = "arXiv:2002.11448"

    trees: PositiveInt = 200
    lr: PositiveFinite = 0.1
    leaves: Annotated[int, Field(ge=2)] = 15

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Boost trees on train, early stopping on val."""
        self.columns = NUMBERS * max(len(networks.arch.tensors) for networks in train.groups if len(networks))
        self.model = BoostedTrees(
            task.output, task.output_dim, seed=seed, trees=self.trees, lr=self.lr, leaves=self.leaves
        )
        self.model.fit(self._features(train.groups), task.targets(train), self._features(val.groups), task.targets(val))

    def _features(self, groups: list[Networks]) -> np.ndarray:
        """`[N, columns]` of the networks of every group."""
        groups = [networks for networks in groups if len(networks)]
        if not groups:
            return np.empty((0, self.columns))
        blocks = [
            statistics(require_finite(networks, self.name)).double().numpy()[:, : self.columns] for networks in groups
        ]
        return np.concatenate(
            [np.pad(block, ((0, 0), (0, self.columns - block.shape[1])), constant_values=np.nan) for block in blocks]
        )

    def predict(self, networks: Networks) -> Tensor:
        """Values `[B, 1]`, or log-probabilities `[B, output_dim]`."""
        return self.model.predict(self._features([networks]))
