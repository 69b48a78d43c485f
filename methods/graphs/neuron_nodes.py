"""Which nodes of the neural graph the neurons are that may change places."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.neuron_graph import WeightEdges
from ...zoo.networks.symmetry import NeuronGroup, neuron_groups
from .neural_graph import layout_of


@cache
def group_nodes(arch: Architecture) -> list[Tensor]:
    """For each of `neuron_groups(arch)` its nodes, `[size, nodes of one neuron, head or group]`."""
    return [_nodes(arch, group) for group in neuron_groups(arch)]


def _nodes(arch: Architecture, group: NeuronGroup) -> Tensor:
    """The nodes that the rows of the first tensor that is written to the group are edges of."""
    layout = layout_of(arch)
    edges = [(block, layout.edges[block.number]) for block in layout.blocks]
    for place in group.places:
        rows = {
            row: layout.nodes(block.target).start + number
            for block, found in edges
            if isinstance(found, WeightEdges) and (found.tensor, found.target_axis) == (place.tensor, place.axis)
            for number, row in enumerate(range(*found.rows))
        }
        if rows:
            return torch.tensor([[rows[int(row)] for row in rows_of_one] for rows_of_one in place.positions])
    raise AssertionError("a group of hidden neurons is written by a tensor")
