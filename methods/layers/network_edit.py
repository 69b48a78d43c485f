"""Editing networks: a proposed change of every parameter, times a learned step size per tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks


class NetworkEdit(nn.Module):
    """theta' = theta + gamma_t * change: one learned gamma per tensor t, at first 0.01 (Zhou et al. 2023)."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((len(arch.tensors),), 0.01))
        sizes = torch.tensor([tensor.stop - tensor.start for tensor in arch.tensors])
        self.tensor_of: Tensor
        self.register_buffer("tensor_of", torch.arange(len(sizes)).repeat_interleave(sizes))

    def forward(self, networks: Networks, change: Tensor) -> Networks:
        """Networks with `change [B, P]` applied."""
        return Networks(networks.arch, networks.params + self.gamma[self.tensor_of] * change)
