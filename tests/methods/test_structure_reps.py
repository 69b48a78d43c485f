"""StructureReps' parts, each against its formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import planted_zoo

import weightbench as wb
from weightbench.benchmarks.running.protocols import Representation
from weightbench.benchmarks.task.registry import load_task
from weightbench.methods.graphs.graph_topology import GraphTopology
from weightbench.methods.structure_reps import EdgeAttention
from weightbench.zoo.networks.networks import Networks


def test_edge_attention_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    layer = EdgeAttention(2, 4).eval()
    edges, index = torch.randn(3, 2), torch.tensor([[0, 1, 0], [2, 2, 1]])
    found = layer(edges, index, 3)
    leaky = torch.nn.functional.leaky_relu
    theta, a = layer.project.weight, layer.score.weight[0]
    scores = [leaky(a @ (theta @ torch.cat([leaky(layer.transform(e)), e, e]))) for e in edges]
    weights = torch.stack(scores[:2]).softmax(0)
    torch.testing.assert_close(found[2], weights[0] * edges[0] + weights[1] * edges[1])
    torch.testing.assert_close(found[1], edges[2])
    assert torch.equal(found[0], torch.zeros(2)), "an input has no incoming edges"
    layer.train()
    assert not torch.equal(layer(edges, index, 3), found), "in training there is noise"


def test_a_laplacian_of_equal_weights_is_that_of_the_graph() -> None:
    arch = wb.Architecture.mlp((3, 5, 4, 2))
    topology = GraphTopology(arch, 4)
    params = torch.rand(2, arch.num_params, generator=torch.Generator().manual_seed(0)) * 2 - 1
    equal = Networks(arch, torch.where(torch.rand_like(params) < 0.5, -1.0, 1.0))
    found = topology.weighted_laplacian_positions(equal).view(2, topology.nodes, 4)

    def projector(vectors: torch.Tensor) -> torch.Tensor:
        return vectors @ vectors.mT  # of the space that they span, whatever basis of it was found

    torch.testing.assert_close(found[0], found[1])
    values = torch.linalg.eigvalsh(_laplacian(topology))
    first = int((values[1:] < values[1] + 1e-9).sum())  # as many share the smallest
    torch.testing.assert_close(
        projector(found[0, :, :first]), projector(topology.laplacian[:, :first]), atol=1e-5, rtol=0
    )


def _laplacian(topology: GraphTopology) -> torch.Tensor:
    adjacency = torch.zeros(topology.nodes, topology.nodes, dtype=torch.float64)
    adjacency[topology.edge_index[0], topology.edge_index[1]] = 1
    adjacency = adjacency + adjacency.T
    scale = adjacency.sum(1).rsqrt()
    return torch.eye(topology.nodes) - scale[:, None] * adjacency * scale


@pytest.mark.parametrize("reading", [{"laplacian": "weights"}, {"edge_features": True}])
@pytest.mark.parametrize("conv", ["gat", "transformer"])
def test_without_edge_attention_a_reading_lets_weights_in(tmp_path: Path, conv: str, reading: dict) -> None:
    """By default networks of one architecture then have one embedding."""
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"narrow": planted_zoo.networks((3, 5, 2), 60)})
    spreads = []
    for fields in ({}, reading):
        method = wb.load_method("structure-reps", attention=False, conv=conv, graphs=16, epochs=1, **fields)
        task = load_task("property", zoo, target="answer", protocol="representation")
        asked = Representation(task, method)
        asked.fit(seed=0, device="cpu")
        spreads.append(asked.embeddings.std(0).max().item())
    assert spreads[0] < 1e-6 < 1e-3 < spreads[1]
