"""Graph metrics against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from helpers.random_task import RandomTask

import weightbench as wb
from weightbench.baselines.graph_metrics import assortativity, overlap, path_lengths, strengths
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add
from weightbench.zoo.networks.operations.layers import Linear


def test_graph_metrics_of_a_network_worked_out_by_hand() -> None:
    arch = wb.Architecture.mlp((1, 2, 1), "relu")
    networks = wb.Networks(arch, torch.tensor([[1.0, 3.0, 0, 0, -2.0, 2.0, 0]]))
    first, second = strengths(networks)
    assert (first.flatten().tolist(), second.flatten().tolist()) == ([0.5, 1.5], [1.0, 1.0])
    # In -> 0 -> out takes 1/0.5 + 1, in -> 1 -> out 1/1.5 + 1.
    torch.testing.assert_close(path_lengths(networks, [first, second]), torch.tensor([[1 / 1.5 + 1]]))
    torch.testing.assert_close(overlap(first), torch.tensor([0.5 / 1.5]))
    shortcut = wb.Architecture(
        input_shape=(1,),
        operations=(
            Linear(in_features=1, out_features=1),
            Activation(name="relu"),
            Linear(in_features=1, out_features=1),
            Add(source=1),
        ),
    )
    networks = wb.Networks(shortcut, torch.ones(1, 4))
    assert path_lengths(networks, strengths(networks)).tolist() == [[1.0]]


def test_assortativity_worked_out_by_hand() -> None:
    # Strengths 3, 3 of rows and 4, 2 of columns do not tell anything of each other; in the second, strong meets strong.
    matrices = torch.tensor([[[2.0, 1], [2, 1]], [[3, 1], [1, 0]]], dtype=torch.float64)
    rows, columns = torch.tensor([4.0, 4, 1, 1]), torch.tensor([4.0, 1, 4, 1])
    ends = torch.stack([rows, columns]).repeat_interleave(torch.tensor([3, 1, 1, 0]), 1)  # an edge as often as strong
    expected = torch.tensor([0.0, float(torch.corrcoef(ends)[0, 1])], dtype=torch.float64)
    torch.testing.assert_close(assortativity(matrices), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("sizes", [(8, 32, 32, 1), (2, 32, 32, 1), (1, 7, 3, 1), (2, 1, 1), (3, 1)], ids=str)
def test_a_measure_that_a_layer_does_not_have_is_no_rounding_noise(sizes: tuple[int, ...]) -> None:
    """Where networks do not differ in a measure, not a bit differs: standardised, noise would count like anything."""
    networks = RandomTask(wb.Architecture.mlp(sizes, "sine"), networks=64).splits["test"].networks
    method = wb.load_method("graph-metrics")
    method.columns = method.size(networks.arch)
    found = method.transform(networks)
    same = found.std(0) < 1e-6
    assert same.any()
    assert torch.equal(found[:, same], found[:1, same].expand(len(found), -1))
    order = symmetry.sample(networks.arch, "permutation", len(networks), torch.Generator().manual_seed(0))
    assert torch.equal(method.transform(networks.permuted(order))[:, same], found[:, same])
