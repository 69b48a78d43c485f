"""Normalisation by one mean and one deviation for all networks, nodes and channels of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EPSILON = 1e-5  # added to the deviation
MOMENTUM = 0.1  # of the running statistics, as in torch's BatchNorm


class JointNorm(nn.Module):
    """All features of a batch to mean 0 and deviation 1, then scaled and shifted, each channel by its own numbers.

    What networks, levels and channels differ by stays. Outside training the running mean and deviation take the place
    of the batch's, so that no network's answer depends on the others.

    Arguments:
        channels: of the features' last axis.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Tensors `[..., channels]`, normalised together."""
        mean, deviation = self.mean, self.deviation
        if self.training:
            deviation, mean = torch.std_mean(torch.cat([x.flatten() for x in features]).to(self.mean), correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, MOMENTUM)
                self.deviation.lerp_(deviation, MOMENTUM)
        scale = self.weight / (deviation + EPSILON)
        shift = self.bias - mean * scale
        return [torch.addcmul(shift, x, scale) for x in features]
