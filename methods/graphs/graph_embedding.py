"""First features of a neural graph's nodes and edges (arXiv:2403.12143, sections 2 and 3).

Nodes start from their bias, edges from their weight, through random Fourier features; position embeddings tell levels,
inputs and outputs apart, activation embeddings tell activations apart where the zoo has several, and probe features add
each neuron's activations on learned inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ..layers.fourier_features import FourierFeatures
from .neural_graph import ACTIVATIONS, EdgeBlock, GraphLayout, Slots, layout_of


class LayerStatistics(nn.Module):
    """One mean and one deviation of the weights, and of the biases, of every layer over the training networks."""

    def __init__(self, slots: Slots, train: Sequence[Networks]) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(2, slots.layers))
        self.register_buffer("scale", torch.ones(2, slots.layers))
        found: dict[tuple[int, int], list[Tensor]] = {}
        for networks in train:
            for layer, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
                for kind, values in enumerate((weight, bias)):
                    if values is not None and values.numel():
                        found.setdefault((kind, slots.layer(networks.arch, layer)), []).append(values.flatten())
        for position, parts in found.items():
            deviation, mean = torch.std_mean(torch.cat(parts), correction=0)
            self.mean[position] = mean
            self.scale[position] = deviation if deviation > 1e-6 else 1.0  # constant: only shifted

    def forward(self, values: Tensor, bias: bool, slot: int) -> Tensor:
        """Biases or weights `[B, ...]` of the layers in a slot, to mean 0 and deviation 1."""
        return (values - self.mean[int(bias), slot]) / self.scale[int(bias), slot]


class ProbeFeatures(nn.Module):
    """Probe features (section 3.3): every neuron's values on k learned inputs of the raw network, a map per level.

    A channel is averaged over its feature map, which the published code leaves out (it probes MLPs only).
    """

    def __init__(self, probes: int, slots: Slots, width: int) -> None:
        super().__init__()
        self.slots = slots
        self.inputs = nn.Parameter(2 * torch.rand(probes, *slots.input_shape) - 1)
        self.embed = nn.ModuleList(
            nn.Sequential(nn.Linear(probes, width), nn.LayerNorm(width)) for _ in range(slots.layers + 1)
        )

    def forward(self, networks: Networks, widths: Sequence[int]) -> list[Tensor]:
        """One `[B, neurons, width]` per level."""
        features = networks.features(self.inputs)
        values = [f.flatten(2).unflatten(2, (n, -1)).mean(3).mT for f, n in zip(features, widths, strict=True)]
        return [self.embed[self.slots.level(networks.arch, level)](x) for level, x in enumerate(values)]


class GraphEmbedding(nn.Module):
    """First features of nodes and edges.

    Arguments:
        architectures: all that may come.
        train: the training networks.
        node_width, edge_width: features per node and edge.
        reverse: every edge also runs backwards; edge features are then [e forward, e backward, their sum].
    """

    def __init__(
        self,
        architectures: Sequence[Architecture],
        train: Sequence[Networks],
        node_width: int,
        edge_width: int,
        *,
        reverse: bool,
        probes: int,
        position_embeddings: bool,
        fourier_features: int,
        fourier_sigma: float,
    ) -> None:
        super().__init__()
        self.slots, self.reverse = Slots(architectures), reverse
        for arch in architectures:
            self.slots.check(arch)
        self.normalise = LayerStatistics(self.slots, train)
        self.node_waves = FourierFeatures(1, fourier_features, fourier_sigma)
        self.edge_waves = FourierFeatures((3 if reverse else 1) * self.slots.kernel, fourier_features, fourier_sigma)
        self.embed_node, self.node_in = nn.Linear(self.node_waves.size, node_width), nn.Linear(node_width, node_width)
        self.embed_edge, self.edge_in = nn.Linear(self.edge_waves.size, edge_width), nn.Linear(edge_width, edge_width)
        self.probes = ProbeFeatures(probes, self.slots, node_width) if probes else None
        self.positions = nn.Parameter(torch.randn(self.slots.positions, node_width)) if position_embeddings else None
        kinds = {activation for arch in architectures for activation in layout_of(arch).activations[1:-1]}
        self.activations = nn.Embedding(len(ACTIVATIONS), node_width) if len(kinds) > 1 else None

    def nodes(self, networks: Networks, layout: GraphLayout) -> list[Tensor]:
        """`[B, n, node_width]` per level."""
        arch, nodes = networks.arch, []
        probed = self.probes(networks, layout.widths) if self.probes is not None else None
        for level, n in enumerate(layout.widths):
            bias = networks.biases[level - 1] if level else None
            if bias is None:
                bias = networks.params.new_zeros(len(networks), n)
            else:
                bias = self.normalise(bias, True, self.slots.layer(arch, level - 1))
            x = self.embed_node(self.node_waves(bias.unsqueeze(-1)))
            x = self.node_in(x if probed is None else x + probed[level])
            if self.positions is not None:
                x = x + self.positions[self.slots.rows(arch, level)]
            if self.activations is not None and 0 < level < len(layout.widths) - 1:
                x = x + self.activations.weight[layout.activations[level]]
            nodes.append(x)
        return nodes

    def edges(self, networks: Networks, layout: GraphLayout) -> dict[EdgeBlock, Tensor]:
        """Features of all edges, in both directions where `reverse`; residual ones are alike, `[1, 1, 1, d]`."""
        edges = {}
        for block in layout.blocks:
            if block.layer is None:
                values = networks.params.new_ones(1, 1, 1, 1)
            else:
                slot = self.slots.layer(networks.arch, block.layer)
                weight = self.normalise(networks.weights[block.layer], False, slot)
                values = weight.flatten(2).unflatten(2, (layout.widths[block.source], -1))
            values = F.pad(values, (0, self.slots.kernel - values.shape[-1]))
            edges[block] = self.embed(values)
            if self.reverse:
                edges[block.reverse] = self.embed(values, backwards=True)
        return edges

    def embed(self, values: Tensor, backwards: bool = False) -> Tensor:
        """Features of edges with the given normalised values `[..., kernel]`."""
        if self.reverse:
            nothing = torch.zeros_like(values)
            values = torch.cat([nothing, values, values] if backwards else [values, nothing, values], -1)
        embedded: Tensor = self.edge_in(self.embed_edge(self.edge_waves(values)))
        return embedded
