"""Networks of one architecture as one large graph, and the positional features of its nodes."""

from __future__ import annotations

import pytest
import torch

from weightbench.methods.graphs.graph_topology import GraphTopology, laplacian_features
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.networks.networks import Networks
from weightbench.zoo.networks.operations.joining import Add, Flatten
from weightbench.zoo.networks.operations.layers import Conv2d, Linear

ARCH = Architecture.mlp((2, 5, 3))
CNN = Architecture(
    input_shape=(2, 4, 4),
    operations=(
        Conv2d(in_channels=2, out_channels=3, kernel_size=(3, 3), padding=1),
        Conv2d(in_channels=3, out_channels=3, kernel_size=(1, 1), bias=False),
        Add(source=0),
        Flatten(),
        Linear(in_features=48, out_features=2),
    ),
)


def test_laplacian_features_are_the_smallest_eigenvectors_but_the_trivial_one() -> None:
    edges = torch.tensor([[0, 1, 2, 3, 1], [1, 2, 3, 4, 4]])
    found = laplacian_features(edges, 5, 3).double()
    adjacency = torch.zeros(5, 5).double()
    adjacency[edges[0], edges[1]] = adjacency[edges[1], edges[0]] = 1
    scale = adjacency.sum(1).rsqrt()
    laplacian = torch.eye(5) - scale[:, None] * adjacency * scale
    values = torch.linalg.eigvalsh(laplacian)[1:4]
    torch.testing.assert_close(laplacian @ found, found * values, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.T @ found, torch.eye(3).double(), atol=1e-6, rtol=0)
    assert torch.equal(laplacian_features(edges[:, :1], 2, 4)[:, 1:], torch.zeros(2, 3)), "padded"


@pytest.mark.parametrize("arch", [ARCH, CNN], ids=["mlp", "cnn"])
def test_many_graphs_are_one_large_graph(arch: Architecture) -> None:
    networks = Networks(arch, torch.randn(3, arch.num_params))
    graphs = GraphTopology(arch, 8)
    singles = networks.to_pyg()
    tiled = graphs.tiled(graphs.edge_index, 3)
    expected = torch.cat([data.edge_index + graphs.nodes * number for number, data in enumerate(singles)], 1)
    assert torch.equal(tiled, expected)
    features = torch.cat([data.edge_attr for data in singles])
    assert torch.equal(graphs.edges(networks, features.shape[1]), features)
    padded = graphs.edges(networks, features.shape[1] + 3)
    assert torch.equal(padded, torch.nn.functional.pad(features, (0, 3)))


def test_random_features_differ_between_networks_and_return() -> None:
    networks = Networks(ARCH, torch.randn(2, ARCH.num_params))
    topology = GraphTopology(ARCH, 3)
    first, second = topology.random_positions(networks).view(2, 10, 3)
    assert not torch.equal(first, second)
    assert torch.equal(topology.random_positions(networks[1]), second)
    first, second = topology.laplacian_positions(networks).view(2, 10, 3)
    assert torch.equal(first, second)
