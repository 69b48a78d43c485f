"""Batched evaluation against plain torch modules, one network at a time; round trips; graphs."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

import weightbench as wb
from weightbench.zoo.networks.operations.elementwise import Activation, ActivationName
from weightbench.zoo.networks.operations.joining import Add, Flatten
from weightbench.zoo.networks.operations.layers import Conv2d, Linear
from weightbench.zoo.networks.operations.pooling import GlobalAvgPool2d, Pool2d


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


MODULES = {
    "sine": Function(lambda x: torch.sin(30 * x)),
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "elu": nn.ELU(),
    "softplus": nn.Softplus(),
    "identity": nn.Identity(),
}


def check(arch: wb.Architecture, make, x: Tensor) -> None:
    """The batch gives what each module gives alone."""
    torch.manual_seed(0)
    modules = [make() for _ in range(3)]
    networks = wb.Networks.from_state_dicts(arch, [module.state_dict() for module in modules])
    expected = torch.stack([module(x) for module in modules]) + arch.output_offset
    torch.testing.assert_close(networks.forward(x), expected, atol=1e-4, rtol=1e-4)
    own_inputs = torch.stack([x, 2 * x, 3 * x])
    expected = torch.stack([module(inputs) for module, inputs in zip(modules, own_inputs, strict=True)])
    torch.testing.assert_close(networks.forward(own_inputs), expected + arch.output_offset, atol=1e-4, rtol=1e-4)
    assert networks.forward(x).shape == (3, len(x), *arch.output_shape)


def test_every_activation_is_covered() -> None:
    assert set(MODULES) == set(get_args(ActivationName))


@pytest.mark.parametrize("name", MODULES)
def test_mlps_equal_torch(name: str) -> None:
    arch = wb.Architecture.mlp((3, 8, 5, 2), name, omega_0=30 if name == "sine" else 1, output_offset=0.5)

    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), MODULES[name], nn.Linear(8, 5), MODULES[name], nn.Linear(5, 2))

    check(arch, make, torch.randn(7, 3))


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_cnns_equal_torch(pool: str) -> None:
    arch = wb.Architecture(
        input_shape=(2, 12, 10),
        operations=(
            Conv2d(in_channels=2, out_channels=4, kernel_size=(3, 3), padding=1),
            Pool2d(kind=pool, kernel_size=2),
            Activation(name="relu"),
            Conv2d(in_channels=4, out_channels=3, kernel_size=(3, 2), stride=2),
            Activation(name="gelu"),
            Flatten(),
            Linear(in_features=12, out_features=5),
        ),
    )

    def make() -> nn.Module:
        pooling = nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2)
        first, second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, (3, 2), stride=2)
        return nn.Sequential(first, pooling, nn.ReLU(), second, nn.GELU(), nn.Flatten(), nn.Linear(12, 5))

    check(arch, make, torch.randn(6, 2, 12, 10))


def test_residual_edges_and_global_pooling_equal_torch() -> None:
    arch = wb.Architecture(
        input_shape=(3, 6, 6),
        operations=(
            Conv2d(in_channels=3, out_channels=3, kernel_size=(3, 3), padding=1, bias=False),
            Activation(name="tanh"),
            Add(source=-1),
            Conv2d(in_channels=3, out_channels=3, kernel_size=(3, 3), padding=1),
            Add(source=1),
            GlobalAvgPool2d(),
            Linear(in_features=3, out_features=2),
        ),
    )

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 3, 3, padding=1, bias=False)
            self.second = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            inner = torch.tanh(self.first(x))
            return self.head((self.second(inner + x) + inner).mean((-2, -1)))

    check(arch, Residual, torch.randn(4, 3, 6, 6))


def test_parameters_are_views_and_survive_round_trips() -> None:
    arch = wb.Architecture.mlp((2, 4, 3), "sine", omega_0=30.0)
    networks = wb.Networks(arch, torch.randn(5, arch.num_params))
    networks.weights[0][2] = 0
    assert (networks.params[2, : 2 * 4] == 0).all()
    states = networks.state_dicts()
    assert list(states[0]) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert torch.equal(wb.Networks.from_state_dicts(arch, states).params, networks.params)
    assert torch.equal(networks[1].params, networks.params[1:2])
    assert torch.equal(networks[torch.tensor([3, 0])].params, networks.params[[3, 0]])
    assert len(networks[-1]) == 1
    assert wb.Architecture.model_validate_json(arch.model_dump_json()) == arch
    assert arch.num_params == 27


def test_gradients_reach_every_parameter() -> None:
    arch = wb.Architecture.mlp((2, 4, 1), "sine", omega_0=30.0)
    params = torch.randn(3, arch.num_params, requires_grad=True)
    wb.Networks(arch, params).forward(torch.rand(9, 2)).sum().backward()
    assert params.grad is not None
    assert (params.grad != 0).all()


def test_features_are_the_neurons_values() -> None:
    arch = wb.Architecture.mlp((2, 4, 3), "relu", output_offset=0.5)
    networks = wb.Networks(arch, torch.randn(2, arch.num_params))
    x = torch.randn(6, 2)
    inputs, hidden, output = networks.features(x)
    assert torch.equal(inputs[1], x)
    expected = torch.relu(x @ networks.weights[0].mT + networks.biases[0].unsqueeze(1))
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(output, networks.forward(x))


def test_graphs_compute_what_the_network_computes() -> None:
    """Message passing by hand over the graph's edges gives the network's output."""
    arch = wb.Architecture.mlp((2, 4, 3), "relu")
    networks = wb.Networks(arch, torch.randn(2, arch.num_params))
    x = torch.randn(2)
    for network, graph in zip(range(2), networks.to_pyg(), strict=True):
        value = torch.zeros(9)
        value[graph.layer == 0] = x
        for level in (1, 2):
            into = graph.layer[graph.edge_index[1]] == level
            source, target = graph.edge_index[:, into]
            total = graph.x[:, 0].clone().index_add(0, target, value[source] * graph.edge_attr[into, 0])
            now = graph.layer == level
            value[now] = torch.relu(total[now]) if level == 1 else total[now]
        torch.testing.assert_close(value[graph.layer == 2], networks[network].forward(x[None])[0, 0])


def test_graphs_of_cnns_carry_kernels_and_residual_edges() -> None:
    arch = wb.Architecture(
        input_shape=(2, 4, 4),
        operations=(
            Conv2d(in_channels=2, out_channels=2, kernel_size=(3, 3), padding=1),
            Add(source=-1),
            Flatten(),
            Linear(in_features=32, out_features=3),
        ),
    )
    networks = wb.Networks(arch, torch.randn(1, arch.num_params))
    graph = networks.to_pyg()[0]
    assert graph.num_nodes == 2 + 2 + 3
    assert graph.edge_attr.shape == (4 + 6 + 2, 16)
    assert torch.equal(graph.edge_attr[1, :9], networks.weights[0][0, 0, 1].flatten())
    assert torch.equal(graph.edge_attr[4], networks.weights[1][0, 0, :16])
    assert graph.edge_type.tolist() == [0] * 10 + [1] * 2


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ((Linear(in_features=3, out_features=1),), "linear takes"),
        ((Linear(in_features=2, out_features=4), Add(source=-1)), "add of"),
        ((Linear(in_features=2, out_features=4), Add(source=3)), "earlier operation"),
        ((Activation(name="relu"),), "at least one"),
        ((Flatten(), Pool2d()), "pool2d"),
    ],
)
def test_operations_that_do_not_fit_are_refused(operations, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wb.Architecture(input_shape=(2,), operations=operations)


def test_wrong_shapes_are_refused() -> None:
    arch = wb.Architecture.mlp((2, 4, 1))
    with pytest.raises(ValueError, match=r"\[B, 17\]"):
        wb.Networks(arch, torch.zeros(2, 5))
    with pytest.raises(ValueError, match="do not fit"):
        wb.Networks(arch, torch.zeros(2, 17)).forward(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"0\.weight should be"):
        wb.Networks.from_state_dicts(arch, [nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).state_dict()])
