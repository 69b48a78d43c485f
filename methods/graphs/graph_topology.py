"""Graphs of networks of one architecture, batched as torch_geometric batches graphs; positional features of nodes."""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks

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


class GraphTopology:
    """Networks of one architecture as one large graph; each has the same nodes and edges, those of `to_pyg`.

    Arguments:
        eigenvectors: how many positional features a node has, k.

    Attributes:
        nodes: how many a network has, N.
        edge_index: `[2, E]`, the weights layer by layer, then residual edges.
        non_edges: `[2, pairs]`, the pairs of nodes without an edge.
    """

    def __init__(self, arch: Architecture, eigenvectors: int) -> None:
        template = Networks(arch, torch.zeros(1, arch.num_params)).to_pyg()[0]
        self.edge_index, self.nodes = template.edge_index, int(template.num_nodes)
        self.widths = [arch.input_shape[0], *(layer.weight_shape[0] for layer in arch.layers)]
        self.residual_edges = int((template.edge_type == 1).sum())
        linked = torch.zeros(self.nodes, self.nodes, dtype=torch.bool)
        linked[self.edge_index[0], self.edge_index[1]] = True
        self.non_edges = (~(linked | linked.T)).triu(1).nonzero().T
        self.laplacian = laplacian_features(self.edge_index, self.nodes, eigenvectors)

    def tiled(self, edge_index: Tensor, batch: int) -> Tensor:
        """`[2, batch * E]`: the same edges in each of `batch` graphs."""
        offsets = self.nodes * torch.arange(batch).view(1, -1, 1)
        return (edge_index.unsqueeze(1) + offsets).flatten(1)

    def edges(self, networks: Networks, edge_dim: int) -> Tensor:
        """Weights and kernels `[B * E, edge_dim]` in the order of `edge_index`; residual edges have a weight of 1.

        Shorter ones are padded with zeros, longer ones cut.
        """
        batch = len(networks)
        layers = zip(networks.weights, pairwise(self.widths), strict=True)
        features = [weight.reshape(batch, n_out * n_in, -1) for weight, (n_in, n_out) in layers]
        features.append(networks.params.new_ones(batch, self.residual_edges, 1))
        return torch.cat([nn.functional.pad(x, (0, edge_dim - x.shape[2])) for x in features], 1).flatten(0, 1)

    def laplacian_positions(self, networks: Networks) -> Tensor:
        """Laplacian features of every node, `[B * N, k]`."""
        return self.laplacian.repeat(len(networks), 1)

    def weighted_laplacian_positions(self, networks: Networks) -> Tensor:
        """Laplacian features of every node where a weight or kernel is an edge as strong as its norm, `[B * N, k]`."""
        width = max(weight[0, 0, 0].numel() for weight in networks.weights)
        strengths = self.edges(networks, width).norm(dim=1).view(len(networks), -1).cpu()
        k = self.laplacian.shape[1]
        return weighted_laplacian_features(strengths, self.edge_index, self.nodes, k).flatten(0, 1)

    def random_positions(self, networks: Networks) -> Tensor:
        """Random features of every node, `[B * N, k]`, drawn anew for each network: its weights are the seed."""
        seeds = [zlib.crc32(row.numpy().tobytes()) for row in networks.params]
        draws = [torch.randn(self.laplacian.shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.cat(draws)
