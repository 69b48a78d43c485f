"""Weight statistics: seven numbers per weight and bias tensor (Unterthiner et al. 2020, arXiv:2002.11448)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from ..methods.contract.linear_readout import class_logits
from ..methods.contract.method import Method
from ..methods.contract.network_checks import require_finite
from ..methods.contract.parameter_ranges import PositiveFinite
from ..methods.contract.task_view import TaskView
from ..zoo.networks.networks import Networks
from ..zoo.storage.zoo import Split

QUANTILES = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])


def statistics(networks: Networks) -> Tensor:
    """Mean, variance and five quantiles of every tensor, `[B, 7 * tensors]`; blind to the order of the neurons."""
    columns = []
    for tensor in networks.arch.tensors:
        # Sorted first: sums then come in one order, and permuted networks give the same bits.
        values = networks.params[:, tensor.start : tensor.stop].sort(1).values
        moments = torch.stack([values.mean(1), values.var(1, correction=0)])
        columns.append(torch.cat([moments, values.quantile(QUANTILES.to(values), dim=1)]).T)
    return torch.cat(columns, 1)


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
        self.columns = 7 * max(len(networks.arch.tensors) for networks in train.groups if len(networks))
        self.output, self.output_dim = task.output, task.output_dim
        booster = HistGradientBoostingRegressor if task.output == "values" else HistGradientBoostingClassifier
        self.model = booster(
            max_iter=self.trees,
            learning_rate=self.lr,
            max_leaf_nodes=self.leaves,
            early_stopping=True,
            random_state=seed,
        )
        # Whole images and runs would leak into the booster's own random split, so it is given val instead.
        self.model.fit(
            self._features(train.groups),
            task.targets(train).flatten().numpy(),
            X_val=self._features(val.groups),
            y_val=task.targets(val).flatten().numpy(),
        )

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
        features = self._features([networks])
        if not len(features):
            return torch.empty(0, self.output_dim)
        if self.output == "values":
            return torch.from_numpy(self.model.predict(features)).float().unsqueeze(1)
        return class_logits(self.model, features, self.output_dim)
