"""The layers of ScaleGMN: maps that no sign and no scale of a neuron changes, and maps that change with them.

Kalogeropoulos et al., NeurIPS 2024, arXiv:2406.10685, section 5. A *kind* is the set of symmetries that a level's
neurons have, and `kinds` those of all levels that a module is for. Linear maps are merged, and moved from edges to
nodes, where that gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.dropout import Dropout
from .neural_graph import EdgeBlock

NeuronSymmetries = frozenset[Literal["sign", "scale"]]


class NormedMLP(nn.Module):
    """Linear, LayerNorm, SiLU, Linear, of features and perhaps of others beside them."""

    def __init__(self, inputs: int, outputs: int, hidden: int, extra: int = 0) -> None:
        super().__init__()
        self.inputs = inputs
        self.first, self.second = nn.Linear(inputs + extra, hidden), nn.Linear(hidden, outputs)
        self.norm = nn.LayerNorm(hidden)

    def act(self, hidden: Tensor) -> Tensor:
        """What follows the first linear map, `[..., hidden]`."""
        return F.silu(self.norm(hidden))

    def forward(self, x: Tensor, extra: Tensor | None = None, before: nn.Linear | None = None) -> Tensor:
        """The MLP of [x, extra], `[..., outputs]`; with `before` of [W x + 2 b, extra], see `CanonicalFeatures`."""
        weight: Tensor = self.first.weight[:, : self.inputs]
        bias: Tensor = self.first.bias
        if before is not None:
            weight, bias = weight @ before.weight, bias + 2 * (weight @ before.bias)
        hidden = F.linear(x, weight, bias)
        if extra is not None:
            hidden = hidden + F.linear(extra, self.first.weight[:, self.inputs :])
        mapped: Tensor = self.second(self.act(hidden))
        return mapped


class CanonicalFeatures(nn.Module):
    """What of x `[..., d]` no sign and no scale changes: with n = x / |x| where scales count, rho(n) + rho(-n)."""

    def __init__(self, width: int, hidden: int, kinds: NeuronSymmetries) -> None:
        super().__init__()
        self.rho = NormedMLP(width, width, hidden) if "sign" in kinds else None

    def forward(self, x: Tensor, kind: NeuronSymmetries) -> tuple[Tensor, nn.Linear | None]:
        """The features, and rho's last linear map if it is still to be applied to them (twice its bias)."""
        if "scale" in kind:
            x = F.normalize(x, dim=-1)
        if "sign" not in kind:
            return x, None
        assert self.rho is not None
        hidden, bias = F.linear(x, self.rho.first.weight), self.rho.first.bias
        return self.rho.act(bias + hidden) + self.rho.act(bias - hidden), self.rho.second


class InvariantMap(nn.Module):
    """An MLP of the canonical features; a plain MLP of x where a level has no symmetry."""

    def __init__(self, inputs: int, outputs: int, hidden: int, kinds: NeuronSymmetries, extra: int = 0) -> None:
        super().__init__()
        self.canonical = CanonicalFeatures(inputs, hidden, kinds)
        self.plain = NormedMLP(inputs, outputs, hidden, extra)
        self.by_kind = nn.ModuleDict({kind: NormedMLP(inputs, outputs, hidden, extra) for kind in sorted(kinds)})

    def forward(self, x: Tensor, kind: NeuronSymmetries, extra: Tensor | None = None) -> Tensor:
        """`[..., inputs]` of neurons with the symmetries `kind`, and `[..., extra]`, to `[..., outputs]`."""
        read = self.by_kind["sign" if "sign" in kind else "scale"] if kind else self.plain
        features, last = self.canonical(x, kind)
        mapped: Tensor = read(features, extra, last)
        return mapped


class EquivariantMap(nn.Module):
    """f(x) = W x * invariant(x)."""

    def __init__(self, inputs: int, outputs: int, hidden: int, kinds: NeuronSymmetries, extra: int = 0) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.invariant = InvariantMap(inputs, outputs, hidden, kinds, extra)

    def forward(self, x: Tensor, kind: NeuronSymmetries, extra: Tensor | None = None) -> Tensor:
        """The same shapes as `InvariantMap`."""
        mapped: Tensor = self.linear(x) * self.invariant(x, kind, extra)
        return mapped


@dataclass(frozen=True)
class ScaleGraphFeatures:
    """A graph between two layers.

    Arguments:
        nodes: `[B, n, d]` per level.
        kinds: the symmetries of every level.
        forth, back: edges `[B, out, in, d]` in both directions.
        extra: position embeddings `[1, n, d]` per level that messages read, if any.
    """

    nodes: list[Tensor]
    kinds: tuple[NeuronSymmetries, ...]
    forth: dict[EdgeBlock, Tensor]
    back: dict[EdgeBlock, Tensor]
    extra: list[Tensor] | None


class ScaleMessages(nn.Module):
    """Sums of messages f(W_e e_ij * W_v x_j) into a level, in one direction."""

    def __init__(self, width: int, kinds: NeuronSymmetries, extra: int) -> None:
        super().__init__()
        self.node, self.edge = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.map = EquivariantMap(width, width, width, kinds, extra)

    def forward(self, graph: ScaleGraphFeatures, edges: dict[EdgeBlock, Tensor], level: int) -> Tensor:
        """`[B, n, d]`."""
        total = torch.zeros_like(graph.nodes[level])
        for block, features in edges.items():
            if block.target == level:
                x_j = block.ends(graph.nodes[level], self.node(graph.nodes[block.source]))[1]
                extra = None if graph.extra is None else block.ends(graph.extra[level], graph.extra[block.source])[1]
                total = total + self.map(self.edge(features) * x_j, graph.kinds[level], extra).sum(block.axis)
        return total


class ScaleEdgeUpdate(nn.Module):
    """e_ij' = W e_ij * phi(invariant(x_j), invariant(x_i))."""

    def __init__(self, width: int, outputs: int, kinds: NeuronSymmetries) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs, bias=False)
        self.canonical = CanonicalFeatures(width, width, kinds)
        self.ends = NormedMLP(2 * width, outputs, width)

    def forward(self, graph: ScaleGraphFeatures, edges: dict[EdgeBlock, Tensor]) -> dict[EdgeBlock, Tensor]:
        """`[B, out, in, width]` per block to `[B, out, in, outputs]`."""
        of_source, of_target = self.ends.first.weight.chunk(2, 1)
        sources, targets = [], []
        for x, kind in zip(graph.nodes, graph.kinds, strict=True):
            features, last = self.canonical(x, kind)
            if last is not None:
                features = F.linear(features, last.weight, 2 * last.bias)
            sources.append(F.linear(features, of_source, self.ends.first.bias))
            targets.append(F.linear(features, of_target))
        updated = {}
        for block, features in edges.items():
            x_i, x_j = block.ends(targets[block.target], sources[block.source])
            updated[block] = self.linear(features) * self.ends.second(self.ends.act(x_i + x_j))
        return updated


class ScaleLayer(nn.Module):
    """One round of messages, in one direction or both, and updates of nodes and edges.

    Arguments:
        extra: width of the position embeddings that messages and updates read.
        outputs: features per node and edge afterwards; None leaves the edges as they are.
        own_back: backward edges are not the forward ones and have an update of their own.
    """

    def __init__(
        self,
        width: int,
        kinds: NeuronSymmetries,
        *,
        both: bool,
        extra: int,
        outputs: int | None,
        skip: bool,
        own_back: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.forth, self.back = ScaleMessages(width, kinds, extra), ScaleMessages(width, kinds, extra) if both else None
        self.update = EquivariantMap((3 if both else 2) * width, outputs or width, width, kinds, extra)
        self.skip = nn.Linear(width, width, bias=False) if skip else None
        self.dropout = Dropout(dropout)
        self.edge_forth = ScaleEdgeUpdate(width, outputs, kinds) if outputs else None
        self.edge_back = ScaleEdgeUpdate(width, outputs, kinds) if outputs and own_back else None

    def forward(self, graph: ScaleGraphFeatures, into: frozenset[int], following: frozenset[int]) -> ScaleGraphFeatures:
        """Updates the levels `into`, and the edges that messages into the levels `following` are read from."""
        nodes = [self._node(graph, level) if level in into else x for level, x in enumerate(graph.nodes)]
        forth, back = graph.forth, graph.back
        if self.edge_forth is not None:
            shared = self.back is not None and self.edge_back is None
            read = {b: e for b, e in forth.items() if b.target in following or (shared and b.source in following)}
            forth = self.edge_forth(graph, read)
            if shared:
                back = {block.reverse: edges for block, edges in forth.items()}
            elif self.edge_back is not None:
                back = self.edge_back(graph, {b: e for b, e in back.items() if b.target in following})
        return replace(graph, nodes=nodes, forth=forth, back=back)

    def _node(self, graph: ScaleGraphFeatures, level: int) -> Tensor:
        x = graph.nodes[level]
        parts = [x, self.forth(graph, graph.forth, level)]
        if self.back is not None:
            parts.append(self.back(graph, graph.back, level))
        extra = None if graph.extra is None else graph.extra[level]
        updated = self.update(torch.cat(parts, -1), graph.kinds[level], extra)
        if self.skip is not None:
            updated = updated + self.skip(x)
        dropped: Tensor = self.dropout(updated)
        return dropped
