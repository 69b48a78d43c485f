"""From the nodes of a graph to one vector, and the MLP that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

GraphPooling = Literal["outputs", "sum", "mean", "attention"]


class GraphReadout(nn.Module):
    """Nodes `[B, n, width]` per level to `[B, size]`: the outputs side by side, or all nodes pooled."""

    def __init__(self, pooling: GraphPooling, width: int, outputs: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.size = outputs * width if pooling == "outputs" else width
        self.score = nn.Linear(width, 1) if pooling == "attention" else None

    def forward(self, nodes: Sequence[Tensor]) -> Tensor:
        if self.pooling == "outputs":
            return nodes[-1].flatten(1)
        x = torch.cat(list(nodes), 1)
        if self.score is not None:
            return (self.score(x).softmax(1) * x).sum(1)
        return x.sum(1) if self.pooling == "sum" else x.mean(1)


def mlp(*sizes: int) -> nn.Sequential:
    """Linear maps with a ReLU between them."""
    layers = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
