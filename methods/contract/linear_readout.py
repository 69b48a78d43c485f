"""Linear models on features: ridge regression for values, logistic regression for classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

PENALTIES = np.logspace(-4, 4, 17)


class LinearReadout:
    """scikit-learn's linear model on standardised features.

    Arguments:
        output: "values" or "logits".
        output_dim: the number of classes, for logits.
        alpha: weight of the L2 penalty; 0 for none. None, for values: the one of `PENALTIES` with the least
            leave-one-out error (Allen 1974, Golub et al. 1979), and no value outside the training targets' range
            widened by itself on either side, so that features never seen in training cannot make it explode. Classes
            need some penalty: scikit-learn's C is 1 / alpha, and 1 for None and 0.
    """

    def __init__(self, output: str, output_dim: int, alpha: float | None = None) -> None:
        self.output, self.output_dim = output, output_dim
        self.bounded = alpha is None
        if output == "logits":
            model = LogisticRegression(C=1 / (alpha or 1.0), max_iter=5000)
        elif alpha is None:
            model = RidgeCV(PENALTIES)
        else:
            model = Ridge(alpha) if alpha else LinearRegression()
        self.model: Pipeline = make_pipeline(StandardScaler(), model)

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """features `[N, d]`; targets `[N, 1]` for values, class numbers `[N]` for logits."""
        self.model.fit(features.double().numpy(), targets.flatten().numpy())
        low, high = targets.min().item(), targets.max().item()
        self.range = (2 * low - high, 2 * high - low)

    def predict(self, features: Tensor) -> Tensor:
        """Values `[N, 1]` or logits `[N, output_dim]`."""
        if not len(features):
            return torch.empty(0, 1 if self.output == "values" else self.output_dim)
        if self.output == "values":
            values = self.model.predict(features.double().numpy())
            values = np.clip(values, *self.range) if self.bounded else values
            return torch.from_numpy(np.asarray(values)).float().unsqueeze(1)
        return class_logits(self.model, features.double().numpy(), self.output_dim)


def class_logits(model: Any, features: np.ndarray, output_dim: int) -> Tensor:
    """Log-probabilities `[N, output_dim]` of a fitted scikit-learn classifier; -30 for classes that it never saw."""
    probabilities = torch.from_numpy(model.predict_proba(features))
    logits = torch.full((len(features), output_dim), -30.0)
    logits[:, torch.from_numpy(model.classes_)] = probabilities.clamp(min=1e-12).log().float()
    return logits
