"""Weight statistics: seven numbers per weight and bias tensor (Unterthiner et al. 2020, arXiv:2002.11448)."""

from __future__ import annotations

import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from ..methods.base import Method, TaskView
from ..zoo.collection import Split
from ..zoo.networks import Networks

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

    Fields:
        trees, lr, leaves: of scikit-learn's HistGradientBoostingClassifier; training stops early on val.
    """

    name = "weight-stats"
    tasks = ("inr-classification",)
    paper = "arXiv:2002.11448"

    trees: int = 200
    lr: float = 0.1
    leaves: int = 15

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        self.model = HistGradientBoostingClassifier(
            max_iter=self.trees,
            learning_rate=self.lr,
            max_leaf_nodes=self.leaves,
            early_stopping=True,
            random_state=seed,
        )
        self.output_dim = task.output_dim
        # Whole images would leak into the booster's own random split, so it is given val instead.
        self.model.fit(
            statistics(train.networks).numpy(),
            task.targets(train).numpy(),
            X_val=statistics(val.networks).numpy(),
            y_val=task.targets(val).numpy(),
        )

    def predict(self, networks: Networks) -> Tensor:
        probabilities = torch.from_numpy(self.model.predict_proba(statistics(networks).numpy()))
        logits = torch.full((len(networks), self.output_dim), -30.0)
        logits[:, torch.from_numpy(self.model.classes_)] = probabilities.clamp(min=1e-12).log().float()
        return logits
