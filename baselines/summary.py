"""What the baselines share that look at a fixed summary of the weights: a scikit-learn model on top."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ..methods.base import Method, TaskView
from ..methods.inputs import finite, one_architecture, require
from ..zoo.collection import Split
from ..zoo.networks import Networks


class SummaryMethod(Method):
    """Write `summary` and `learn`; classes or values are told apart here."""

    tasks = ("inr-classification",)

    def summary(self, networks: Networks) -> Tensor:
        """`[B, features]`, the same number for every network of an architecture."""
        raise TypeError(f"{type(self).__name__} has no summary method: write one")

    def learn(self, x: np.ndarray, y: np.ndarray, val: tuple[np.ndarray, np.ndarray], seed: int) -> Any:
        """A fitted scikit-learn model; y holds classes where they are integers, else values."""
        raise TypeError(f"{type(self).__name__} has no learn method: write one")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        self.arch = one_architecture(task, self.name).arch
        self.classify, self.output_dim = task.output == "logits", task.output_dim
        x, x_val = self._features(train.networks), self._features(val.networks)
        # Classes are one column; values one each, with a model of its own.
        y, y_val = (task.targets(split).reshape(len(split), -1).numpy() for split in (train, val))
        self.models = [
            self.learn(x, column, (x_val, column_val), seed) for column, column_val in zip(y.T, y_val.T, strict=True)
        ]

    def predict(self, networks: Networks) -> Tensor:
        output = torch.full((len(networks), self.output_dim), -30.0 if self.classify else 0.0)
        if not len(networks):
            return output
        x = self._features(networks)
        if self.classify:
            (model,) = self.models
            probabilities = torch.from_numpy(model.predict_proba(x)).clamp(min=1e-12)
            output[:, torch.from_numpy(model.classes_)] = probabilities.log().float()
        else:
            output = torch.from_numpy(np.stack([model.predict(x) for model in self.models], 1)).float()
        return output

    def _features(self, networks: Networks) -> np.ndarray:
        require(networks, self.arch, self.name)
        return self.summary(finite(networks, self.name)).cpu().double().numpy()


def linear_model(x: np.ndarray, y: np.ndarray, alpha: float) -> Any:
    """Ridge regression, or logistic regression for classes, on standardised features; alpha is the L2 penalty."""
    classes = y.dtype.kind == "i"
    model = LogisticRegression(C=1 / alpha, max_iter=10_000) if classes else Ridge(alpha)
    return make_pipeline(StandardScaler(), model).fit(x, y)


def boosted_trees(
    x: np.ndarray, y: np.ndarray, val: tuple[np.ndarray, np.ndarray], seed: int, *, trees: int, lr: float, leaves: int
) -> Any:
    """Gradient-boosted trees, stopped early on val: a random part of train would share images with the rest."""
    kind = HistGradientBoostingClassifier if y.dtype.kind == "i" else HistGradientBoostingRegressor
    model = kind(max_iter=trees, learning_rate=lr, max_leaf_nodes=leaves, early_stopping=True, random_state=seed)
    return model.fit(x, y, X_val=val[0], y_val=val[1])
