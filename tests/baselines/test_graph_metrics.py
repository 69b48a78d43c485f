"""Graph metrics against numbers worked out by hand."""

from __future__ import annotations

import torch

import weightbench as wb
from weightbench.baselines.graph_metrics import overlap, path_lengths, strengths
from weightbench.zoo.networks.architecture import Activation, Add, Linear


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
