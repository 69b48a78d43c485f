"""Networks as graphs of torch_geometric: neurons (or channels) are nodes, weights (or kernels) are edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from .architecture import Architecture
from .neuron_graph import NeuronGraph, neuron_graph


def _edge_index(graph: NeuronGraph) -> tuple[Tensor, Tensor]:
    """Edge index `[2, E]` of all weights, then of all ties, and edge type `[E]`."""
    starts = [0, *torch.tensor(graph.widths).cumsum(0).tolist()]
    pieces: list[Tensor] = []
    for edges in graph.weights:
        target = torch.arange(edges.target.neurons) + starts[edges.target.level] + edges.target.start
        source = torch.arange(edges.source.neurons) + starts[edges.source.level] + edges.source.start
        pieces.append(torch.stack([source.repeat(len(target)), target.repeat_interleave(len(source))]))
    for tie in graph.ties:
        ends = [[starts[end.level] + end.start] for end in (tie.source, tie.target)]
        pieces.append(torch.arange(tie.target.neurons) + torch.tensor(ends))
    edge_index = torch.cat(pieces, 1)
    edge_type = torch.zeros(edge_index.shape[1], dtype=torch.long)
    edge_type[edge_index.shape[1] - sum(tie.target.neurons for tie in graph.ties) :] = 1
    return edge_index, edge_type


def edge_values(arch: Architecture, params: Tensor) -> list[Tensor]:
    """The weights of `params [B, P]` as features of edges, `[B, target * source, k]` for each of the graph's blocks.

    k counts kernel elements, and the places of a flattened feature map before them.
    """
    found = []
    for edges in neuron_graph(arch).weights:
        tensor = arch.tensors[edges.tensor]
        values = params[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
        values = values.movedim((edges.target_axis + 1, edges.source_axis + 1), (1, 2))
        values = values[:, slice(*edges.rows), slice(*edges.columns)]
        found.append(values.reshape(len(params), edges.target.neurons * edges.source.neurons, -1))
    return found


def node_values(arch: Architecture, params: Tensor) -> Tensor:
    """Features of nodes `[B, nodes, 1 + k]`, padded with zeros: first a layer's bias, then what else a level has.

    Those are, in the order of the tensors, weights, biases and running statistics of normalisations, position
    embeddings and class tokens, and the kernels of depthwise convolutions.
    """
    graph, batch = neuron_graph(arch), len(params)
    made_by = {edges.target.level: arch.tensors[edges.tensor].operation for edges in reversed(graph.weights)}
    first = [params.new_zeros(batch, width) for width in graph.widths]
    more: list[list[Tensor]] = [[] for _ in graph.widths]
    for features in graph.features:
        tensor = arch.tensors[features.tensor]
        level, start, count = features.nodes[:3]
        values = params[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
        values = values.movedim(features.axis + 1, 1)[:, slice(*features.rows)].reshape(batch, count, -1)
        if tensor.kind == "bias" and made_by.get(level) == tensor.operation:
            first[level] = values[:, :, 0]
        else:
            whole = values.new_zeros(batch, graph.widths[level], values.shape[2])
            whole[:, start : start + count] = values
            more[level].append(whole)
    longest = max(sum(values.shape[2] for values in others) for others in more)
    rows = []
    for bias, others in zip(first, more, strict=True):
        own = torch.cat([bias.unsqueeze(2), *others], 2)
        rows.append(torch.nn.functional.pad(own, (0, 1 + longest - own.shape[2])))
    return torch.cat(rows, 1)


def to_pyg(arch: Architecture, params: Tensor) -> list[Data]:
    """One directed graph for each network of `params [B, P]`.

    `x [nodes, 1 + k]` is the bias (0 for inputs and layers without bias) and what else is known of a neuron, see
    `node_values`; `edge_attr [edges, K]` the weight, kernels and flattened feature maps zero-padded to the longest;
    `edge_type` 0 for weights and 1 for ties such as residual edges (whose attribute is 1 followed by zeros);
    `layer [nodes]` the level of each node, 0 for the inputs.
    """
    graph, batch = neuron_graph(arch), len(params)
    edge_index, edge_type = _edge_index(graph)
    params = params.detach().cpu()
    attributes = edge_values(arch, params)
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
