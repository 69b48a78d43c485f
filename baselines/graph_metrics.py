"""Graph metrics: a network as a weighted graph, described by what network science measures of it.

Neurons (channels) are nodes, the absolute weight (the norm of a kernel) is an edge's strength. Feed-forward networks
are layered: without residual edges there are no triangles, and the usual clustering coefficient is zero. Theirs is that
of two-mode networks: how far the neighbourhoods of two neurons of a level overlap (Latapy et al. 2008). Lengths are
inverse strengths. The like served as the representation that StructureReps (2025) compares with.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods.contract.feature_method import FeatureMethod
from ..methods.contract.network_checks import require_finite
from ..methods.graphs.neural_graph import EdgeBlock, layout_of
from ..methods.graphs.neuron_nodes import group_nodes
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.graph import edge_values
from ..zoo.networks.networks import Networks
from ..zoo.networks.neuron_graph import WeightEdges

BATCH_SIZE = 256  # networks measured at once
MAX_NUMBERS = 2**25  # held at once where every two rows are compared
SMALLEST_STRENGTH = 1e-3  # strengths below count as this one
ROUNDING = 1e-12  # of a mean square: a smaller variance is none


def weight_blocks(arch: Architecture) -> list[tuple[EdgeBlock, WeightEdges]]:
    """The blocks of edges that tensors hold, in the order of the tensors."""
    layout = layout_of(arch)
    found = [(block, layout.edges[block.number]) for block in layout.blocks]
    return [(block, edges) for block, edges in found if isinstance(edges, WeightEdges)]


def strengths(networks: Networks) -> list[Tensor]:
    """Per block `[B, out, in]`, relative to the block's mean; a flattened channel's columns are one edge."""
    found = []
    for _, edges in weight_blocks(networks.arch):
        matrix = edge_values(networks.arch, networks.params, edges).norm(dim=3)
        found.append(matrix / matrix.mean((1, 2), keepdim=True).clamp(min=1e-12))
    return found


def moments(values: Tensor) -> list[Tensor]:
    """Mean, deviation and largest of `[B, n]`, each `[B]`."""
    return [values.mean(1), values.std(1, correction=0), values.amax(1)]


def overlap(matrix: Tensor) -> Tensor:
    """Mean over pairs of rows of sum(min) / sum(max), `[B]`: the weighted two-mode clustering coefficient."""
    first, parts = matrix.unsqueeze(1), []
    for rows in matrix.unsqueeze(2).split(max(1, MAX_NUMBERS // matrix.numel()), 1):
        parts.append(torch.minimum(first, rows).sum(3) / torch.maximum(first, rows).sum(3).clamp(min=1e-12))
    n = matrix.shape[1]
    return (torch.cat(parts, 1).sum((1, 2)) - n) / max(n * (n - 1), 1)


def assortativity(matrix: Tensor) -> Tensor:
    """Correlation of the strengths at both ends of an edge, weighted by strength, `[B]` (Yuan et al. 2021).

    0 where neurons of a side are equally strong, as of a layer with one output: there the correlation has no value.
    """
    rows, sums = matrix.sum(2, keepdim=True), matrix.sum(1, keepdim=True)
    ends = torch.stack([rows.expand_as(matrix).flatten(1), sums.expand_as(matrix).flatten(1)], 2)
    share = (matrix / matrix.sum((1, 2), keepdim=True).clamp(min=1e-12)).flatten(1).unsqueeze(2)
    centred = ends - (share * ends).sum(1, keepdim=True)
    covariance = (share * centred).mT @ centred
    variances = covariance.diagonal(dim1=1, dim2=2)
    known = (variances > ROUNDING * (share * ends.square()).sum(1)).all(1)
    return torch.where(known, covariance[:, 0, 1] / variances.prod(1).clamp(min=1e-24).sqrt(), 0.0)


def path_lengths(networks: Networks, matrices: list[Tensor]) -> Tensor:
    """Length of the shortest path from every input to every output that it reaches, `[B, paths]`; ties have none."""
    layout = layout_of(networks.arch)
    inputs = [level for level, role in enumerate(layout.roles) if role.kind == "input"]
    start = torch.full((layout.ends[0], layout.ends[0]), torch.inf).fill_diagonal_(0).to(matrices[0])
    starts = dict(zip(inputs, start.split([layout.widths[level] for level in inputs], 1), strict=True))
    nowhere = start[:, :1] + torch.inf
    distances = [  # per level `[B, input, neuron]`
        starts.get(level, nowhere.expand(-1, n)).expand(len(networks), -1, -1) for level, n in enumerate(layout.widths)
    ]
    lengths = [1 / matrix.clamp(min=SMALLEST_STRENGTH) for matrix in matrices]
    changed = True
    while changed:  # once if there are no ties, else until what ties let through has gone all the way
        before = list(distances)
        for block, length in zip(layout.blocks, lengths, strict=False):
            source = distances[block.source]
            found = torch.stack([(source + row.unsqueeze(1)).amin(2) for row in length.unbind(1)], 2)
            distances[block.target] = torch.minimum(distances[block.target], found)
        ties = layout.blocks[len(lengths) :]
        for block in ties:
            source, n = distances[block.source], layout.widths[block.target]
            if source.shape[2] > n:
                source = source.unflatten(2, (n, -1)).amin(3)
            source = source.repeat_interleave(n // source.shape[2], 2)
            distances[block.target] = torch.minimum(distances[block.target], source)
        changed = bool(ties) and any(not torch.equal(a, b) for a, b in zip(distances, before, strict=True))
    found = torch.cat([distances[level] for level in layout.outputs], 2).flatten(1)
    return found[:, found[0].isfinite()]


def block_metrics(matrix: Tensor) -> Tensor:
    """`[B, 15]`: strengths and concentration on both sides, overlap, assortativity."""
    columns: list[Tensor] = []
    for side in (matrix, matrix.mT):
        strength = side.sum(2)
        # How unequally a neuron's strength is spread over its edges (Barthelemy et al. 2005).
        disparity = (side / strength.unsqueeze(2).clamp(min=1e-12)).square().sum(2)
        columns += [*moments(strength / side.shape[2]), *moments(disparity * side.shape[2]), overlap(side)]
    return torch.stack([*columns, assortativity(matrix)], 1)


def metrics(networks: Networks) -> Tensor:
    """`[B, 15 * tensors + 3]`: of every tensor with edges, a mean over its blocks, and of the path lengths."""
    matrices = strengths(networks)
    by_tensor: dict[int, list[Tensor]] = {}
    for matrix, (_, edges) in zip(matrices, weight_blocks(networks.arch), strict=True):
        by_tensor.setdefault(edges.tensor, []).append(block_metrics(matrix))
    found = [torch.stack(blocks).mean(0) for blocks in by_tensor.values()]
    return torch.cat([*found, torch.stack(moments(path_lengths(networks, matrices)), 1)], 1)


class GraphMetrics(FeatureMethod):
    """Degree, clustering, assortativity and path statistics of the weighted graph into ridge or logistic regression."""

    name = "graph-metrics"
    any_operation = True
    version = "2"  # 1 took rounding for the assortativity of a layer with one output
    tasks = (*FeatureMethod.tasks, "neuron-alignment")
    symmetries = ("permutation", "sign")

    def size(self, arch: Architecture) -> int:
        """15 metrics per tensor with edges, and three of the paths."""
        return 15 * len({edges.tensor for _, edges in weight_blocks(arch)}) + 3

    def transform(self, networks: Networks) -> Tensor:
        """The metrics themselves, `[B, columns]`; those of paths come last."""
        # In double precision and rounded, so that the order of the neurons cannot show in the last bits.
        exact = Networks(require_finite(networks, self.name).arch, networks.params.double())
        if not len(exact):
            return torch.empty(0, self.columns)
        found = torch.cat(
            [metrics(exact[start : start + BATCH_SIZE]) for start in range(0, len(exact), BATCH_SIZE)]
        ).float()
        layers, paths = found[:, :-3], found[:, -3:]
        return torch.cat([torch.nn.functional.pad(layers, (0, self.columns - found.shape[1])), paths], 1)

    def node_embeddings(self, networks: Networks) -> list[Tensor]:
        """Strength, strongest edge and disparity of every neuron, of its incoming and of its outgoing edges."""
        layout, blocks = layout_of(require_finite(networks, self.name).arch), weight_blocks(networks.arch)
        matrices = strengths(networks)
        table = []
        for level, n in enumerate(layout.widths):
            incoming = [m for m, (block, _) in zip(matrices, blocks, strict=True) if block.target == level]
            outgoing = [m.mT for m, (block, _) in zip(matrices, blocks, strict=True) if block.source == level]
            columns: list[Tensor] = []
            for sides in (incoming, outgoing):
                side = torch.cat(sides, 2) if sides else networks.params.new_zeros(len(networks), n, 1)
                share = side / side.sum(2, keepdim=True).clamp(min=1e-12)
                columns += [side.mean(2), side.amax(2), share.square().sum(2) * side.shape[2]]
            table.append(torch.stack(columns, 2))
        nodes = torch.cat(table, 1)
        return [nodes[:, chosen].mean(2) for chosen in group_nodes(networks.arch)]
