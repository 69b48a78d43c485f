"""What graph methods see of networks: of large ones the strongest neurons of each level, so that memory is bounded.

A network of more than `MAX_EDGES` edges is read by the subgraph of the neurons with the largest weights: of every level
as many as keep the edges below, the same of all levels that are tied, and all inputs, outputs and neurons of attention.
Which neurons these are, no order of the neurons changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.graph import edge_values, feature_values
from ...zoo.networks.networks import Networks
from ...zoo.networks.neuron_graph import NodeFeatures, WeightEdges
from .neural_graph import EdgeBlock, GraphLayout, layout_of

MAX_EDGES = 50_000  # of one network: a training step of NG-GNN then takes a third of a GiB beside torch's own memory


@dataclass(frozen=True)
class GraphView:
    """Networks of one architecture as a graph.

    Arguments:
        layout: of the neurons that are seen.
        chosen: which of a level's neurons these are, `[B, n]`; None for all.
    """

    networks: Networks
    layout: GraphLayout
    chosen: tuple[Tensor | None, ...]

    def edges(self, block: EdgeBlock) -> Tensor | None:
        """Weights `[B, out, in, k]` of a block; None for ties."""
        edges = self.layout.edges[block.number]
        if not isinstance(edges, WeightEdges):
            return None
        values = edge_values(self.networks.arch, self.networks.params, edges)
        rows, columns = self.chosen[block.target], self.chosen[block.source]
        if rows is not None:
            values = values.take_along_dim(rows[:, :, None, None], 1)
        if columns is not None:
            values = values.take_along_dim(columns[:, None, :, None], 2)
        return values

    def features(self, level: int, features: NodeFeatures) -> Tensor:
        """What belongs to a level's neurons, `[B, n, k]`."""
        return self.of_level(level, feature_values(self.networks.arch, self.networks.params, features))

    def of_level(self, level: int, nodes: Tensor) -> Tensor:
        """Those of a level's neurons `[B, all, d]` that are seen, `[B, n, d]`."""
        chosen = self.chosen[level]
        return nodes if chosen is None else nodes.take_along_dim(chosen.unsqueeze(2), 1)


def graph_view(networks: Networks) -> GraphView:
    """What is seen of networks of one architecture."""
    layout = layout_of(networks.arch)
    seen = seen_layout(networks.arch)
    if seen is layout:
        return GraphView(networks, layout, (None,) * len(layout.levels))
    strengths = [networks.params.new_zeros(len(networks), n) for n in layout.widths]
    whole = GraphView(networks, layout, (None,) * len(layout.levels))
    with torch.no_grad():
        for block in layout.blocks:
            if (values := whole.edges(block)) is not None:
                squares = values.square().sum(3)
                strengths[block.target] += squares.sum(2)
                strengths[block.source] += squares.sum(1)
        chosen: list[Tensor | None] = [None] * len(layout.levels)
        for levels in _tied_levels(layout):
            count = seen.levels[levels[0]].neurons
            if count < layout.levels[levels[0]].neurons:
                strongest = torch.stack([strengths[level] for level in levels]).sum(0).topk(count).indices
                for level in levels:
                    chosen[level] = strongest
    return GraphView(networks, seen, tuple(chosen))


@cache
def seen_layout(arch: Architecture) -> GraphLayout:
    """The layout of the neurons that are seen: all of a network of at most `MAX_EDGES` edges."""
    layout = layout_of(arch)
    cut = {level for levels in _tied_levels(layout) for level in levels}

    def at_most(limit: int) -> list[int]:
        return [min(n, limit) if level in cut else n for level, n in enumerate(layout.widths)]

    def edges(widths: list[int]) -> int:
        ends = [(block.dense, widths[block.source], widths[block.target]) for block in layout.blocks]
        return sum(source * target if dense else max(source, target) for dense, source, target in ends)

    limit, above = 1, max(layout.widths) + 1
    while above - limit > 1:
        middle = (limit + above) // 2
        limit, above = (middle, above) if edges(at_most(middle)) <= MAX_EDGES else (limit, middle)
    if limit >= max(layout.widths):
        return layout
    levels = tuple(level._replace(neurons=n) for level, n in zip(layout.levels, at_most(limit), strict=True))
    return replace(layout, levels=levels)


def _tied_levels(layout: GraphLayout) -> list[tuple[int, ...]]:
    """Hidden levels, together where their neurons are tied one by one, of which some neurons may be left out."""
    member = list(range(len(layout.levels)))  # of each level the first of its class
    whole = {level for level, role in enumerate(layout.roles) if role.kind != "hidden"}
    for block in (block for block in layout.blocks if not block.dense):
        source, target = block.source, block.target
        if layout.widths[source] != layout.widths[target]:
            whole |= {source, target}
        first, other = sorted((member[source], member[target]))
        member = [first if one == other else one for one in member]
    fixed = {member[level] for level in whole}
    return [tuple(level for level, one in enumerate(member) if one == first) for first in sorted(set(member) - fixed)]
