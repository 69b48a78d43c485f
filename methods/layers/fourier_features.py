"""Random Fourier features, as embedding of weights and biases."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FourierFeatures(nn.Module):
    """Random Fourier features (Tancik et al. 2020): [cos, sin](2 pi F x), F ~ N(0, sigma^2).

    Arguments:
        inputs: numbers per element of x.
        features: how many, cosines and sines together; 0 gives x itself.
        sigma: deviation of the frequencies.
    """

    def __init__(self, inputs: int, features: int, sigma: float) -> None:
        super().__init__()
        self.size = features or inputs
        self.frequencies: Tensor | None
        self.register_buffer(
            "frequencies", 2 * math.pi * sigma * torch.randn(inputs, features // 2) if features else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[..., inputs]` to `[..., size]`."""
        if self.frequencies is None:
            return x
        phase = x @ self.frequencies
        return torch.cat([phase.cos(), phase.sin()], -1)
