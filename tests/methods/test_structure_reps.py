"""StructureReps' parts, each against its formula."""

from __future__ import annotations

import torch

from weightbench.methods.structure_reps import EdgeAttention


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
