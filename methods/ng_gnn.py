"""NG-GNN: networks as graphs, read by message passing (Kofinas et al., ICLR 2024, arXiv:2403.12143; Zhang et al. 2023).

`neural_graph` makes the graph. One layer is PNA (Corso et al. 2020) with FiLM messages: node i gathers from each
neighbour j, forwards and backwards,
    m_ij = scale(e_ij) * M [x_i, x_j] + shift(e_ij),
takes mean, min, max and standard deviation of them, each also amplified by log(degree + 1), and from all that
    x_i' = SiLU(norm(U [x_i, aggregates])),   e_ij' = W SiLU(W_e e_ij + W_s x_j' + W_t x_i').
The norm has one mean and one deviation for all nodes of all networks of a batch (`JointNorm`): that is what the
released code's LayerNorm computes. With LayerNorm node by node, which takes away what networks differ by, the model
does not learn; with a norm of those nodes alone that outputs depend on it stays at chance longer, if without probes.

The published code runs maps of concatenated ends on every edge. Here they run on nodes; W and the next layer's maps of
e_ij' are multiplied once instead of applied one after the other; and what neither an output nor a norm depends on is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from .contract.parameter_ranges import DropoutRate, PositiveFinite
from .contract.task_view import TaskView
from .graphs.graph_embedding import GraphEmbedding
from .graphs.graph_readout import GraphPooling, GraphReadout, mlp
from .graphs.neural_graph import EdgeBlock, GraphLayout, layout_of
from .graphs.slots import require_readable, require_single_mlp
from .layers.axis_extrema import amax, amin
from .layers.dropout import Dropout
from .layers.joint_norm import JointNorm
from .layers.network_edit import NetworkEdit
from .training.augmentation import NAVON
from .training.neural_method import NeuralMethod

Aggregator = Literal["mean", "min", "max", "std"]


@dataclass(frozen=True)
class GraphFeatures:
    """Nodes and edges of a graph between two layers.

    Edges are kept before the last linear map of their update, because whatever reads them begins with a linear map too:
    `mapped_edges` multiplies the two maps once instead of applying both to every edge.

    Arguments:
        nodes: `[B, n, d]` per level.
        unmapped_edges: of the blocks that a later layer reads, `[B, out, in, d]`.
        edge_map: turns them into the edges; None where they are the edges.
    """

    layout: GraphLayout
    nodes: list[Tensor]
    unmapped_edges: dict[EdgeBlock, Tensor]
    edge_map: nn.Linear | None = None

    def mapped_edges(self, linear: nn.Linear, block: EdgeBlock) -> Tensor:
        """`linear` of a block's edges, `[B, out, in, outputs of linear]`."""
        if self.edge_map is None:
            return F.linear(self.unmapped_edges[block], linear.weight, linear.bias)
        bias = linear.weight @ self.edge_map.bias + linear.bias
        return F.linear(self.unmapped_edges[block], linear.weight @ self.edge_map.weight, bias)


class MessageLayer(nn.Module):
    """One round of messages, and of edge updates unless it is the last.

    Arguments:
        width, aggregators, residual, dropout: as in `NGGNN`.
        mean_log_degree: of all nodes of the training networks' graphs.
    """

    def __init__(
        self,
        width: int,
        aggregators: Sequence[Aggregator],
        mean_log_degree: float,
        *,
        residual: bool,
        dropout: float,
        last: bool,
    ) -> None:
        super().__init__()
        self.aggregators, self.mean_log_degree = aggregators, mean_log_degree
        self.residual, self.last = residual, last
        self.film = nn.Linear(width, 2 * width)
        self.ends = nn.Linear(2 * width, width)
        self.update = nn.Linear((1 + 2 * len(self.aggregators)) * width, width)
        self.out = nn.Linear(width, width)
        self.norm = None if last or self.residual else JointNorm(width)
        self.dropout = Dropout(dropout)
        if not last:
            self.edge, self.edge_out = nn.Linear(width, width), nn.Linear(width, width)
            self.edge_source, self.edge_target = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, graph: GraphFeatures, into: frozenset[int], next_into: frozenset[int]) -> GraphFeatures:
        """Updates the levels `into`, and the edges into `next_into`, the levels that the next layer will update."""
        nodes, updated = graph.nodes, list(graph.nodes)
        weight_i, weight_j = self.ends.weight.chunk(2, 1)
        target, source = [F.linear(x, weight_i, self.ends.bias) for x in nodes], [F.linear(x, weight_j) for x in nodes]
        blocks = [block for block in graph.unmapped_edges if block.target in into]
        messages: dict[int, list[tuple[Tensor, int]]] = {level: [] for level in into}
        for block in blocks:
            scale, shift = graph.mapped_edges(self.film, block).chunk(2, -1)
            x_i, x_j = block.ends(target[block.target], source[block.source])
            messages[block.target].append((torch.addcmul(shift, scale, x_i + x_j), block.axis))
        changes = []
        for level in sorted(into):
            gathered = aggregate(messages[level], self.aggregators)
            amplified = gathered * (math.log(graph.layout.degrees[level] + 1) / self.mean_log_degree)
            changes.append(self.update(torch.cat([nodes[level], gathered, amplified], -1)))
        for level, x in zip(sorted(into), self._finish([nodes[level] for level in sorted(into)], changes), strict=True):
            updated[level] = x
        if self.last:
            return replace(graph, nodes=updated)
        source, target = [self.edge_source(x) for x in updated], [self.edge_target(x) for x in updated]
        edges = {}
        for block in blocks:
            if block.target in next_into:
                x_i, x_j = block.ends(target[block.target], source[block.source])
                hidden = F.silu(graph.mapped_edges(self.edge, block) + x_i + x_j)
                edges[block] = graph.unmapped_edges[block] + self.edge_out(hidden) if self.residual else hidden
        return GraphFeatures(graph.layout, updated, edges, None if self.residual else self.edge_out)

    def _finish(self, nodes: list[Tensor], changes: list[Tensor]) -> list[Tensor]:
        """The levels' new nodes."""
        if self.residual:
            return [x + self.out(self.dropout(F.silu(change))) for x, change in zip(nodes, changes, strict=True)]
        updated = [self.out(change) for change in changes]
        if self.norm is None:
            return updated
        return [self.dropout(F.silu(x)) for x in self.norm(updated)]


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
            variance = torch.stack(squares).sum(0) / count
            parts.append(torch.where(variance > 1e-5, variance.clamp(min=1e-5).sqrt(), 0.0))
        else:
            extremum = amin if name == "min" else amax
            parts.append(extremum(torch.stack([extremum(message, axis) for message, axis in messages]), 0))
    return torch.cat(parts, -1)


class MessagePassing(nn.Module):
    """Embeds a network as a graph and runs the message layers.

    Arguments:
        outputs_only: only the output nodes will be read. The last layer then works for these alone. Without norms,
            which see all nodes, layer k from the end does so for their neighbourhood up to k steps away.
    """

    def __init__(
        self, method: NGGNN, architectures: Sequence[Architecture], train: Sequence[Networks], *, outputs_only: bool
    ) -> None:
        super().__init__()
        self.outputs_only, self.normed = outputs_only, not method.residual
        self.embedding = GraphEmbedding(
            architectures,
            train,
            method.width,
            method.width,
            reverse=True,
            probes=method.probes,
            position_embeddings=method.position_embeddings,
            fourier_features=method.fourier_features,
            fourier_sigma=method.fourier_sigma,
            any_ends=not outputs_only,
        )
        # PNA's amplification: log(degree + 1) over its mean over all nodes of the graphs, for which the published code
        # counts forward edges alone.
        layouts = [layout_of(arch) for arch in architectures]
        degrees = [(layout.degrees if method.residual else layout.incoming, layout.widths) for layout in layouts]
        nodes = [pair for found, widths in degrees for pair in zip(found, widths, strict=True)]
        mean = sum(n * math.log(d + 1) for d, n in nodes) / sum(n for _, n in nodes)
        self.layers = nn.ModuleList(
            MessageLayer(
                method.width,
                method.aggregators,
                mean,
                residual=method.residual,
                dropout=method.dropout,
                last=number == method.depth - 1,
            )
            for number in range(method.depth)
        )

    def forward(self, networks: Networks) -> GraphFeatures:
        """The last layer's nodes; edges where all nodes are read, for editing."""
        view = self.embedding.view(networks)
        layout = view.layout
        graph = GraphFeatures(layout, self.embedding.nodes(view), self.embedding.edges(view))
        all_levels = frozenset(range(len(layout.widths)))
        into = [frozenset(layout.outputs) if self.outputs_only else all_levels]
        for _ in self.layers:
            into.insert(0, all_levels if self.normed else layout.reached(into[0]))
        for layer, levels, next_levels in zip(self.layers, into[1:], [*into[2:], frozenset[int]()], strict=True):
            graph = layer(graph, levels, next_levels)
        return graph


class GraphReader(nn.Module):
    """Reads the pooled nodes with an MLP of three layers."""

    def __init__(
        self, method: NGGNN, architectures: Sequence[Architecture], train: Sequence[Networks], output_dim: int
    ) -> None:
        super().__init__()
        self.graph = MessagePassing(method, architectures, train, outputs_only=method.readout == "outputs")
        self.pool = GraphReadout(method.readout, method.width, layout_of(architectures[0]).ends[1])
        self.read = mlp(self.pool.size, method.width, method.width, output_dim)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        graph = self.graph(networks)
        logits: Tensor = self.read(self.pool(graph.nodes, graph.layout.outputs))
        return logits


class GraphEditor(nn.Module):
    """Proposes a change of every bias from its node and of every weight from its forward edge."""

    def __init__(self, method: NGGNN, architectures: Sequence[Architecture], train: Sequence[Networks]) -> None:
        super().__init__()
        arch = require_single_mlp(architectures, method.name)
        self.graph = MessagePassing(method, architectures, train, outputs_only=False)
        self.read_node, self.read_edge = mlp(method.width, method.width, 1), mlp(method.width, method.width, 1)
        self.edit = NetworkEdit(arch)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        graph = self.graph(networks)
        by_tensor = {graph.layout.edges[b.number].tensor: b for b in graph.unmapped_edges if not b.backwards}
        changes = []
        for number, tensor in enumerate(networks.arch.tensors):
            if tensor.kind == "weight":
                first = graph.mapped_edges(self.read_edge[0], by_tensor[number])
                changes.append(self.read_edge[1:](first).flatten(1))
            else:
                changes.append(self.read_node(graph.nodes[tensor.layer + 1]).flatten(1))
        edited: Networks = self.edit(networks, torch.cat(changes, 1))
        return edited


class NGGNN(NeuralMethod):
    """Message passing over the neural graph, with optional probe features.

    The defaults are the released model and recipe for INR classification: configuration `pna` with the settings of the
    released scripts (dropout 0.2, 200 epochs, edges also backwards); `width=64` and `probes=64` are larger rows of the
    paper of 2024. Published for dilation: `width=128 fourier_features=0 warmup_steps=10000 clip_norm=1`; for the Small
    CNN Zoo `width=256 epochs=300 warmup_steps=0`. Parameters equal the released implementation's, and with equal
    parameters outputs and gradients do. Two things differ. In prediction running means take the batch's place in the
    norm, for which the released code takes the networks that are predicted together. And probe features are added to
    the node features after a map and a LayerNorm, as in that code; the workshop paper of 2023 concatenates them.

    It reads any network, and networks of different architectures together; of deep ones `readout=outputs` sees what is
    `depth` levels from the outputs, `readout=mean` all. With `position_embeddings=false` besides, networks may have
    other numbers of inputs and outputs than those of training. A network of more than 50,000 edges is read by as many
    of them (`graphs.graph_view`), so that memory is bounded: a training step on a ResNet-18 peaks at 1 GiB.

    This model needs many steps; `ng-gnn-residual` learns from a few thousand networks in a few epochs.

    Fields:
        width, depth: of the message layers.
        probes: learned inputs whose activations are added to the node features (0, 4, 16 or 64 in the tables).
        position_embeddings: tell the levels, and the input and output neurons, apart.
        readout: "outputs" reads the output nodes side by side; "sum", "mean" or "attention" pools all nodes.
        aggregators: what a neuron keeps of its messages; PNA's four, or fewer for speed.
        fourier_features, fourier_sigma: of the embedding of weights and biases; 0 features: a linear embedding.
    """

    name = "ng-gnn"
    any_operation = True
    version = "3"
    tasks = ("inr-classification", "inr-dilation", "property")
    symmetries = ("permutation",)
    paper = "arXiv:2403.12143"
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}
    residual: ClassVar[bool] = False  # whether updates of nodes and edges are added to what was there

    width: PositiveInt = 32
    depth: PositiveInt = 4
    probes: NonNegativeInt = 0
    position_embeddings: bool = True
    readout: GraphPooling = "outputs"
    aggregators: Annotated[tuple[Aggregator, ...], Field(min_length=1)] = ("mean", "min", "max", "std")
    fourier_features: NonNegativeInt = 256
    fourier_sigma: PositiveFinite = 3.0
    dropout: DropoutRate = 0.2
    epochs: int = 200
    batch_size: int = 128
    warmup_steps: int = 1000
    clip_norm: float = 10.0
    augment: tuple[str, ...] = NAVON

    def check(self, task: TaskView) -> None:
        """Refuse networks of different outputs where these are read side by side; for editing, all but MLPs of one
        architecture. Raises BadInput."""
        super().check(task)
        require_readable(
            task.architectures,
            self.name,
            outputs_only=self.readout == "outputs",
            probes=self.probes,
            editing=task.output == "networks",
        )

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        architectures, train = task.architectures, task.splits["train"].groups
        if task.output == "networks":
            return GraphEditor(self, architectures, train)
        return GraphReader(self, architectures, train, task.output_dim)
