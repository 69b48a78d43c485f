"""NG-GNN: networks as graphs, read by message passing (Kofinas et al., ICLR 2024, arXiv:2403.12143; Zhang et al. 2023).

Neurons are nodes (feature: bias), weights are edges (feature: weight). The reference builds one sparse graph object per
network; here every weight matrix keeps its own dense tensor of edge features `[B, out, in, d]`, in each of the two
directions, so that a layer of message passing is a handful of batched products and reductions per weight matrix.

One layer (PNA, Corso et al. 2020, with FiLM messages): node i gathers from each neighbour j, forwards and backwards,
    m_ij = scale(e_ij) * (A x_i + C x_j) + shift(e_ij),
takes aggregates of them (mean; in the paper also min, max and standard deviation), each also amplified by its degree,
and updates x_i with a linear map of all that. Edges are updated from their two ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ..zoo.architecture import Architecture, Linear
from ..zoo.errors import BadInput
from ..zoo.networks import Networks
from .base import NeuralMethod, TaskView
from .editing import Edit
from .normalise import Normalise

Aggregator = Literal["mean", "min", "max", "std"]


class FourierFeatures(nn.Module):
    """Random Fourier features of scalars (Tancik et al. 2020): [cos, sin](2 pi f x), f ~ N(0, sigma^2)."""

    def __init__(self, features: int, sigma: float) -> None:
        super().__init__()
        self.size = features or 1  # no features: the scalar itself
        self.frequencies: Tensor
        self.register_buffer("frequencies", 2 * math.pi * sigma * torch.randn(features // 2))

    def forward(self, x: Tensor) -> Tensor:
        if self.size == 1:
            return x.unsqueeze(-1)
        phase = x.unsqueeze(-1) * self.frequencies
        return torch.cat([phase.cos(), phase.sin()], -1)


class Probes(nn.Module):
    """Probe features: every neuron's values on k learned inputs of the raw network, one linear map per level."""

    def __init__(self, probes: int, arch: Architecture, width: int) -> None:
        super().__init__()
        self.inputs = nn.Parameter(2 * torch.rand(probes, arch.input_shape[0]) - 1)
        levels = len(arch.layers) + 1
        self.embed = nn.ModuleList(nn.Sequential(nn.Linear(probes, width), nn.LayerNorm(width)) for _ in range(levels))

    def forward(self, networks: Networks) -> list[Tensor]:
        """One `[B, neurons, width]` per level, inputs first."""
        features = networks.features(self.inputs)
        return [embed(values.mT) for embed, values in zip(self.embed, features, strict=True)]


class MessageLayer(nn.Module):
    """One round of messages between neighbouring levels, both ways, and of edge updates.

    Arguments:
        widths: neurons per level.
        into: levels whose nodes are updated; what nobody will read is left as it was.
        next_into: those of the next layer, whose incoming edges are updated here.
    """

    def __init__(self, method: NGGNN, widths: list[int], into: set[int], next_into: set[int]) -> None:
        super().__init__()
        self.into, self.next_into = into, next_into
        width, self.aggregators, self.residual = method.width, method.aggregators, method.residual
        self.target, self.source = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.scale, self.shift = nn.Linear(width, width), nn.Linear(width, width)
        self.update = nn.Linear((1 + 2 * len(self.aggregators)) * width, width)
        dropout = [nn.Dropout(method.dropout)] if method.dropout else []
        if method.residual:
            self.finish = nn.Sequential(nn.SiLU(), *dropout, nn.Linear(width, width))
        else:
            self.finish = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), *dropout)
        # PNA's amplification: log(degree + 1) over its mean over the graph's nodes.
        degrees = [
            sum(widths[level + step] for step in (-1, 1) if 0 <= level + step < len(widths))
            for level in range(len(widths))
        ]
        logs = [math.log(degree + 1) for degree in degrees]
        mean = sum(log * n for log, n in zip(logs, widths, strict=True)) / sum(widths)
        self.amplify = [log / mean for log in logs]
        self.edge_update = EdgeUpdate(width, method.residual) if next_into else None

    def forward(
        self, nodes: list[Tensor], forth: list[Tensor], back: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """nodes: `[B, n, d]` per level; forth and back: `[B, out, in, d]` per weight matrix."""
        target, source = [self.target(x) for x in nodes], [self.source(x) for x in nodes]
        messages: list[list[tuple[Tensor, int]]] = [[] for _ in nodes]  # per level (message, axis of the neighbours)
        for level, (forth_edges, back_edges) in enumerate(zip(forth, back, strict=True)):
            upper, lower = level + 1, level
            if upper in self.into:
                ends = target[upper].unsqueeze(2) + source[lower].unsqueeze(1)
                messages[upper].append((torch.addcmul(self.shift(forth_edges), self.scale(forth_edges), ends), 2))
            if lower in self.into:
                ends = target[lower].unsqueeze(1) + source[upper].unsqueeze(2)
                messages[lower].append((torch.addcmul(self.shift(back_edges), self.scale(back_edges), ends), 1))
        updated = list(nodes)
        for level in self.into:
            x = nodes[level]
            gathered = aggregate(messages[level], self.aggregators)
            change = self.finish(self.update(torch.cat([x, gathered, self.amplify[level] * gathered], -1)))
            updated[level] = x + change if self.residual else change
        if self.edge_update is not None:
            forth, back = list(forth), list(back)
            for level, (lower_nodes, upper_nodes) in enumerate(pairwise(updated)):
                if level + 1 in self.next_into:
                    forth[level] = self.edge_update(forth[level], lower_nodes, upper_nodes, True)
                if level in self.next_into:
                    back[level] = self.edge_update(back[level], upper_nodes, lower_nodes, False)
        return updated, forth, back


def aggregate(messages: list[tuple[Tensor, int]], aggregators: Sequence[Aggregator]) -> Tensor:
    """The aggregators over the neighbours of all given (message, axis of the neighbours), `[B, n, d * aggregators]`."""
    count = sum(message.shape[axis] for message, axis in messages)
    mean = torch.stack([message.sum(axis) for message, axis in messages]).sum(0) / count
    parts = []
    for name in aggregators:
        if name == "mean":
            parts.append(mean)
        elif name == "std":
            # Two passes: E[x^2] - E[x]^2 cancels so badly in float32 that the order of the neurons would show.
            squares = [(message - mean.unsqueeze(axis)).square().sum(axis) for message, axis in messages]
            parts.append((torch.stack(squares).sum(0) / count + 1e-5).sqrt())
        elif name == "min":
            parts.append(torch.stack([message.amin(axis) for message, axis in messages]).amin(0))
        else:
            parts.append(torch.stack([message.amax(axis) for message, axis in messages]).amax(0))
    return torch.cat(parts, -1)


class EdgeUpdate(nn.Module):
    """e' = W SiLU(W_e e + W_s x_source + W_t x_target), added to e where residual."""

    def __init__(self, width: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.edge = nn.Linear(width, width)
        self.source, self.target = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, edges: Tensor, source: Tensor, target: Tensor, forward: bool) -> Tensor:
        """edges `[B, out, in, d]`; the source level is `in` when `forward`, else `out`."""
        axes = (1, 2) if forward else (2, 1)
        ends = self.source(source).unsqueeze(axes[0]) + self.target(target).unsqueeze(axes[1])
        updated: Tensor = self.out(nn.functional.silu(self.edge(edges) + ends))
        return edges + updated if self.residual else updated


class NeuralGraph(nn.Module):
    """Embeds a network as node and edge features and runs the message layers.

    Arguments:
        outputs_only: only the output nodes will be read. Layer k from the end then works for the last k levels alone,
            which changes no output and halves the work.
    """

    def __init__(self, method: NGGNN, networks: Networks, *, outputs_only: bool) -> None:
        super().__init__()
        arch, width = networks.arch, method.width
        self.widths = [arch.input_shape[0], *(layer.out_features for layer in arch.layers if isinstance(layer, Linear))]
        self.normalise = Normalise(networks)
        self.fourier = FourierFeatures(method.fourier_features, method.fourier_sigma)
        self.embed_node = nn.Sequential(nn.Linear(self.fourier.size, width), nn.Linear(width, width))
        # One map per direction equals the reference's map of [w, w reversed, their sum].
        self.embed_forth = nn.Sequential(nn.Linear(self.fourier.size, width), nn.Linear(width, width))
        self.embed_back = nn.Sequential(nn.Linear(self.fourier.size, width), nn.Linear(width, width))
        self.positions = None
        if method.position_embeddings:  # one per hidden level; inputs and outputs keep their places, so one each
            last = len(self.widths) - 1
            rows = [n if level in (0, last) else 1 for level, n in enumerate(self.widths)]
            self.positions = nn.ParameterList(0.1 * torch.randn(n, width) for n in rows)
        self.probes = Probes(method.probes, arch, width) if method.probes else None
        levels = set(range(len(self.widths)))
        into = [levels] * (method.depth + 1)
        if outputs_only:
            into = [{level for level in levels if level > max(levels) - k} for k in range(method.depth, -1, -1)]
        self.layers = nn.ModuleList(MessageLayer(method, self.widths, *pair) for pair in pairwise(into))

    def forward(self, networks: Networks) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Node features per level and edge features per weight matrix, forth and back."""
        normal = self.normalise(networks)
        biases = [torch.zeros_like(normal.weights[0][:, 0]), *normal.biases]
        nodes = [self.embed_node(self.fourier(bias)) for bias in biases]
        if self.positions is not None:
            nodes = [x + position for x, position in zip(nodes, self.positions, strict=True)]
        if self.probes is not None:
            nodes = [x + features for x, features in zip(nodes, self.probes(networks), strict=True)]
        waves = [self.fourier(weight) for weight in normal.weights]
        forth, back = [self.embed_forth(wave) for wave in waves], [self.embed_back(wave) for wave in waves]
        for layer in self.layers:
            nodes, forth, back = layer(nodes, forth, back)
        return nodes, forth, back


class GraphReader(nn.Module):
    """Reads the concatenated output nodes with an MLP."""

    def __init__(self, method: NGGNN, networks: Networks, output_dim: int) -> None:
        super().__init__()
        self.graph = NeuralGraph(method, networks, outputs_only=True)
        width, outputs = method.width, self.graph.widths[-1]
        self.read = nn.Sequential(nn.Linear(outputs * width, width), nn.ReLU(), nn.Linear(width, output_dim))

    def forward(self, networks: Networks) -> Tensor:
        nodes, _, _ = self.graph(networks)
        logits: Tensor = self.read(nodes[-1].flatten(1))
        return logits


class GraphEditor(nn.Module):
    """Proposes a change of every bias from its node and of every weight from its edges."""

    def __init__(self, method: NGGNN, networks: Networks) -> None:
        super().__init__()
        self.graph = NeuralGraph(method, networks, outputs_only=False)
        self.node_change, self.edge_change = nn.Linear(method.width, 1), nn.Linear(2 * method.width, 1)
        self.edit = Edit(networks.arch)

    def forward(self, networks: Networks) -> Networks:
        nodes, forth, back = self.graph(networks)
        changes = []
        for x, f, b in zip(nodes[1:], forth, back, strict=True):
            changes += [self.edge_change(torch.cat([f, b], -1)).flatten(1), self.node_change(x).flatten(1)]
        return self.edit(networks, torch.cat(changes, 1))


class NGGNN(NeuralMethod):
    """Message passing over the neural graph, with optional probe features.

    The defaults are for two cores and a few thousand networks. The published model is `depth=4, residual=False,
    aggregators=mean+min+max+std, fourier_features=256, dropout=0.2` (for dilation `width=128, fourier_features=0`),
    trained for 200 epochs in batches of 128 at a constant lr of 1e-3 after 1,000 warm-up steps, clipped at 10.

    Fields:
        width, depth: of the message layers.
        probes: learned inputs whose activations are added to the node features (0, 4, 16 or 64 in the tables).
        position_embeddings: tell the levels, and the input and output neurons, apart.
        residual: add the updates of nodes and edges to what was there, x + W SiLU(update), instead of the published
            SiLU(LayerNorm(update)); without probes only this learns from a few thousand networks in a few epochs.
        aggregators: what a neuron keeps of its messages; PNA's four, or fewer for speed.
        fourier_features, fourier_sigma: of the embedding of weights and biases; 0 features: a linear embedding.
    """

    name = "ng-gnn"
    tasks = ("inr-classification", "inr-dilation")
    paper = "arXiv:2403.12143"
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: int = 32
    depth: int = 3
    probes: int = 0
    position_embeddings: bool = True
    residual: bool = True
    aggregators: tuple[Aggregator, ...] = ("mean",)
    fourier_features: int = 0
    fourier_sigma: float = 3.0
    dropout: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    lr: float = 5e-3
    clip_norm: float = 1.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"

    def build(self, task: TaskView) -> nn.Module:
        networks = task.splits["train"].networks
        if not all(isinstance(layer, Linear) and layer.bias for layer in networks.arch.layers):
            raise BadInput(f"ng-gnn takes MLPs with biases so far, not {networks.arch}")
        if task.output == "networks":
            return GraphEditor(self, networks)
        return GraphReader(self, networks, task.output_dim)
