"""Gradient-boosted trees on features: values or classes, early stopping on validation networks."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from ..contract.linear_readout import class_logits


class BoostedTrees:
    """scikit-learn's HistGradientBoosting.

    Arguments:
        output: "values" or "logits".
        output_dim: the number of classes, for logits.
        seed: of what is drawn.
        trees, lr, leaves: how many at most, the share of each that is added, and how large.
        share: of the features that each split may choose from, drawn anew for every split.
        members: fits that are averaged, the seeds from `seed` on.
        patience: trees without a smaller validation loss before a fit stops.
    """

    def __init__(
        self,
        output: str,
        output_dim: int,
        *,
        seed: int,
        trees: int,
        lr: float,
        leaves: int,
        share: float = 1.0,
        members: int = 1,
        patience: int = 10,
    ) -> None:
        self.output, self.output_dim = output, output_dim
        booster = HistGradientBoostingRegressor if output == "values" else HistGradientBoostingClassifier
        self.models = [
            booster(
                max_iter=trees,
                learning_rate=lr,
                max_leaf_nodes=leaves,
                max_features=share,
                early_stopping=True,
                n_iter_no_change=patience,
                random_state=seed + member,
            )
            for member in range(members)
        ]

    def fit(self, features: np.ndarray, targets: Tensor, val_features: np.ndarray, val_targets: Tensor) -> None:
        """features `[N, d]`, NaN where one is missing; targets `[N, 1]` for values, class numbers `[N]` for logits."""
        # Whole images and runs would leak into the booster's own random split, so it is given val instead.
        for model in self.models:
            model.fit(features, targets.flatten().numpy(), X_val=val_features, y_val=val_targets.flatten().numpy())

    def predict(self, features: np.ndarray) -> Tensor:
        """Values `[N, 1]` or log-probabilities `[N, output_dim]`, means over the members."""
        if not len(features):
            return torch.empty(0, 1 if self.output == "values" else self.output_dim)
        if self.output == "values":
            return torch.from_numpy(np.mean([m.predict(features) for m in self.models], 0)).float().unsqueeze(1)
        return torch.stack([class_logits(model, features, self.output_dim) for model in self.models]).mean(0)
