"""First features of a neural graph's nodes and edges (arXiv:2403.12143, sections 2 and 3).

Nodes start from their bias, edges from their weight, through random Fourier features; position embeddings tell levels,
inputs and outputs apart, activation embeddings tell activations apart where the zoo has several, and probe features add
each neuron's activations on learned inputs. What else belongs to a neuron, such as a normalisation's weight and running
statistics, a position embedding or a depthwise kernel, is added through a linear map of each kind, whose bias says that
it is there; edges that are no layer's weights and no residual connections have a learned vector of their kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.networks.neuron_graph import NodeFeatures, neuron_graph
from ..layers.fourier_features import FourierFeatures
from .graph_view import GraphView, graph_view
from .neural_graph import ACTIVATIONS, EdgeBlock, layout_of
from .slots import Slots

SMALLEST_VARIANCE = 1e-12  # a running variance is read by its logarithm


def node_features(view: GraphView, level: int, features: NodeFeatures) -> Tensor:
    """Of one kind, `[B, n, k]`; variances by their logarithm, because they differ by orders of magnitude."""
    values = view.features(level, features)
    return values.clamp(min=SMALLEST_VARIANCE).log() if features.kind.endswith("running_var") else values


class TensorStatistics(nn.Module):
    """One mean and one deviation for each slot of the weights, and of each kind of node features, in training."""

    def __init__(self, slots: Slots, train: Sequence[Networks]) -> None:
        super().__init__()
        self.kinds = ["weight", "bias", *slots.features]
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(len(self.kinds), slots.count))
        self.register_buffer("scale", torch.ones(len(self.kinds), slots.count))
        found: dict[tuple[int, int], list[Tensor]] = {}
        for networks in train:
            for (kind, slot), values in self._tensors(networks, slots):
                if values.numel():
                    found.setdefault((self.kinds.index(kind), slot), []).append(values.flatten())
        for position, parts in found.items():
            deviation, mean = torch.std_mean(torch.cat(parts), correction=0)
            self.mean[position] = mean
            self.scale[position] = deviation if deviation > 1e-6 else 1.0  # constant: only shifted

    @staticmethod
    def _tensors(networks: Networks, slots: Slots) -> Iterator[tuple[tuple[str, int], Tensor]]:
        view = graph_view(networks)
        for block in view.layout.blocks:
            if (values := view.edges(block)) is not None:
                yield ("weight", slots.slot(view.layout, block.target)), values
        for level, features in enumerate(view.layout.features):
            for feature in features:
                yield (feature.kind, slots.slot(view.layout, level)), node_features(view, level, feature)

    def forward(self, values: Tensor, kind: str, slot: int) -> Tensor:
        """Numbers `[B, ...]` of a kind in a slot, to mean 0 and deviation 1."""
        position = self.kinds.index(kind), slot
        return (values - self.mean[position]) / self.scale[position]


class ProbeFeatures(nn.Module):
    """Probe features (section 3.3): every neuron's values on k learned inputs of the raw network, a map per slot.

    A channel is averaged over its feature map or its tokens, which the published code leaves out (it probes MLPs only).
    """

    def __init__(self, probes: int, slots: Slots, width: int) -> None:
        super().__init__()
        self.slots = slots
        self.inputs = nn.Parameter(2 * torch.rand(probes, *slots.input_shape) - 1)
        self.embed = nn.ModuleList(
            nn.Sequential(nn.Linear(probes, width), nn.LayerNorm(width)) for _ in range(slots.hidden + 2)
        )

    def forward(self, view: GraphView) -> dict[int, Tensor]:
        """`[B, neurons, width]` of every level with values of its own: all but heads and groups."""
        networks, layout = view.networks, layout_of(view.networks.arch)
        levels = sorted({0} | {level for level in networks.arch.levels if level is not None})
        features = dict(zip(levels, networks.features(self.inputs), strict=True))
        widths, found = neuron_graph(networks.arch).widths, {}
        for number, (level, start, neurons, *_) in enumerate(layout.levels):
            if level in features:
                values = features[level].mT if features[level].ndim == 4 else features[level]  # tokens come last
                values = values.flatten(2).unflatten(2, (widths[level], -1)).mean(3).mT
                values = view.of_level(number, values[:, start : start + neurons])
                found[number] = self.embed[self.slots.slot(layout, number)](values)
        return found


class GraphEmbedding(nn.Module):
    """First features of nodes and edges.

    Arguments:
        architectures: all that may come.
        train: the training networks.
        node_width, edge_width: features per node and edge; with no width of edges only nodes are embedded.
        reverse: every edge also runs backwards; edge features are then [e forward, e backward, their sum].
        any_ends: the method takes networks of any number of inputs and outputs, if nothing is learned of single ones.
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
        any_ends: bool,
    ) -> None:
        super().__init__()
        trained = [networks.arch for networks in train]
        self.slots = Slots(architectures, trained, any_ends=any_ends and not probes and not position_embeddings)
        self.reverse = reverse
        for arch in architectures:
            self.slots.check(arch)
        self.normalise = TensorStatistics(self.slots, train)
        self.node_waves = FourierFeatures(1, fourier_features, fourier_sigma)
        self.edge_waves = FourierFeatures((3 if reverse else 1) * self.slots.kernel, fourier_features, fourier_sigma)
        self.embed_node, self.node_in = nn.Linear(self.node_waves.size, node_width), nn.Linear(node_width, node_width)
        if edge_width:
            self.embed_edge = nn.Linear(self.edge_waves.size, edge_width)
            self.edge_in = nn.Linear(edge_width, edge_width)
        self.probes = ProbeFeatures(probes, self.slots, node_width) if probes else None
        self.positions = nn.Parameter(torch.randn(self.slots.positions, node_width)) if position_embeddings else None
        kinds = {
            activation
            for layout in map(layout_of, architectures)
            for activation, role in zip(layout.activations, layout.roles, strict=True)
            if role.kind == "hidden"
        }
        self.activations = nn.Embedding(len(ACTIVATIONS), node_width) if len(kinds) > 1 else None
        self.features = nn.ModuleDict(
            {kind: nn.Linear(length, node_width) for kind, length in self.slots.features.items()}
        )
        kinds_of_edges = self.slots.kinds if edge_width else []
        self.kinds = nn.ParameterDict({kind: nn.Parameter(torch.randn(edge_width)) for kind in kinds_of_edges})

    def view(self, networks: Networks) -> GraphView:
        """The graph of networks. Raises BadInput for those that the method was not built for."""
        self.slots.check(networks.arch)
        return graph_view(networks)

    def nodes(self, view: GraphView) -> list[Tensor]:
        """`[B, n, node_width]` per level."""
        nodes, networks, layout = [], view.networks, view.layout
        probed = self.probes(view) if self.probes is not None else {}
        for level, n in enumerate(layout.widths):
            bias, more = networks.params.new_zeros(len(networks), n, 1), []
            slot, role = self.slots.slot(layout, level), layout.roles[level].kind
            for feature in layout.features[level]:
                if feature.kind == "bias":
                    bias = self.normalise(node_features(view, level, feature), "bias", slot)
                elif feature.kind in self.features:
                    more.append(self._feature(node_features(view, level, feature), feature.kind, slot))
            x = self.embed_node(self.node_waves(bias))
            for added in [*([probed[level]] if level in probed else []), *more]:
                x = x + added
            x = self.node_in(x)
            if self.positions is not None and (role != "bundle" or self.slots.bundles):
                x = x + self.positions[self.slots.rows(layout, level)]
            if self.activations is not None and role == "hidden":
                x = x + self.activations.weight[layout.activations[level]]
            nodes.append(x)
        return nodes

    def _feature(self, values: Tensor, kind: str, slot: int) -> Tensor:
        """`[B, n, node_width]` of a kind of features; of more per node than in training, those that come first."""
        padded = F.pad(self.normalise(values, kind, slot), (0, self.slots.features[kind] - values.shape[2]))
        embedded: Tensor = self.features[kind](padded)
        return embedded

    def edges(self, view: GraphView) -> dict[EdgeBlock, Tensor]:
        """Features of all edges, in both directions where `reverse`; ties are alike, `[1, 1, 1, d]`."""
        edges, layout = {}, view.layout
        for block in layout.blocks:
            values, kind = view.edges(block), layout.edges[block.number].kind
            if values is None:
                values = view.networks.params.new_ones(1, 1, 1, 1)
            else:
                values = self.normalise(values, "weight", self.slots.slot(layout, block.target))
            values = F.pad(values, (0, self.slots.kernel - values.shape[-1]))
            edges[block] = self.embed(values)
            if self.reverse:
                edges[block.reverse] = self.embed(values, backwards=True)
            if kind in self.kinds:
                for run in (block, block.reverse) if self.reverse else (block,):
                    edges[run] = edges[run] + self.kinds[kind]
        return edges

    def embed(self, values: Tensor, backwards: bool = False) -> Tensor:
        """Features of edges with the given normalised values `[..., kernel]`."""
        if self.reverse:
            nothing = torch.zeros_like(values)
            values = torch.cat([nothing, values, values] if backwards else [values, nothing, values], -1)
        embedded: Tensor = self.edge_in(self.embed_edge(self.edge_waves(values)))
        return embedded
