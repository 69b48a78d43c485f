"""Random Fourier features, as embedding of weights and biases."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FourierFeatures(nn.Module):
    """Random Fourier features (Tancik et al. 2020): [cos, sin](2 pi F x), F ~ N(0, sigma^2); without any, x itself."""

    def __init__(self, inputs: int, features: int, sigma: float) -> None:
        super().__init__()
        self.size = features or inputs
        self.frequencies: Tensor | None
        self.register_buffer(
            "frequencies", 2 * math.pi * sigma * torch.randn(inputs, features // 2) if features else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.frequencies is None:
            return x
        phase = x @ self.frequencies
        return torch.cat([phase.cos(), phase.sin()], -1)
