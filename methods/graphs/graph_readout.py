"""From the nodes of a graph to one vector, and the MLP that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

GraphPooling = Literal["outputs", "sum", "mean", "attention"]


class GraphReadout(nn.Module):
    """The output nodes side by side, or all nodes pooled.

    Arguments:
        pooling: "outputs"; or "sum", "mean" or "attention" over all nodes.
        width: features per node.
        outputs: how many output nodes there are.
    """

    def __init__(self, pooling: GraphPooling, width: int, outputs: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.size = outputs * width if pooling == "outputs" else width
        self.score = nn.Linear(width, 1) if pooling == "attention" else None

    def forward(self, nodes: Sequence[Tensor], outputs: Sequence[int]) -> Tensor:
        """`[B, n, width]` per level to `[B, size]`; `outputs` are the output levels."""
        if self.pooling == "outputs":
            return torch.cat([nodes[level] for level in outputs], 1).flatten(1)
        x = torch.cat(list(nodes), 1)
        if self.score is not None:
            attention: Tensor = self.score(x).softmax(1)  # [B, nodes, 1]
            return (attention * x).sum(1)
        return x.sum(1) if self.pooling == "sum" else x.mean(1)


def mlp(*sizes: int) -> nn.Sequential:
    """Linear maps with a ReLU between them."""
    layers = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
