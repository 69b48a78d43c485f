"""Pairs of networks whose neurons are to be matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..zoo import symmetry
from ..zoo.architecture import Architecture
from ..zoo.networks import Networks
from .scoring import drawn_order


def neurons(arch: Architecture) -> list[int]:
    """Sizes of the groups of hidden neurons that can be moved."""
    return [group.size for group in symmetry.neuron_groups(arch, "permutation")]


@dataclass(frozen=True, eq=False)
class Pairs:
    """B pairs of networks of one architecture."""

    a: Networks
    b: Networks

    @property
    def arch(self) -> Architecture:
        return self.a.arch

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: slice | Tensor) -> Pairs:
        return Pairs(self.a[index], self.b[index])


def copies(networks: Networks, ids: list[str], noise: float) -> Pairs:
    """Each network and its copy in the order of `drawn_order`, with Gaussian noise.

    Arguments:
        noise: its standard deviation, in those of each tensor.
    """
    orders = np.stack([drawn_order(name, neurons(networks.arch)) for name in ids])
    params = networks.permuted(list(torch.from_numpy(orders).split(neurons(networks.arch), 1))).params
    generator = torch.Generator().manual_seed(0)
    for tensor in networks.arch.tensors:
        part = params[:, tensor.start : tensor.stop]  # a view
        part += noise * part.std(1, correction=0, keepdim=True) * torch.randn(part.shape, generator=generator)
    return Pairs(networks, Networks(networks.arch, params))
