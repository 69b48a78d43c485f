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
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from ..zoo.networks.operations.joining import Add
from ..zoo.networks.operations.layers import Conv2d, Linear
from ..zoo.networks.symmetry import neuron_groups

BATCH_SIZE = 256  # networks measured at once
SMALLEST_STRENGTH = 1e-3  # strengths below count as this one
ROUNDING = 1e-12  # of a mean square: a smaller variance is none


def strengths(networks: Networks) -> list[Tensor]:
    """Per layer `[B, out, in]`, relative to the layer's mean; a flattened channel's columns are one edge."""
    found, width = [], networks.arch.input_shape[0]
    for weight in networks.weights:
        matrix = weight.flatten(2).unflatten(2, (width, -1)).norm(dim=3)
        found.append(matrix / matrix.mean((1, 2), keepdim=True).clamp(min=1e-12))
        width = weight.shape[1]
    return found


def moments(values: Tensor) -> list[Tensor]:
    """Mean, deviation and largest of `[B, n]`, each `[B]`."""
    return [values.mean(1), values.std(1, correction=0), values.amax(1)]


def overlap(matrix: Tensor) -> Tensor:
    """Mean over pairs of rows of sum(min) / sum(max), `[B]`: the weighted two-mode clustering coefficient."""
    first, second = matrix.unsqueeze(1), matrix.unsqueeze(2)
    shared = torch.minimum(first, second).sum(3) / torch.maximum(first, second).sum(3).clamp(min=1e-12)
    n = matrix.shape[1]
    return (shared.sum((1, 2)) - n) / max(n * (n - 1), 1)


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
    """Length of the shortest path from every input to every output, `[B, inputs * outputs]`."""
    inputs = networks.arch.input_shape[0]
    start = torch.full((inputs, inputs), torch.inf).fill_diagonal_(0).to(matrices[0])
    distance = start.expand(len(networks), -1, -1)  # [B, input, neuron]
    before, layer = distance, 0
    outputs: list[Tensor] = []
    for operation, sources in zip(networks.arch.operations, networks.arch.sources, strict=True):
        if isinstance(operation, Linear | Conv2d):
            length = 1 / matrices[layer].clamp(min=SMALLEST_STRENGTH)
            distance = torch.stack([(distance + row.unsqueeze(1)).amin(2) for row in length.unbind(1)], 2)
            layer += 1
        elif isinstance(operation, Add):
            distance = torch.minimum(distance, before if sources[1] < 0 else outputs[sources[1]])
        outputs.append(distance)
    return distance.flatten(1)


def metrics(networks: Networks) -> Tensor:
    """`[B, 15 * layers + 3]`: strengths and concentration on both sides, overlap, assortativity; path lengths."""
    matrices = strengths(networks)
    columns: list[Tensor] = []
    for matrix in matrices:
        for side in (matrix, matrix.mT):
            strength = side.sum(2)
            # How unequally a neuron's strength is spread over its edges (Barthelemy et al. 2005).
            disparity = (side / strength.unsqueeze(2).clamp(min=1e-12)).square().sum(2)
            columns += [*moments(strength / side.shape[2]), *moments(disparity * side.shape[2]), overlap(side)]
        columns.append(assortativity(matrix))
    columns += moments(path_lengths(networks, matrices))
    return torch.stack(columns, 1)


class GraphMetrics(FeatureMethod):
    """Degree, clustering, assortativity and path statistics of the weighted graph into ridge or logistic regression."""

    name = "graph-metrics"
    version = "2"  # 1 took rounding for the assortativity of a layer with one output
    tasks = (*FeatureMethod.tasks, "neuron-alignment")
    symmetries = ("permutation", "sign")

    def size(self, arch: Architecture) -> int:
        """15 metrics per layer, and three of the paths."""
        return 15 * len(arch.layers) + 3

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
        matrices, found = strengths(require_finite(networks, self.name)), []
        for group in neuron_groups(networks.arch):
            columns: list[Tensor] = []
            for side in (matrices[group.producers[0]], matrices[group.consumers[0][0]].mT):
                share = side / side.sum(2, keepdim=True).clamp(min=1e-12)
                columns += [side.mean(2), side.amax(2), share.square().sum(2) * side.shape[2]]
            found.append(torch.stack(columns, 2))
        return found
