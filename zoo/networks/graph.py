"""Networks as graphs: neurons (or channels) are nodes, weights (or kernels) are edges (Kofinas et al. 2024)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from .architecture import Add, Architecture, Conv2d, Linear
from .evaluation import split_params


def _edges(arch: Architecture) -> tuple[Tensor, list[int], Tensor]:
    """Edge index `[2, E]` of all weights then residual edges, first node of each level, and edge type `[E]`."""
    widths = [arch.input_shape[0], *(layer.weight_shape[0] for layer in arch.layers)]
    starts = [0, *torch.tensor(widths).cumsum(0).tolist()]
    pieces: list[Tensor] = []
    residual: list[Tensor] = []
    level = 0  # nodes of level 0 are the inputs, of level l + 1 the outputs of layer l
    levels: list[int] = []
    for operation in arch.operations:
        if isinstance(operation, Linear | Conv2d):
            target = torch.arange(widths[level + 1]).repeat_interleave(widths[level]) + starts[level + 1]
            source = torch.arange(widths[level]).repeat(widths[level + 1]) + starts[level]
            pieces.append(torch.stack([source, target]))
            level += 1
        elif isinstance(operation, Add):
            origin = 0 if operation.source < 0 else levels[operation.source]
            size = widths[level]
            residual.append(torch.arange(size) + torch.tensor([[starts[origin]], [starts[level]]]))
        levels.append(level)
    edge_type = torch.cat([torch.full((p.shape[1],), kind) for kind, ps in enumerate((pieces, residual)) for p in ps])
    return torch.cat(pieces + residual, 1), starts, edge_type


def to_pyg(arch: Architecture, params: Tensor) -> list[Data]:
    """One directed graph for each network of `params [B, P]`.

    `x [nodes, 1]` is the bias (0 for inputs and layers without bias), `edge_attr [edges, K]` the weight, kernels and
    flattened feature maps zero-padded to the longest, `edge_type` 0 for weights and 1 for residual edges (whose
    attribute is 1 followed by zeros), `layer [nodes]` the level of each node, 0 for the inputs.
    """
    edge_index, starts, edge_type = _edges(arch)
    batch = len(params)
    biases = [torch.zeros(batch, starts[1])]
    attributes: list[Tensor] = []
    for level, (weight, bias) in enumerate(zip(*split_params(arch, params), strict=True)):
        nodes_in, nodes_out = starts[level + 1] - starts[level], starts[level + 2] - starts[level + 1]
        biases.append(torch.zeros(batch, nodes_out) if bias is None else bias.detach().cpu())
        attributes.append(weight.detach().cpu().reshape(batch, nodes_out * nodes_in, -1))
    width = max(attribute.shape[2] for attribute in attributes)
    padded = [torch.nn.functional.pad(attribute, (0, width - attribute.shape[2])) for attribute in attributes]
    marks = torch.zeros(batch, int((edge_type == 1).sum()), width)
    marks[:, :, 0] = 1
    edge_attr = torch.cat([*padded, marks], 1)
    x = torch.cat(biases, 1).unsqueeze(2)
    layer = torch.repeat_interleave(torch.arange(len(starts) - 1), torch.tensor(starts).diff())
    return [
        Data(x=x[i], edge_index=edge_index, edge_attr=edge_attr[i], edge_type=edge_type, layer=layer)
        for i in range(batch)
    ]
