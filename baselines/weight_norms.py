"""Weight norms: one number per weight and bias tensor, the floor that any learned representation has to clear."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..zoo.networks import Networks
from .summary import SummaryMethod, linear_model


class WeightNorms(SummaryMethod):
    """Frobenius norms of all tensors into ridge regression, or logistic regression for classes.

    Fields:
        alpha: L2 penalty on the standardised features' coefficients.
    """

    name = "weight-norms"

    alpha: float = 1.0

    def summary(self, networks: Networks) -> Tensor:
        """`[B, tensors]`."""
        tensors = networks.arch.tensors
        # Sorted, so that the order of the neurons cannot show in the last bits.
        squares = [networks.params[:, t.start : t.stop].double().square().sort(1).values.sum(1) for t in tensors]
        return torch.stack(squares, 1).sqrt()

    def learn(self, x: np.ndarray, y: np.ndarray, val: tuple[np.ndarray, np.ndarray], seed: int) -> Any:
        return linear_model(x, y, self.alpha)
