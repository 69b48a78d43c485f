"""Normalisation with one mean and one deviation per weight and bias tensor: the order of the neurons does not enter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...zoo.networks.networks import Networks
from ..contract.network_checks import require_architecture


class TensorNormalisation(nn.Module):
    """Shifts and scales every tensor of the networks to mean 0 and deviation 1 over the training set.

    Arguments:
        networks: the training networks.
    """

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.arch = networks.arch
        mean, scale = torch.zeros(networks.arch.num_params), torch.ones(networks.arch.num_params)
        for tensor in networks.arch.tensors:
            values = networks.params[:, tensor.start : tensor.stop]
            mean[tensor.start : tensor.stop] = values.mean()
            scale[tensor.start : tensor.stop] = values.std() + 1e-8
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, networks: Networks) -> Networks:
        """The networks, shifted and scaled. Raises BadInput for another architecture."""
        require_architecture(networks, self.arch)
        return Networks(networks.arch, (networks.params - self.mean) / self.scale)
