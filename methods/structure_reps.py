"""StructureReps: embed networks by their graphs' structure, without labels ("Structure Matters", 2025).

Neurons (or channels) are nodes, weights (or kernels) are edge features. Three parts, each with the paper's ablation:
edge attention makes node features of the incoming edges (EA), Laplacian eigenvectors are a node's positional features
(LF, or random features, RF), and two layers of message passing (TransformerConv, TC, or GATConv, GC) give each node a
mean and a deviation: a variational graph auto-encoder (Kipf and Welling 2016), trained to tell edges from pairs of
nodes without one. A network's embedding is the mean of its nodes' means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch_geometric.nn import VGAE, GATConv, TransformerConv
from torch_geometric.utils import scatter, softmax

from ..runtime.errors import BadInput
from ..runtime.progress import track
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from ..zoo.networks.symmetry import neuron_groups
from ..zoo.storage.zoo import Split
from .contract.linear_readout import LinearReadout
from .contract.method import Method
from .contract.network_checks import require_finite
from .contract.parameter_ranges import NonNegativeFinite, PositiveFinite
from .contract.task_view import TaskView
from .graphs.graph_topology import GraphTopology, kernel_length
from .graphs.graph_view import MAX_EDGES, seen_layout
from .graphs.neural_graph import layout_of
from .graphs.neuron_nodes import group_nodes
from .training.training_flops import epoch_flops

Convolution = Literal["transformer", "gat"]
NOISE_SCALE = 0.1  # standard deviation of edge attention's noise, in those of the weights


class EdgeAttention(nn.Module):
    """Node features `[N, K]` from edge features `[E, K]`: x_j = sum_i alpha_ij e_ij over incoming edges.

    alpha_ij = softmax_i LeakyReLU(a^T Theta [LeakyReLU(Theta_e e_ij + b_e), e_ij, n(e_ij)]); the noise n is added in
    training only, so that an embedding is a function of its network.
    """

    def __init__(self, edge_dim: int, width: int) -> None:
        super().__init__()
        self.transform = nn.Linear(edge_dim, width)
        self.project = nn.Linear(width + 2 * edge_dim, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, edges: Tensor, edge_index: Tensor, nodes: int) -> Tensor:
        """Edges `[E, K]` and edge_index `[2, E]`; returns `[nodes, K]`."""
        noised = edges + NOISE_SCALE * torch.randn_like(edges) if self.training else edges
        transformed = nn.functional.leaky_relu(self.transform(edges))
        scores = self.score(self.project(torch.cat([transformed, edges, noised], 1)))
        alpha = softmax(nn.functional.leaky_relu(scores), edge_index[1], num_nodes=nodes)
        found: Tensor = scatter(alpha * edges, edge_index[1], dim=0, dim_size=nodes, reduce="sum")
        return found


class StructureEncoder(nn.Module):
    """Two layers of message passing, to the mean and the log deviation of every node.

    Arguments:
        edge_dim: features of an edge, K.
        attention, conv, edge_features, eigenvectors, width: as in `StructureReps`.
    """

    def __init__(
        self, edge_dim: int, *, attention: bool, conv: Convolution, edge_features: bool, eigenvectors: int, width: int
    ) -> None:
        super().__init__()
        self.attention = EdgeAttention(edge_dim, width) if attention else None
        self.edge_features = edge_features
        layer = TransformerConv if conv == "transformer" else GATConv
        inputs, passed = eigenvectors + (edge_dim if attention else 0), edge_dim if edge_features else None
        self.first = layer(inputs, width, edge_dim=passed)
        self.mean, self.deviation = layer(width, width, edge_dim=passed), layer(width, width, edge_dim=passed)

    def forward(self, positions: Tensor, edges: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """Positions `[N, eigenvectors]`, edges `[E, K]`, edge_index `[2, E]`; returns twice `[N, width]`."""
        x = positions
        if self.attention is not None:
            x = torch.cat([self.attention(edges, edge_index, len(positions)), positions], 1)
        passed = edges if self.edge_features else None
        x = nn.functional.relu(self.first(x, edge_index, passed))
        return self.mean(x, edge_index, passed), self.deviation(x, edge_index, passed)


class StructureReps(Method):
    """A graph auto-encoder's embedding of a network; read by a linear model.

    Where a Laplacian eigenvector points is arbitrary: in training every batch flips each at random. The training loop
    is the encoder's own: without targets there is nothing to validate on and no epoch to choose.

    It reads any network by the weights of its edges: biases, and what else belongs to single neurons, such as the
    weights and statistics of normalisations, are no part of the paper's graph. A network of more than 50,000 edges is
    read by as many of them (`graphs.graph_view`), so that memory is bounded.

    Fields:
        attention: edge attention (EA); without it, node features are positional alone.
        conv: "transformer" (TC) or "gat" (GC).
        edge_features: the convolutions see the weights too. Without, they pass on node features only.
        laplacian: of the "graph", which all networks of an architecture share, or of its "weights", where an edge is as
            strong as the norm of its weight or kernel; "levels" takes those eigenvectors of the graph's that all
            neurons of a level share, so that no order of the neurons changes the embedding. The paper leaves this and
            `edge_features` open; as they are by default, weights enter through edge attention alone, and without it
            an embedding knows only the graph.
        features: "laplacian" (LF) or "random" (RF), drawn anew for every network.
        eigenvectors: how many of these features.
        width: of the layers and of the embedding.
        alpha: of ridge regression, where labels are there (the supervised protocol).
        graphs: networks that the encoder is fitted on, drawn from the training split; all are embedded.
    """

    name = "structure-reps"
    any_operation = True
    tasks: ClassVar[tuple[str, ...]] = ("property", "neuron-alignment")
    recipe_fields = frozenset(("graphs", "epochs", "batch_size", "lr"))
    later_fields = frozenset(("edge_features", "laplacian"))

    attention: bool = True
    conv: Convolution = "transformer"
    edge_features: bool = False
    laplacian: Literal["graph", "weights", "levels"] = "graph"
    features: Literal["laplacian", "random"] = "laplacian"
    eigenvectors: PositiveInt = 8
    width: PositiveInt = 32
    alpha: NonNegativeFinite = 1.0
    graphs: PositiveInt = 256
    epochs: NonNegativeInt = 10
    batch_size: PositiveInt = 16
    lr: PositiveFinite = 1e-3

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Train the encoder on networks alone; where there are targets, fit the linear model to the embeddings."""
        self.device = device
        self.topologies: dict[Architecture, GraphTopology] = {}
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            torch.manual_seed(seed)
            shares = [-(-self.graphs * len(networks) // len(train)) for networks in train.groups]
            chosen = [n[torch.randperm(len(n))[:share]] for n, share in zip(train.groups, shares, strict=True)]
            self._fit_encoder(chosen)
        if task.output in ("values", "logits"):
            self.readout = LinearReadout(task.output, task.output_dim, self.alpha)
            self.readout.fit(torch.cat([self.transform(networks) for networks in train.groups]), task.targets(train))

    def _fit_encoder(self, groups: list[Networks]) -> None:
        """Adam on the reconstruction of edges and non-edges, plus the divergence of the nodes from N(0, 1)."""
        self.edge_dim = max(kernel_length(networks.arch) for networks in groups)
        weights = [w.flatten() for networks in groups for w in self._topology(networks.arch).weights(networks)]
        self.scale = torch.cat(weights).std()
        encoder = StructureEncoder(
            self.edge_dim,
            attention=self.attention,
            conv=self.conv,
            edge_features=self.edge_features,
            eigenvectors=self.eigenvectors,
            width=self.width,
        )
        self.model = VGAE(encoder).to(self.device)
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.lr)
        batches = [(n, rows) for n in groups for rows in torch.arange(len(n)).split(self.batch_size)]
        self.steps, self.flops = self.epochs * len(batches), 0.0
        self.model.train()
        with track(f"train {self.name}", self.steps, "steps") as advance:
            for _ in range(self.epochs):
                for number in torch.randperm(len(batches)):
                    networks, rows = batches[number]
                    loss = self._loss(networks[rows])
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    advance(1, f"loss {loss.item():.3f}")
        if self.epochs:
            with torch.random.fork_rng(devices=[self.device] if self.device.startswith("cuda") else []):
                each = epoch_flops(lambda n, _: self._loss(n), groups, [n.params for n in groups], self.batch_size)
            optimizer.zero_grad(set_to_none=True)
            self.flops = self.epochs * each

    def _loss(self, networks: Networks) -> Tensor:
        """Of one batch, a mean over edges and nodes; as many pairs without an edge are drawn as there are edges."""
        topology = self._topology(networks.arch)
        signs = torch.randint(0, 2, (self.eigenvectors,)) * 2.0 - 1
        positions, edges, edge_index = self._inputs(networks)
        z = self.model.encode(positions * signs.to(positions), edges, edge_index)
        drawn = topology.non_edges[:, torch.randint(topology.non_edges.shape[1], (topology.edge_index.shape[1],))]
        non_edges = topology.tiled(drawn, len(networks)).to(self.device)
        loss: Tensor = self.model.recon_loss(z, edge_index, non_edges) + self.model.kl_loss() / topology.nodes
        return loss

    def _topology(self, arch: Architecture) -> GraphTopology:
        if arch not in self.topologies:
            self.topologies[arch] = GraphTopology(arch, self.eigenvectors)
        return self.topologies[arch]

    def _inputs(self, networks: Networks) -> tuple[Tensor, Tensor, Tensor]:
        """Positions `[B * N, eigenvectors]`, edges `[B * E, K]` and edge_index `[2, B * E]` of the encoder."""
        topology = self._topology(networks.arch)
        edges = topology.edges(networks, self.edge_dim) / self.scale
        edge_index = topology.tiled(topology.edge_index, len(networks))
        of_graph = {
            "graph": topology.laplacian_positions,
            "weights": topology.weighted_laplacian_positions,
            "levels": topology.level_positions,
        }[self.laplacian]
        positions = of_graph if self.features == "laplacian" else topology.random_positions
        return positions(networks).to(edges).to(self.device), edges.to(self.device), edge_index.to(self.device)

    @torch.no_grad()
    def _nodes(self, networks: Networks) -> Iterator[Tensor]:
        """The nodes' means, `[batch, nodes, width]`, batch by batch."""
        self.model.eval()
        require_finite(networks, self.name)
        for i in range(0, len(networks), self.batch_size):
            batch = networks[i : i + self.batch_size]
            yield self.model.encode(*self._inputs(batch)).view(len(batch), -1, self.width).cpu()

    def transform(self, networks: Networks) -> Tensor:
        """Mean over the nodes of their means, `[B, width]`."""
        if not len(networks):
            return torch.empty(0, self.width)
        return torch.cat([z.mean(1) for z in self._nodes(networks)])

    def node_embeddings(self, networks: Networks) -> list[Tensor]:
        """The nodes' means, `[B, n, width]` per group of hidden neurons."""
        if not len(networks):
            return [torch.empty(0, group.size, self.width) for group in neuron_groups(networks.arch)]
        if seen_layout(networks.arch) is not layout_of(networks.arch):
            raise BadInput(
                f"{self.name} embeds the neurons of networks of up to {MAX_EDGES:,} edges, not of {networks.arch}"
            )
        z = torch.cat(list(self._nodes(networks)))
        return [z[:, nodes].mean(2) for nodes in group_nodes(networks.arch)]

    def predict(self, networks: Networks) -> Tensor:
        """The linear model's values `[B, 1]` or logits `[B, output_dim]`."""
        return self.readout.predict(self.transform(networks))

    @property
    def num_parameters(self) -> int:
        """Those of the encoder, known after `fit`."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def fit_report(self) -> dict[str, Any]:
        """The epochs and steps of the encoder."""
        return {"budget": {"epochs": self.epochs, "steps": self.steps, "flops": self.flops, "seconds_limit": None}}
