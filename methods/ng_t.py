"""NG-T: a relational transformer over the neural graph (Kofinas et al., ICLR 2024, arXiv:2403.12143, section 3.2; the
attention is Diao and Loynd's, ICLR 2023, with modulated values).

Every node attends to every other one; the edge between them takes part in query, key and value,
    score_ij = (Q x_i + Q' e_ij) . (K x_j + K' e_ij) / sqrt(d),   value_ij = scale(e_ij) * V x_j + shift(e_ij).
Then nodes and edges are updated with residual connections and LayerNorm after each step; an edge is updated from
itself, its reverse and its ends: e_ij' = LN(e_ij + MLP([e_ij, e_ji] + S x_i + T x_j)), e_ij'' = LN(e_ij' + MLP(e_ij')).
Pairs of neurons without a weight between them start from the features of a zero weight.

Linear maps that the published code applies to every pair are applied after the sum over neighbours where that is the
same; and the last layer works for the output nodes alone, where only those are read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ..runtime.errors import BadInput
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from .contract.parameter_ranges import DropoutRate, PositiveFinite
from .contract.task_view import TaskView
from .graphs.graph_embedding import GraphEmbedding
from .graphs.graph_readout import GraphPooling, GraphReadout, mlp
from .graphs.graph_view import GraphView
from .graphs.neural_graph import GraphLayout, layout_of
from .graphs.slots import require_readable, require_single_mlp
from .layers.dropout import Dropout
from .layers.network_edit import NetworkEdit
from .training.augmentation import NAVON
from .training.neural_method import NeuralMethod

Chosen = slice | Tensor  # of the nodes, along an axis
MAX_CACHED_NUMBERS = 600_000  # numbers: on a CPU what one operation writes should still be in the cache for the next


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear map with Glorot's uniform initialisation and biases of zero."""
    made = nn.Linear(inputs, outputs, bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


class RelationalAttention(nn.Module):
    """Attention of query nodes to all nodes, the edges between them included.

    Arguments:
        node_width, edge_width: features of a node and of an edge.
        width: of queries, keys and values, all heads together.
    """

    def __init__(self, node_width: int, edge_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.qkv_node = linear(node_width, 3 * width, bias=False)
        self.qkv_edge = linear(edge_width, 4 * width, bias=False)  # query, key, scale and shift
        self.out = linear(width, node_width)
        # Sums over a head's channels, and copies of a head's weight to them, are products with this matrix:
        # broadcasting over an axis as short as that is several times slower.
        self.channels: Tensor
        self.register_buffer("channels", torch.eye(self.heads).repeat_interleave(self.width // self.heads, 1))

    def forward(self, queries: Tensor, x: Tensor, edges: Tensor) -> Tensor:
        """queries `[B, M, d]`, x `[B, N, d]`, edges from queries to x `[B, M, N, e]`; returns `[B, M, d]`."""
        count, rows, columns, _ = edges.shape
        chunk = max(1, MAX_CACHED_NUMBERS // (rows * columns * self.width) if edges.device.type == "cpu" else count)
        parts = zip(queries.split(chunk), x.split(chunk), edges.split(chunk), strict=True)
        return torch.cat([self.attend(*part) for part in parts])

    def attend(self, queries: Tensor, x: Tensor, edges: Tensor) -> Tensor:
        """`forward` of all networks at once."""
        to_query, to_key, to_value = self.qkv_node.weight.chunk(3)
        edge_query, edge_key, scale, shift = self.qkv_edge.weight.chunk(4)
        query = F.linear(edges, edge_query).add_(F.linear(queries, to_query).unsqueeze(2))
        key = F.linear(edges, edge_key).add_(F.linear(x, to_key).unsqueeze(1))
        weight = F.linear(query * key, self.channels * self.width**-0.5).softmax(2)  # [B, M, N, heads]
        # sum_j a_ij (S e_ij * V x_j + T e_ij) from the sums of a_ij V x_j e_ij' and of a_ij e_ij.
        weighted = (weight @ self.channels) * F.linear(x, to_value).unsqueeze(1)
        scaled = (edges.mT @ weighted * scale.mT).sum(2)
        mean_edge = edges.mT @ weight  # [B, M, e, heads]
        shifted = torch.einsum("bmeh,hce->bmhc", mean_edge, shift.unflatten(0, (self.heads, -1))).flatten(2)
        gathered: Tensor = self.out(scaled + shifted)
        return gathered


class RelationalEdgeUpdate(nn.Module):
    """Two steps: from an edge, its reverse and its ends; and from the edge alone.

    Arguments:
        node_width, width: features of a node and of an edge.
        hidden: width of the MLPs.
    """

    def __init__(self, node_width: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.pair = linear(2 * width, hidden)
        self.source, self.target = linear(node_width, hidden), linear(node_width, hidden)
        self.mix = nn.Sequential(nn.GELU(), linear(hidden, width), Dropout(dropout))
        self.mlp = nn.Sequential(linear(width, hidden, bias=False), nn.GELU(), linear(hidden, width), Dropout(dropout))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, source: Tensor, target: Tensor, edges: Tensor, reverse: Tensor) -> Tensor:
        """source `[B, M, d]`, target `[B, N, d]`, edges and their reverse `[B, M, N, e]`."""
        own, other = self.pair.weight.chunk(2, 1)
        hidden = F.linear(edges, own, self.pair.bias) + F.linear(reverse, other)
        hidden = hidden.add_(self.source(source).unsqueeze(2)).add_(self.target(target).unsqueeze(1))
        edges = self.norms[0](edges + self.mix(hidden))
        updated: Tensor = self.norms[1](edges + self.mlp(edges))
        return updated


class RelationalLayer(nn.Module):
    """Attention, node update and, where the edges are read again, edge update."""

    def __init__(self, method: NGT, *, update_edges: bool) -> None:
        super().__init__()
        self.attention = RelationalAttention(method.width, method.edge_width, method.attention_width, method.heads)
        self.merge = nn.Sequential(linear(method.width, method.width), Dropout(method.dropout))
        self.mlp = nn.Sequential(
            linear(method.width, method.node_hidden, bias=False),
            nn.GELU(),
            linear(method.node_hidden, method.width),
            Dropout(method.dropout),
        )
        self.norms = nn.ModuleList([nn.LayerNorm(method.width), nn.LayerNorm(method.width)])
        self.update_edges = (
            RelationalEdgeUpdate(method.width, method.edge_width, method.edge_hidden, method.dropout)
            if update_edges
            else None
        )

    def forward(self, x: Tensor, edges: Tensor, queries: Chosen, kept: Chosen) -> tuple[Tensor, Tensor]:
        """The nodes `queries` of x `[B, N, d]` updated, and the edges from those of them that are `kept`.

        edges `[B, M, N, e]` go from the nodes `queries` to all.
        """
        nodes = x[:, queries]
        nodes = self.norms[0](nodes + self.merge(self.attention(nodes, x, edges)))
        nodes = self.norms[1](nodes + self.mlp(nodes))
        if self.update_edges is not None:
            reverse = edges[:, :, kept].transpose(1, 2)
            edges = self.update_edges(nodes[:, kept], nodes, edges[:, kept], reverse)
        return nodes, edges


class Transformer(nn.Module):
    """Embeds a network as a graph and runs the layers.

    Arguments:
        outputs_only: only the output nodes will be read; else all nodes and, for editing, all edges.
    """

    def __init__(
        self,
        method: NGT,
        architectures: Sequence[Architecture],
        train: Sequence[Networks],
        *,
        outputs_only: bool = False,
        edges: bool = False,
    ) -> None:
        super().__init__()
        self.outputs_only = outputs_only
        self.embedding = GraphEmbedding(
            architectures,
            train,
            method.width,
            method.edge_width,
            reverse=False,
            probes=method.probes,
            position_embeddings=method.position_embeddings,
            fourier_features=method.fourier_features,
            fourier_sigma=method.fourier_sigma,
            any_ends=not outputs_only,
        )
        self.layers = nn.ModuleList(
            RelationalLayer(method, update_edges=edges or number < method.depth - 1) for number in range(method.depth)
        )

    def forward(self, networks: Networks) -> tuple[GraphLayout, list[Tensor], Tensor]:
        """The layout, nodes per level (`outputs_only`: of the outputs), and for editing edges `[B, N, N, e]`."""
        view = self.embedding.view(networks)
        layout = view.layout
        x = torch.cat(self.embedding.nodes(view), 1)
        all_nodes: Chosen = slice(None)
        queries = [all_nodes] * len(self.layers)
        if self.outputs_only:
            queries[-1] = output_nodes(layout)
        edges = self._all_pairs(view)[:, queries[0]]
        for layer, rows, next_rows in zip(self.layers, queries, [*queries[1:], all_nodes], strict=True):
            x, edges = layer(x, edges, rows, next_rows)
        if self.outputs_only:
            return layout, [x], edges
        nodes = list(x.split(layout.widths, 1))
        return layout, nodes, edges

    def _all_pairs(self, view: GraphView) -> Tensor:
        """First features of every pair (source, target) of nodes; where there are two edges, of both."""
        networks, layout = view.networks, view.layout
        absent = self.embedding.embed(networks.params.new_zeros(self.embedding.slots.kernel))
        nodes = sum(layout.widths)
        edges = absent.expand(len(networks), nodes, nodes, -1).clone()
        filled = set()
        for block, features in self.embedding.edges(view).items():
            sources, targets = layout.nodes(block.source), layout.nodes(block.target)
            if block.dense:
                place: tuple[Chosen, Chosen, Chosen] = (slice(None), sources, targets)
                values = features.transpose(1, 2)
            else:
                widths = layout.widths[block.source], layout.widths[block.target]
                places = (torch.arange(max(widths), device=edges.device) // (max(widths) // n) for n in widths)
                place = (slice(None), *(at + nodes.start for at, nodes in zip(places, (sources, targets), strict=True)))
                values = features[:, 0]
            if (block.source, block.target) in filled:
                values = edges[place] + values - absent
            edges[place] = values
            filled.add((block.source, block.target))
        return edges


def output_nodes(layout: GraphLayout) -> Chosen:
    """Where the output nodes lie among all."""
    if len(layout.outputs) == 1:
        return layout.nodes(layout.outputs[0])
    widths = range(sum(layout.widths))
    return torch.tensor([node for level in layout.outputs for node in widths[layout.nodes(level)]])


class TransformerReader(nn.Module):
    """Reads the pooled nodes with an MLP of two layers."""

    def __init__(
        self, method: NGT, architectures: Sequence[Architecture], train: Sequence[Networks], output_dim: int
    ) -> None:
        super().__init__()
        self.graph = Transformer(method, architectures, train, outputs_only=method.readout == "outputs")
        self.pool = GraphReadout(method.readout, method.width, layout_of(architectures[0]).ends[1])
        self.read = mlp(self.pool.size, 128, output_dim)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        layout, nodes, _ = self.graph(networks)
        logits: Tensor = self.read(self.pool(nodes, (0,) if self.graph.outputs_only else layout.outputs))
        return logits


class TransformerEditor(nn.Module):
    """Proposes a change of every bias from its node and of every weight from its edge."""

    def __init__(self, method: NGT, architectures: Sequence[Architecture], train: Sequence[Networks]) -> None:
        super().__init__()
        arch = require_single_mlp(architectures, method.name)
        self.graph = Transformer(method, architectures, train, edges=True)
        self.read_node = mlp(method.width, method.width, 1)
        self.read_edge = mlp(method.edge_width, method.edge_width, 1)
        self.edit = NetworkEdit(arch)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        layout, nodes, edges = self.graph(networks)
        changes = []
        for tensor in networks.arch.tensors:
            if tensor.kind == "weight":
                block = edges[:, layout.nodes(tensor.layer), layout.nodes(tensor.layer + 1)]
                changes.append(self.read_edge(block.transpose(1, 2)).flatten(1))
            else:
                changes.append(self.read_node(nodes[tensor.layer + 1]).flatten(1))
        edited: Networks = self.edit(networks, torch.cat(changes, 1))
        return edited


class NGT(NeuralMethod):
    """Relational transformer over the neural graph, with optional probe features.

    The defaults are the published model and recipe for INR classification. Published for dilation: `heads=4 dropout=0.3
    fourier_sigma=3 warmup_steps=10000 clip_norm=1`; for the Small CNN Zoo `width=128 edge_width=64 attention_width=256
    batch_size=192 epochs=300 warmup_steps=0`. Parameters equal the released implementation's, and with equal parameters
    outputs and gradients do. Memory grows with the square of the number of neurons.

    Fields:
        width, edge_width: features per node and edge.
        attention_width: of queries, keys and values, all heads together.
        node_hidden, edge_hidden: of the MLPs.
        depth, heads: layers, and attention heads in each.
        probes, position_embeddings, readout, fourier_features, fourier_sigma: as in ng-gnn.
    """

    name = "ng-t"
    any_operation = True
    tasks = ("inr-classification", "inr-dilation", "property")
    symmetries = ("permutation",)
    paper = "arXiv:2403.12143"
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 64
    edge_width: PositiveInt = 32
    attention_width: PositiveInt = 128
    node_hidden: PositiveInt = 128
    edge_hidden: PositiveInt = 64
    depth: PositiveInt = 4
    heads: PositiveInt = 8
    probes: NonNegativeInt = 0
    position_embeddings: bool = True
    readout: GraphPooling = "outputs"
    fourier_features: NonNegativeInt = 256
    fourier_sigma: PositiveFinite = 1.0
    dropout: DropoutRate = 0.2
    epochs: int = 200
    batch_size: int = 128
    warmup_steps: int = 1000
    clip_norm: float = 10.0
    augment: tuple[str, ...] = NAVON

    def check(self, task: TaskView) -> None:
        """Refuse what `ng-gnn` refuses, and heads that do not divide the attention's width. Raises BadInput."""
        super().check(task)
        require_readable(
            task.architectures,
            self.name,
            outputs_only=self.readout == "outputs",
            probes=self.probes,
            editing=task.output == "networks",
        )
        if self.attention_width % self.heads:
            raise BadInput(f"ng-t: attention_width={self.attention_width} is no multiple of heads={self.heads}")

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        architectures, train = task.architectures, task.splits["train"].groups
        if task.output == "networks":
            return TransformerEditor(self, architectures, train)
        return TransformerReader(self, architectures, train, task.output_dim)
