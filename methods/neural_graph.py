"""Neural graphs: what NG-GNN and NG-T see of a network (Kofinas et al., ICLR 2024, arXiv:2403.12143, sections 2, 3).

Neurons (of a convolution: channels) are nodes, their feature is the bias; weights are edges, their feature is the
weight, the flattened kernel, or the weights of a flattened feature map, padded with zeros to the longest. Residual
connections are edges of weight 1 from neuron to neuron. The nodes of one layer form a *level*, inputs first; the edges
of one weight matrix form a *block*, a dense tensor `[B, out, in, d]`: nothing is gathered or scattered.

One module takes networks of any width, depth, kernel and activation. What they share: hidden levels are counted from
the input and the last level has a place of its own, in the statistics, the position embeddings and the maps of the
probe features. Only inputs and outputs have an embedding per neuron, so that their number is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..zoo.architecture import Activation, ActivationName, Add, Architecture, Conv2d, Linear
from ..zoo.errors import BadInput
from ..zoo.networks import Networks

Pooling = Literal["outputs", "sum", "mean", "attention"]
ACTIVATIONS: tuple[ActivationName, ...] = get_args(ActivationName)


class Block(NamedTuple):
    """The edges of the weight matrix `layer`, or neuron to neuron (None, residual), from a level to another.

    Their features are `[B, out, in, d]`, `[B, n, 1, d]` for residual ones, in both directions.
    """

    source: int
    target: int
    layer: int | None
    backwards: bool = False

    @property
    def reverse(self) -> Block:
        return Block(self.target, self.source, self.layer, not self.backwards)

    @property
    def axis(self) -> int:
        """The axis of the features that runs over a target's neighbours."""
        return 1 if self.backwards and self.layer is not None else 2

    def ends(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[B, n, d]` of the two levels, shaped to meet the edges'."""
        return target.unsqueeze(self.axis), source.unsqueeze(2 if self.layer is None else 3 - self.axis)


@dataclass(frozen=True)
class Layout:
    """The graph of an architecture.

    Arguments:
        widths: nodes per level.
        blocks: weight matrices in order, then residual connections.
        activations: index in `ACTIVATIONS` per level, "identity" for inputs.
        kernel: length of the longest edge feature.
    """

    widths: tuple[int, ...]
    blocks: tuple[Block, ...]
    activations: tuple[int, ...]
    kernel: int

    @property
    def degrees(self) -> list[int]:
        """Neighbours of each node of a level, in both directions."""
        degrees = [0] * len(self.widths)
        for source, target, layer, _ in self.blocks:
            degrees[target] += 1 if layer is None else self.widths[source]
            degrees[source] += 1 if layer is None else self.widths[target]
        return degrees

    def nodes(self, level: int) -> slice:
        """Where a level lies among all nodes."""
        return slice(sum(self.widths[:level]), sum(self.widths[: level + 1]))

    def reached(self, levels: frozenset[int], backwards: bool = True) -> frozenset[int]:
        """`levels` and those that messages to them come from, over edges forwards and, if so, backwards."""
        blocks = [*self.blocks, *(block.reverse for block in self.blocks if backwards)]
        return levels | {block.source for block in blocks if block.target in levels}


@cache
def layout_of(arch: Architecture) -> Layout:
    """Raises BadInput for a residual connection between levels of different width."""
    widths, activations, kernel = [arch.input_shape[0]], ["identity"], 1
    blocks: list[Block] = []
    residual: list[Block] = []
    after: list[int] = []  # level after each operation
    for operation in arch.operations:
        match operation:
            case Linear() | Conv2d():
                blocks.append(Block(len(blocks), len(blocks) + 1, len(blocks)))
                kernel = max(kernel, math.prod(operation.weight_shape[1:]) // widths[-1])
                widths.append(operation.weight_shape[0])
                activations.append("identity")
            case Activation(name=name):
                activations[-1] = name
            case Add(source=source):
                origin = 0 if source < 0 else after[source]
                if widths[origin] != widths[-1]:
                    raise BadInput(f"{arch}: a residual edge joins levels of {widths[origin]} and {widths[-1]} neurons")
                residual.append(Block(origin, len(blocks), None))
        after.append(len(blocks))
    names: Sequence[str] = ACTIVATIONS
    return Layout(tuple(widths), tuple(dict.fromkeys(blocks + residual)), tuple(map(names.index, activations)), kernel)


class Slots:
    """Which learned part a level or layer of a network shares: counted from the input, the last by itself.

    Arguments:
        architectures: all that may come.
    """

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        layouts = [layout_of(arch) for arch in architectures]
        self.input_shape = architectures[0].input_shape
        self.inputs, self.outputs = layouts[0].widths[0], layouts[0].widths[-1]
        self.layers = max(len(arch.layers) for arch in architectures)
        self.kernel = max(layout.kernel for layout in layouts)

    def check(self, arch: Architecture) -> Layout:
        """The graph. Raises BadInput for an architecture that is deeper, or reads or writes something else."""
        layout = layout_of(arch)
        for what, found, most in (
            ("layers", len(arch.layers), self.layers),
            ("values per edge", layout.kernel, self.kernel),
        ):
            if found > most:
                raise BadInput(f"{arch} has {found} {what}, the graph network was built for at most {most}: train anew")
        ends, expected = (layout.widths[0], layout.widths[-1]), (self.inputs, self.outputs)
        if ends != expected:
            raise BadInput(
                f"{arch} has {ends[0]} inputs and {ends[1]} outputs, the graph network was built for {expected[0]} "
                f"and {expected[1]}: train anew"
            )
        return layout

    def layer(self, arch: Architecture, layer: int) -> int:
        return layer if layer < len(arch.layers) - 1 else self.layers - 1

    def level(self, arch: Architecture, level: int) -> int:
        return level if level < len(arch.layers) else self.layers

    def rows(self, arch: Architecture, level: int) -> slice:
        """Position embeddings of a level: a row for each input, hidden level and output."""
        if level == 0:
            return slice(0, self.inputs)
        if level == len(arch.layers):
            return slice(self.inputs + self.layers - 1, None)
        return slice(self.inputs + level - 1, self.inputs + level)

    @property
    def positions(self) -> int:
        return self.inputs + self.layers - 1 + self.outputs


class Statistics(nn.Module):
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
        for place, parts in found.items():
            deviation, mean = torch.std_mean(torch.cat(parts), correction=0)
            self.mean[place] = mean
            self.scale[place] = deviation if deviation > 1e-6 else 1.0  # constant: only shifted

    def forward(self, values: Tensor, bias: bool, slot: int) -> Tensor:
        return (values - self.mean[int(bias), slot]) / self.scale[int(bias), slot]


class FourierFeatures(nn.Module):
    """Random Fourier features (Tancik et al. 2020): [cos, sin](2 pi F x), F ~ N(0, sigma^2); without any, x itself."""

    def __init__(self, inputs: int, features: int, sigma: float) -> None:
        super().__init__()
        self.size = features or inputs
        self.frequencies: Tensor | None
        self.register_buffer(
            "frequencies", 2 * math.pi * sigma * torch.randn(inputs, features // 2) if features else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.frequencies is None:
            return x
        phase = x @ self.frequencies
        return torch.cat([phase.cos(), phase.sin()], -1)


class Probes(nn.Module):
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
        self.normalise = Statistics(self.slots, train)
        self.node_waves = FourierFeatures(1, fourier_features, fourier_sigma)
        self.edge_waves = FourierFeatures((3 if reverse else 1) * self.slots.kernel, fourier_features, fourier_sigma)
        self.embed_node, self.node_in = nn.Linear(self.node_waves.size, node_width), nn.Linear(node_width, node_width)
        self.embed_edge, self.edge_in = nn.Linear(self.edge_waves.size, edge_width), nn.Linear(edge_width, edge_width)
        self.probes = Probes(probes, self.slots, node_width) if probes else None
        self.positions = nn.Parameter(torch.randn(self.slots.positions, node_width)) if position_embeddings else None
        kinds = {activation for arch in architectures for activation in layout_of(arch).activations[1:-1]}
        self.activations = nn.Embedding(len(ACTIVATIONS), node_width) if len(kinds) > 1 else None

    def nodes(self, networks: Networks, layout: Layout) -> list[Tensor]:
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

    def edges(self, networks: Networks, layout: Layout) -> dict[Block, Tensor]:
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


class Readout(nn.Module):
    """Nodes `[B, n, width]` per level to `[B, size]`: the outputs side by side, or all nodes pooled."""

    def __init__(self, pooling: Pooling, width: int, outputs: int) -> None:
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


def single(architectures: Sequence[Architecture], name: str) -> Architecture:
    """The one architecture of an editing task. Raises BadInput for several, and for networks that are no MLPs."""
    if len(architectures) != 1 or layout_of(architectures[0]).kernel > 1:
        raise BadInput(f"{name} edits MLPs of one architecture, not {', '.join(map(str, architectures))}")
    return architectures[0]
