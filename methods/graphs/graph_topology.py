"""Graphs of networks of one architecture, batched as torch_geometric batches graphs; positional features of nodes."""

from __future__ import annotations

import zlib
from functools import cached_property

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.networks.neuron_graph import WeightEdges
from .graph_view import graph_view, seen_layout
from .neural_graph import EdgeBlock, GraphLayout, layout_of

DENSE_NODES = 2000  # up to there all eigenvectors are computed at once


def laplacian_features(edge_index: Tensor, nodes: int, k: int) -> Tensor:
    """The k eigenvectors of D^-1/2 (D - A) D^-1/2 after the trivial one, smallest eigenvalues first, `[nodes, k]`.

    A is the undirected, unweighted graph; a graph of fewer than k + 1 nodes is padded with zeros.
    """
    ends = edge_index.numpy()
    adjacency = scipy.sparse.coo_matrix((np.ones(ends.shape[1]), ends), (nodes, nodes)).tocsr()
    laplacian = scipy.sparse.csgraph.laplacian(((adjacency + adjacency.T) > 0).astype(float), normed=True)
    if nodes <= DENSE_NODES:
        _, vectors = np.linalg.eigh(laplacian.toarray())
    else:
        values, vectors = scipy.sparse.linalg.eigsh(laplacian, k + 1, which="SM", v0=np.ones(nodes))
        vectors = vectors[:, values.argsort()]
    found = torch.from_numpy(vectors[:, 1 : k + 1].copy()).float()
    return nn.functional.pad(found, (0, k - found.shape[1]))


def weighted_laplacian_features(weights: Tensor, edge_index: Tensor, nodes: int, k: int) -> Tensor:
    """The same of graphs whose edges have weights, `[B, nodes, k]`; each vector's largest entry is positive.

    Arguments:
        weights: of the edges, not negative, `[B, E]`.
    """
    adjacency = weights.new_zeros(len(weights), nodes, nodes, dtype=torch.float64)
    adjacency[:, edge_index[0], edge_index[1]] = weights.double()
    adjacency = adjacency + adjacency.mT
    scale = adjacency.sum(2).clamp(min=1e-12).rsqrt()
    laplacian = torch.eye(nodes) - scale.unsqueeze(2) * adjacency * scale.unsqueeze(1)
    vectors = torch.linalg.eigh(laplacian).eigenvectors[:, :, 1 : k + 1]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return nn.functional.pad((vectors * largest.sign()).float(), (0, k - vectors.shape[2]))


def level_features(layout: GraphLayout, k: int) -> Tensor:
    """The eigenvectors of `laplacian_features`, but of those that are alike on all nodes of a level, `[nodes, k]`.

    They are found by a matrix of the size of the levels, the quotient of the graph by them, so that no order of the
    nodes can show, and padded with zeros where there are fewer than k + 1 levels. Groups of channels that may change
    places count as one level.
    """
    widths = torch.tensor(layout.widths, dtype=torch.float64)
    edges = torch.zeros(len(widths), len(widths), dtype=torch.float64)  # between two levels
    for source, target, _, dense, _ in layout.blocks:
        if source != target:
            both = widths[[source, target]]
            edges[source, target] = edges[target, source] = max(
                edges[source, target], both.prod() if dense else both.max()
            )
    alike = _alike(torch.tensor([level.level for level in layout.levels]), edges / widths.unsqueeze(1))
    members = nn.functional.one_hot(alike).double()
    edges, widths = members.T @ edges @ members, widths @ members
    scale = edges.sum(1).clamp(min=1e-12).rsqrt()
    laplacian = torch.eye(len(widths)) - scale.unsqueeze(1) * edges * scale
    vectors = torch.linalg.eigh(laplacian).eigenvectors[:, 1 : k + 1] * widths.rsqrt().unsqueeze(1)
    found = vectors.float()[alike].repeat_interleave(torch.tensor(layout.widths), 0)
    return nn.functional.pad(found, (0, k - found.shape[1]))


def _alike(colours: Tensor, degrees: Tensor) -> Tensor:
    """Classes `[levels]`, the coarsest within `colours` whose nodes have alike neighbours (Weisfeiler and Leman).

    Arguments:
        degrees: edges from a node of each level to all nodes of another, `[levels, levels]`.
    """
    colours, count = colours.unique(return_inverse=True)[1], 0
    while count < (count := int(colours.max()) + 1):
        signatures = torch.cat([colours.unsqueeze(1).double(), degrees @ nn.functional.one_hot(colours).double()], 1)
        colours = signatures.unique(dim=0, return_inverse=True)[1]
    return colours


def kernel_length(arch: Architecture) -> int:
    """The elements of the largest kernel."""
    edges = [edges for edges in layout_of(arch).edges if isinstance(edges, WeightEdges)]
    return max(found.length(arch) // (found.source.block * found.target.block) for found in edges)


class GraphTopology:
    """Networks of one architecture as one large graph; each has the same nodes and edges, those of their neural graph.

    Arguments:
        eigenvectors: how many positional features a node has, k.

    Attributes:
        nodes: how many a network has, N.
        edge_index: `[2, E]`, the weights tensor by tensor, then ties.
        non_edges: `[2, pairs]`, the pairs of nodes without an edge.
    """

    def __init__(self, arch: Architecture, eigenvectors: int) -> None:
        self.layout, self.eigenvectors = seen_layout(arch), eigenvectors
        self.nodes = sum(self.layout.widths)
        self.edge_index = torch.cat([self._ends(block) for block in self.layout.blocks], 1)
        self.ties = sum(self._ends(block).shape[1] for block in self.layout.blocks if not block.dense)
        linked = torch.zeros(self.nodes, self.nodes, dtype=torch.bool)
        linked[self.edge_index[0], self.edge_index[1]] = True
        self.non_edges = (~(linked | linked.T)).triu(1).nonzero().T

    def _ends(self, block: EdgeBlock) -> Tensor:
        """Sources and targets `[2, edges]` of a block."""
        source, target = (torch.arange(self.nodes)[self.layout.nodes(end)] for end in (block.source, block.target))
        if block.dense:
            return torch.stack([source.repeat(len(target)), target.repeat_interleave(len(source))])
        count = max(len(source), len(target))
        return torch.stack([end.repeat_interleave(count // len(end)) for end in (source, target)])

    @cached_property
    def laplacian(self) -> Tensor:
        """The features of `laplacian_features`."""
        return laplacian_features(self.edge_index, self.nodes, self.eigenvectors)

    def tiled(self, edge_index: Tensor, batch: int) -> Tensor:
        """`[2, batch * E]`: the same edges in each of `batch` graphs."""
        offsets = self.nodes * torch.arange(batch).view(1, -1, 1)
        return (edge_index.unsqueeze(1) + offsets).flatten(1)

    def edges(self, networks: Networks, edge_dim: int) -> Tensor:
        """Weights and kernels `[B * E, edge_dim]` in the order of `edge_index`; ties have a weight of 1.

        Shorter ones are padded with zeros, longer ones cut.
        """
        features = [values.flatten(1, 2) for values in self.weights(networks)]
        features.append(networks.params.new_ones(len(networks), self.ties, 1))
        return torch.cat([nn.functional.pad(x, (0, edge_dim - x.shape[2])) for x in features], 1).flatten(0, 1)

    def weights(self, networks: Networks) -> list[Tensor]:
        """Of every tensor with edges, `[B, target, source, k]`."""
        view = graph_view(networks)
        return [values for block in self.layout.blocks if (values := view.edges(block)) is not None]

    def laplacian_positions(self, networks: Networks) -> Tensor:
        """Laplacian features of every node, `[B * N, k]`."""
        return self.laplacian.repeat(len(networks), 1)

    def weighted_laplacian_positions(self, networks: Networks) -> Tensor:
        """Laplacian features of every node where a weight or kernel is an edge as strong as its norm, `[B * N, k]`."""
        strengths = self.edges(networks, kernel_length(networks.arch)).norm(dim=1).view(len(networks), -1).cpu()
        return weighted_laplacian_features(strengths, self.edge_index, self.nodes, self.eigenvectors).flatten(0, 1)

    def level_positions(self, networks: Networks) -> Tensor:
        """Laplacian features that the nodes of a level share, `[B * N, k]`."""
        return level_features(self.layout, self.eigenvectors).repeat(len(networks), 1)

    def random_positions(self, networks: Networks) -> Tensor:
        """Random features of every node, `[B * N, k]`, drawn anew for each network: its weights are the seed."""
        seeds = [zlib.crc32(row.numpy().tobytes()) for row in networks.params]
        shape = self.nodes, self.eigenvectors
        draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.cat(draws)
