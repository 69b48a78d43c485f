"""GCN: a plain graph convolutional network over the neurons (Kipf and Welling, ICLR 2017, arXiv:1609.02907).

The node-only baseline of graph methods. Nodes have what belongs to neurons (biases, the parameters and statistics of
normalisations, position embeddings) as features; edges have none, but are as strong as the norm of their weight or
kernel. One layer is equation 2,
    X' = ReLU(D^-1/2 (A + I) D^-1/2 X W),
with the symmetric matrix A of strengths and D the row sums of A + I. Signs of weights, and what a kernel looks like,
are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from .contract.task_view import TaskView
from .graphs.graph_embedding import GraphEmbedding
from .graphs.graph_readout import GraphPooling, GraphReadout, mlp
from .graphs.graph_view import GraphView
from .graphs.neural_graph import EdgeBlock, layout_of
from .graphs.slots import require_readable
from .training.neural_method import NeuralMethod


def strengths(view: GraphView) -> dict[EdgeBlock, Tensor]:
    """A: of every block, in both directions, the norms of its weights and kernels `[B, out, in]`; of ties a one."""
    found = {}
    for block in view.layout.blocks:
        values = view.edges(block)
        if values is not None:
            norms = values.norm(dim=3)
            found[block], found[block.reverse] = norms, norms.mT
        else:
            found[block] = found[block.reverse] = view.networks.params.new_ones(())
    return found


def neighbour_sums(edges: dict[EdgeBlock, Tensor], nodes: Sequence[Tensor]) -> list[Tensor]:
    """(A + I) X: of every node, its own features `[B, n, d]` and its neighbours', times the edges' strengths."""
    sums = list(nodes)
    for block, strength in edges.items():
        source = nodes[block.source]
        found = strength @ source if block.dense else block.ends(nodes[block.target], source)[1].sum(2)
        sums[block.target] = sums[block.target] + found
    return sums


class ConvolutionalReader(nn.Module):
    """Embeds the nodes, convolves, pools them and reads the pool with an MLP of two layers."""

    def __init__(
        self, method: GCN, architectures: Sequence[Architecture], train: Sequence[Networks], output_dim: int
    ) -> None:
        super().__init__()
        self.embedding = GraphEmbedding(
            architectures,
            train,
            method.width,
            0,
            reverse=False,
            probes=0,
            position_embeddings=method.position_embeddings,
            fourier_features=0,
            fourier_sigma=1.0,
            any_ends=method.readout != "outputs",
        )
        self.layers = nn.ModuleList(nn.Linear(method.width, method.width) for _ in range(method.depth))
        self.pool = GraphReadout(method.readout, method.width, layout_of(architectures[0]).ends[1])
        self.read = mlp(self.pool.size, method.width, output_dim)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        view = self.embedding.view(networks)
        layout = view.layout
        edges = strengths(view)
        ones = [networks.params.new_ones(len(networks), n, 1) for n in layout.widths]
        scales = [degree.rsqrt() for degree in neighbour_sums(edges, ones)]
        nodes = self.embedding.nodes(view)
        for layer in self.layers:
            sums = neighbour_sums(edges, [scale * layer(x) for scale, x in zip(scales, nodes, strict=True)])
            nodes = [(scale * x).relu() for scale, x in zip(scales, sums, strict=True)]
        logits: Tensor = self.read(self.pool(nodes, layout.outputs))
        return logits


class GCN(NeuralMethod):
    """Plain graph convolutions over the neurons, the node-only baseline of graph methods.

    It reads any network, and networks of different architectures together.

    Fields:
        width, depth: of the convolutions.
        position_embeddings, readout: as in ng-gnn.
    """

    name = "gcn"
    any_operation = True
    tasks = ("inr-classification", "property")
    symmetries = ("permutation",)
    paper = "arXiv:1609.02907"

    width: PositiveInt = 64
    depth: PositiveInt = 3
    position_embeddings: bool = True
    readout: GraphPooling = "mean"
    epochs: int = 30
    batch_size: int = 64
    lr: float = 3e-3
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"

    def check(self, task: TaskView) -> None:
        """Refuse networks of different outputs where these are read side by side. Raises BadInput."""
        super().check(task)
        outputs_only = self.readout == "outputs"
        require_readable(task.architectures, self.name, outputs_only=outputs_only, probes=0, editing=False)

    def build(self, task: TaskView) -> nn.Module:
        """The reader."""
        return ConvolutionalReader(self, task.architectures, task.splits["train"].groups, task.output_dim)
