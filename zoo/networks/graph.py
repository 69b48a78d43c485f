"""Networks as graphs of neurons: the values of their edges and nodes, and torch_geometric's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .architecture import Architecture, ParamTensor
from .neuron_graph import NeuronGraph, NodeFeatures, WeightEdges, neuron_graph

if TYPE_CHECKING:
    from torch_geometric.data import Data


def edge_values(arch: Architecture, params: Tensor, edges: WeightEdges) -> Tensor:
    """Weights `[B, target, source, k]` of networks `params [B, P]`.

    k counts kernel elements, and the places of a flattened feature map before them.
    """
    values = _values(params, arch.tensors[edges.tensor])
    values = values.movedim((edges.target_axis + 1, edges.source_axis + 1), (1, 2))
    values = values[:, slice(*edges.rows), slice(*edges.columns)]
    return values.reshape(len(params), edges.target.neurons, edges.source.neurons, edges.length(arch))


def feature_values(arch: Architecture, params: Tensor, features: NodeFeatures) -> Tensor:
    """What belongs to nodes, `[B, nodes, k]`, of networks `params [B, P]`."""
    values = _values(params, arch.tensors[features.tensor]).movedim(features.axis + 1, 1)
    return values[:, slice(*features.rows)].reshape(len(params), features.nodes.neurons, features.length(arch))


def _values(params: Tensor, tensor: ParamTensor) -> Tensor:
    found: Tensor = params[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
    return found


def _edge_index(graph: NeuronGraph) -> tuple[Tensor, Tensor]:
    """Edge index `[2, E]` of all weights, then of all ties, and edge type `[E]`."""
    starts = [0, *torch.tensor(graph.widths).cumsum(0).tolist()]
    pieces: list[Tensor] = []
    for edges in graph.weights:
        target = torch.arange(edges.target.neurons) + starts[edges.target.level] + edges.target.start
        source = torch.arange(edges.source.neurons) + starts[edges.source.level] + edges.source.start
        pieces.append(torch.stack([source.repeat(len(target)), target.repeat_interleave(len(source))]))
    weights = sum(piece.shape[1] for piece in pieces)
    for tie in graph.ties:
        count = max(tie.source.neurons, tie.target.neurons)
        ends = [
            starts[end.level] + end.start + torch.arange(count) // (count // end.neurons)
            for end in (tie.source, tie.target)
        ]
        pieces.append(torch.stack(ends))
    edge_index = torch.cat(pieces, 1)
    edge_type = torch.zeros(edge_index.shape[1], dtype=torch.long)
    edge_type[weights:] = 1
    return edge_index, edge_type


def node_values(arch: Architecture, params: Tensor) -> Tensor:
    """Features of nodes `[B, nodes, 1 + k]`, padded with zeros: first a layer's bias, then what else a level has.

    Those are, in the order of the tensors, weights, biases and running statistics of normalisations, position
    embeddings and class tokens, and the kernels of depthwise convolutions.
    """
    graph, batch = neuron_graph(arch), len(params)
    first = [params.new_zeros(batch, width, 1) for width in graph.widths]
    more: list[list[Tensor]] = [[] for _ in graph.widths]
    for features in graph.features:
        level, start, count = features.nodes[:3]
        values = feature_values(arch, params, features)
        if features.kind == "bias":
            first[level] = values
        else:
            whole = values.new_zeros(batch, graph.widths[level], values.shape[2])
            whole[:, start : start + count] = values
            more[level].append(whole)
    longest = max(sum(values.shape[2] for values in others) for others in more)
    rows = []
    for bias, others in zip(first, more, strict=True):
        own = torch.cat([bias, *others], 2)
        rows.append(torch.nn.functional.pad(own, (0, 1 + longest - own.shape[2])))
    return torch.cat(rows, 1)


def to_pyg(arch: Architecture, params: Tensor) -> list[Data]:
    """One directed graph for each network of `params [B, P]`.

    `x [nodes, 1 + k]` is the bias (0 for inputs and layers without bias) and what else is known of a neuron, see
    `node_values`; `edge_attr [edges, K]` the weight, kernels and flattened feature maps zero-padded to the longest;
    `edge_type` 0 for weights and 1 for ties such as residual edges (whose attribute is 1 followed by zeros);
    `layer [nodes]` the level of each node, 0 for the inputs.
    """
    from torch_geometric.data import Data  # takes a second to import

    graph, batch = neuron_graph(arch), len(params)
    edge_index, edge_type = _edge_index(graph)
    params = params.detach().cpu()
    attributes = [edge_values(arch, params, edges).flatten(1, 2) for edges in graph.weights]
    width = max(attribute.shape[2] for attribute in attributes)
    padded = [torch.nn.functional.pad(attribute, (0, width - attribute.shape[2])) for attribute in attributes]
    marks = torch.zeros(batch, int((edge_type == 1).sum()), width)
    marks[:, :, 0] = 1
    edge_attr = torch.cat([*padded, marks], 1)
    x = node_values(arch, params)
    layer = torch.repeat_interleave(torch.arange(len(graph.widths)), torch.tensor(graph.widths))
    return [
        Data(x=x[i], edge_index=edge_index, edge_attr=edge_attr[i], edge_type=edge_type, layer=layer)
        for i in range(batch)
    ]
