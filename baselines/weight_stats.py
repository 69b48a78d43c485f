"""Weight statistics: seven numbers per weight and bias tensor (Unterthiner et al. 2020, arXiv:2002.11448)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..zoo.networks import Networks
from .summary import SummaryMethod, boosted_trees

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


class WeightStats(SummaryMethod):
    """Gradient-boosted trees on the statistics.

    Fields:
        trees, lr, leaves: of scikit-learn's HistGradientBoosting; training stops early on val.
    """

    name = "weight-stats"
    paper = "arXiv:2002.11448"

    trees: int = 200
    lr: float = 0.1
    leaves: int = 15

    def summary(self, networks: Networks) -> Tensor:
        return statistics(networks)

    def learn(self, x: np.ndarray, y: np.ndarray, val: tuple[np.ndarray, np.ndarray], seed: int) -> Any:
        return boosted_trees(x, y, val, seed, trees=self.trees, lr=self.lr, leaves=self.leaves)
