"""Matching neurons: features of every hidden neuron, and the linear assignment solver."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ...zoo.networks.networks import Networks
from ...zoo.networks.symmetry import NeuronGroup


def linear_assignment(similarity: Tensor) -> Tensor:
    """The matching of largest total similarity, `[B, n]`: for each row of `[B, n, n]` its column."""
    found = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in similarity.double().cpu().numpy()]
    return torch.from_numpy(np.stack(found)) if found else torch.empty(similarity.shape[:2], dtype=torch.long)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances `[B, n, n]` of neurons' features `[B, n, d]`."""
    return torch.cdist(a.double(), b.double()).square()


def incoming_weights(networks: Networks, group: NeuronGroup) -> Tensor:
    """The weights and biases that make a group's neurons, `[B, n, d]`."""
    parts = []
    for layer in group.producers:
        parts.append(networks.weights[layer].flatten(2))
        bias = networks.biases[layer]
        parts += [] if bias is None else [bias.unsqueeze(2)]
    return torch.cat(parts, 2)


def outgoing_weights(networks: Networks, group: NeuronGroup) -> Tensor:
    """The weights that read a group's neurons, `[B, n, d]`."""
    parts = []
    for layer, block in group.consumers:
        columns = networks.weights[layer].unflatten(2, (group.size, block)).movedim(2, 1)
        parts.append(columns.flatten(2))
    return torch.cat(parts, 2)
