"""ScaleGMN: message passing that also knows the signs and scales of neurons (Kalogeropoulos et al., NeurIPS 2024,
arXiv:2406.10685).

Where an activation is odd (sine, tanh) a hidden neuron's bias and weights may change their sign, where it is positively
homogeneous (ReLU) their scale, and the next layer undoes it. Features of a neuron here change with it, and what is
learned from them does not: an *invariant* map reads x / |x| (scale) or rho(x) + rho(-x) (sign), an *equivariant* one is
    f(x) = W x * invariant(x).
Messages are m_ij = f(W_e e_ij * W_v x_j), summed; nodes become x_i' = f([x_i, sum_j m_ij]), edges e_ij' = W e_ij *
phi(invariant(x_j), invariant(x_i)). Inputs, outputs and neurons without such a symmetry have plain MLPs for invariant
maps. Which symmetry a level has is read off its architecture, so that one module takes networks of several activations.

A forward model's messages run from inputs to outputs. The bidirectional one runs them back as well; where scales count
it reads 1 / weight there, which the published code announces but leaves out, so that its backward half is not
equivariant to scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ..runtime.errors import BadInput
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.graph import edge_values
from ..zoo.networks.networks import Networks
from ..zoo.networks.neuron_graph import WeightEdges
from ..zoo.networks.symmetry import neuron_groups
from .contract.parameter_ranges import DropoutRate, PositiveFinite
from .contract.task_view import TaskView
from .graphs.neural_graph import EdgeBlock, GraphLayout, layout_of
from .graphs.scale_equivariant_layers import InvariantMap, NeuronSymmetries, NormedMLP, ScaleGraphFeatures, ScaleLayer
from .graphs.slots import Slots, require_equal_ends, require_single_mlp
from .layers.network_edit import NetworkEdit
from .training.neural_method import NeuralMethod


@cache
def level_symmetries(arch: Architecture) -> tuple[NeuronSymmetries, ...]:
    """The symmetries of every level's neurons, none for inputs and outputs."""
    kinds: list[set[Literal["sign", "scale"]]] = [set() for _ in range(len(arch.layers) + 1)]
    kind: Literal["sign", "scale"]
    for kind in ("sign", "scale"):
        for group in neuron_groups(arch, kind):
            for layer in group.producers:
                kinds[layer + 1].add(kind)
    return tuple(frozenset(kind) for kind in kinds)


class ScaleMessagePassing(nn.Module):
    """Embeds networks and runs the layers; all levels and edges are kept for editing and for the pooled readout."""

    def __init__(self, method: ScaleGMN, architectures: Sequence[Architecture], *, editing: bool) -> None:
        super().__init__()
        self.slots, self.method, self.editing = Slots(architectures), method, editing
        self.kinds: NeuronSymmetries = frozenset(
            kind for arch in architectures for level in self._kinds(arch) for kind in level
        )
        width, slots, self.layers = method.width, self.slots, nn.ModuleList()
        self.embed_node, self.embed_edge = nn.Linear(1, width, bias=False), nn.Linear(slots.kernel, width, bias=False)
        self.positions = nn.Parameter(torch.randn(slots.positions, width))
        self.inputs, self.outputs = layout_of(architectures[0]).ends
        rows = self.inputs + max(slots.hidden - 1, 0) + self.outputs
        self.edge_positions = None if method.bidirectional else nn.Parameter(torch.randn(rows, width))
        both = method.bidirectional
        for last in [False] * (method.depth - 1) + [True]:
            self.layers.append(
                ScaleLayer(
                    width,
                    self.kinds,
                    both=both,
                    extra=width if both else 0,
                    outputs=(1 if editing else None) if last else width,
                    skip=not (editing and last) and (editing or not both),
                    own_back=both and "scale" in self.kinds,
                    dropout=0.0 if editing and last else method.dropout,
                )
            )

    def _kinds(self, arch: Architecture) -> tuple[NeuronSymmetries, ...]:
        self.slots.check(arch)
        return level_symmetries(arch) if self.method.symmetry == "auto" else (frozenset(),) * (len(arch.layers) + 1)

    def forward(self, networks: Networks) -> ScaleGraphFeatures:
        """Nodes `[B, n, width]`; for editing nodes and forward edges with one feature."""
        layout, kinds = self.slots.check(networks.arch), self._kinds(networks.arch)
        if unknown := {kind for level in kinds for kind in level} - self.kinds:
            raise BadInput(f"{networks.arch} has {unknown.pop()} symmetries, no training network had: train anew")
        both = self.method.bidirectional
        graph = self._embed(networks, layout, kinds)
        all_levels = frozenset(range(len(layout.widths)))
        into = [all_levels]
        if not self.editing and self.method.readout == "outputs":
            into = [frozenset({len(layout.widths) - 1} | ({0} if both else set()))]
        for _ in self.layers:
            into.insert(0, layout.reached(into[0], both))
        for layer, levels, following in zip(self.layers, into[1:], [*into[2:], all_levels], strict=True):
            graph = layer(graph, levels, following)
        return graph

    def _embed(
        self, networks: Networks, layout: GraphLayout, kinds: tuple[NeuronSymmetries, ...]
    ) -> ScaleGraphFeatures:
        nodes, positions = [], []
        for level, (n, kind) in enumerate(zip(layout.widths, kinds, strict=True)):
            bias = networks.biases[level - 1] if level else networks.params.new_ones(len(networks), n)
            if bias is None:
                bias = networks.params.new_zeros(len(networks), n)
            position = self.positions[self.slots.rows(layout, level)]
            x = self.embed_node(bias.unsqueeze(-1))
            nodes.append(x * position if kind else x + position)
            positions.append(position.unsqueeze(0))
        forth = self._edges(networks, layout)
        if not self.method.bidirectional:
            return ScaleGraphFeatures(nodes, kinds, forth, {}, None)
        back = self._edges(networks, layout, reciprocal=True) if "scale" in self.kinds else forth
        return ScaleGraphFeatures(
            nodes, kinds, forth, {block.reverse: edges for block, edges in back.items()}, positions
        )

    def _edges(self, networks: Networks, layout: GraphLayout, reciprocal: bool = False) -> dict[EdgeBlock, Tensor]:
        edges = {}
        for block in layout.blocks:
            edge = layout.edges[block.number]
            if isinstance(edge, WeightEdges):
                values = edge_values(networks.arch, networks.params, edge)
            else:
                values = networks.params.new_ones(1, 1, 1, 1)
            if reciprocal:
                values = torch.where(values < 0, -1.0, 1.0) / values.abs().clamp(min=self.method.smallest_weight)
            features = self.embed_edge(F.pad(values, (0, self.slots.kernel - values.shape[-1])))
            if self.edge_positions is not None and block.dense:
                features = features * self._edge_position(layout, block)
            edges[block] = features
        return edges

    def _edge_position(self, layout: GraphLayout, block: EdgeBlock) -> Tensor:
        """A row for each input in the first block, for each output in the last, and for each block between."""
        assert self.edge_positions is not None
        first, last = self.inputs, self.edge_positions.shape[0] - self.outputs
        if block.source == 0:
            return self.edge_positions[:first]
        if block.target in layout.outputs:
            return self.edge_positions[last:].unsqueeze(1)
        return self.edge_positions[first + self.slots.slot(layout, block.target) - 2]


class ScaleReader(nn.Module):
    """Reads output nodes (bidirectional: and input nodes), or all: hidden ones through an invariant sum."""

    def __init__(self, method: ScaleGMN, architectures: Sequence[Architecture], output_dim: int) -> None:
        super().__init__()
        width = method.width
        self.graph = ScaleMessagePassing(method, architectures, editing=False)
        inputs, outputs = self.graph.inputs, self.graph.outputs
        self.hidden = self.first = self.last = None
        if method.readout == "sum":
            self.hidden = InvariantMap(width, width, width, self.graph.kinds)
            size = (1 + inputs + outputs) * width
        elif method.bidirectional:
            self.first, self.last = nn.Linear(inputs * width, width), nn.Linear(outputs * width, width)
            size = 2 * width
        else:
            size = outputs * width
        self.read = NormedMLP(size, output_dim, width)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        graph = self.graph(networks)
        first, last = graph.nodes[0].flatten(1), graph.nodes[-1].flatten(1)
        parts = [last]
        if self.hidden is not None:
            kinds = zip(graph.nodes[1:-1], graph.kinds[1:-1], strict=True)
            sums = [self.hidden(x, kind).sum(1) for x, kind in kinds]
            parts = [torch.stack(sums).sum(0) if sums else torch.zeros_like(graph.nodes[0][:, 0]), first, last]
        elif self.first is not None and self.last is not None:
            parts = [self.last(last), self.first(first)]
        logits: Tensor = self.read(torch.cat(parts, 1))
        return logits


class ScaleEditor(nn.Module):
    """Proposes changes that are equivariant themselves: the last layer's nodes and edges have one feature."""

    def __init__(self, method: ScaleGMN, architectures: Sequence[Architecture]) -> None:
        super().__init__()
        arch = require_single_mlp(architectures, method.name)
        self.graph = ScaleMessagePassing(method, architectures, editing=True)
        self.edit = NetworkEdit(arch)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        graph = self.graph(networks)
        by_layer = list(graph.forth.values())
        changes = [
            by_layer[tensor.layer] if tensor.kind == "weight" else graph.nodes[tensor.layer + 1]
            for tensor in networks.arch.tensors
        ]
        edited: Networks = self.edit(networks, torch.cat([change.flatten(1) for change in changes], 1))
        return edited


class ScaleGMN(NeuralMethod):
    """Message passing that respects permutations, and signs or scales of neurons, as the activations have them.

    The defaults are the published model and recipe for INR classification; bidirectional it has `weight_decay=1e-3`,
    for dilation `bidirectional=true depth=10 dropout=0.1 epochs=300 batch_size=64 weight_decay=1e-3`. As published, the
    forward model has skip connections and edge positions, the bidirectional one position embeddings in its messages and
    updates (and skips, for editing). Parameters equal the published implementation's. That one also symmetrises inputs
    and outputs in its edge updates, although they have no symmetry; here they are read as they are.

    Fields:
        width, depth: of the message layers.
        bidirectional: messages run backwards too.
        symmetry: "auto" reads it off the activations; "permutation" knows neither signs nor scales.
        readout: "outputs" reads output nodes (and input nodes, if bidirectional), "sum" all nodes.
        smallest_weight: weights count as at least that large where 1 / weight is read (bidirectional, ReLU). Scaling is
            exact for larger ones; trained CNNs have some down to 1e-15.
    """

    name = "scale-gmn"
    tasks = ("inr-classification", "inr-dilation", "property")
    symmetries = ("permutation", "sign", "scale")
    paper = "arXiv:2406.10685"
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 128
    depth: PositiveInt = 4
    bidirectional: bool = False
    symmetry: Literal["auto", "permutation"] = "auto"
    readout: Literal["outputs", "sum"] = "outputs"
    smallest_weight: PositiveFinite = 1e-2
    dropout: DropoutRate = 0.2
    epochs: int = 200
    patience: int = 50
    batch_size: int = 128
    weight_decay: float = 0.01
    warmup_steps: int = 1000
    clip_norm: float = 10.0

    def check(self, task: TaskView) -> None:
        """Refuse networks of different inputs or outputs; for editing, all but MLPs of one architecture."""
        super().check(task)
        require_equal_ends(task.architectures, self.name)
        if task.output == "networks":
            require_single_mlp(task.architectures, self.name)

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        if task.output == "networks":
            return ScaleEditor(self, task.architectures)
        return ScaleReader(self, task.architectures, task.output_dim)
