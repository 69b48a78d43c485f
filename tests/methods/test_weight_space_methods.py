"""DWSNet and the NFNs: sizes as published, exact symmetry, and layers that leave out no equivariant map."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import RandomTask
from torch import Tensor, nn

import weightbench as wb
from weightbench.methods.dwsnet import DWSLayer
from weightbench.methods.spaces.nfn_linear import NFNLinear
from weightbench.methods.spaces.weight_space import WeightSpace
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.architecture import Activation, Add, Conv2d, Flatten, GlobalAvgPool2d, Linear

MNIST_INR = wb.Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0, output_offset=0.5)
SMALL = {"width": 8, "depth": 2}
SMALL_NFN = SMALL | {"fourier_features": 8, "fourier_sigma": 0.5, "head_width": 8}
VARIANTS = [
    ("dwsnet", SMALL),
    ("dwsnet", SMALL | {"set_layer": "deepsets", "pooling": "mean"}),
    ("nfn-np", SMALL_NFN),
    ("nfn-hnp", SMALL_NFN),
    ("nfn-hnp", SMALL_NFN | {"fourier_features": 0}),
]


@st.composite
def architectures(draw: st.DrawFn) -> wb.Architecture:
    """MLPs of one to four layers and CNNs, down to one neuron, layers with and without bias."""
    width = st.integers(1, 5)
    if draw(st.booleans()):
        return wb.Architecture.mlp(tuple(draw(st.lists(width, min_size=2, max_size=5))), "sine")
    first, second = draw(width), draw(width)
    flat = draw(st.booleans())
    operations = [
        Conv2d(in_channels=2, out_channels=first, kernel_size=(2, 3), padding=1),
        Activation(name="tanh"),
        Conv2d(in_channels=first, out_channels=second, kernel_size=(3, 3), bias=draw(st.booleans())),
        Flatten() if flat else GlobalAvgPool2d(),
        Linear(in_features=second * (6 if flat else 1), out_features=3),
    ]
    return wb.Architecture(input_shape=(2, 4, 4), operations=tuple(operations))


def built(name: str, params: dict, arch: wb.Architecture, output: str) -> tuple[nn.Module, wb.Networks]:
    """The module in double precision, and networks."""
    task = RandomTask(arch, output, classes=3, networks=4, dtype=torch.float64)
    return wb.load_method(name, **params).build(task).double().eval(), task.splits["test"].networks


@pytest.mark.parametrize(
    ("name", "published"), [("mlp", 42_762), ("dwsnet", 552_650), ("nfn-np", 44_966_186), ("nfn-hnp", 68_844_330)]
)
def test_defaults_have_the_published_number_of_parameters(name: str, published: int) -> None:
    module = wb.load_method(name).build(RandomTask(MNIST_INR))
    assert sum(p.numel() for p in module.parameters()) == published


@settings(max_examples=60, deadline=None, derandomize=True)
@given(variant=st.sampled_from(VARIANTS), arch=architectures(), editing=st.booleans(), seed=st.integers(0, 1000))
def test_outputs_follow_the_neurons(variant, arch: wb.Architecture, editing: bool, seed: int) -> None:
    torch.manual_seed(seed)
    module, networks = built(*variant, arch, "networks" if editing else "logits")
    order = symmetry.sample(arch, "permutation", len(networks), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        plain, moved = module(networks), module(networks.permuted(order))
    if editing:
        assert not torch.equal(plain.params, networks.params)
        plain, moved = plain.permuted(order).params, moved.params
    assert (plain - moved).abs().max() < 1e-9


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_inputs_and_outputs_keep_their_places(name: str, params: dict) -> None:
    torch.manual_seed(0)
    module, networks = built(name, params, wb.Architecture.mlp((2, 4, 4, 2), "sine"), "logits")
    plain = module(networks)
    least = 1e-3 * plain.std(0).max()
    swapped = wb.Networks(networks.arch, networks.params.clone())
    swapped.weights[0].copy_(networks.weights[0].flip(2))
    assert (module(swapped) - plain).abs().max() > least
    swapped = wb.Networks(networks.arch, networks.params.clone())
    swapped.weights[-1].copy_(networks.weights[-1].flip(1))
    swapped.biases[-1].copy_(networks.biases[-1].flip(1))
    assert (module(swapped) - plain).abs().max() > least


def elements(sizes: tuple[int, ...], ends: bool) -> Iterator[Tensor]:
    """Every permutation of the parameters of an MLP that neurons' orders make, written out without the library."""
    fixed = [tuple(range(n)) for n in sizes]
    levels = [permutations(range(n)) if ends or 0 < k < len(sizes) - 1 else [fixed[k]] for k, n in enumerate(sizes)]
    for orders in product(*levels):
        parts, start = [], 0
        for k in range(len(sizes) - 1):
            rows, columns = torch.tensor(orders[k + 1]), torch.tensor(orders[k])
            weight = start + torch.arange(sizes[k + 1] * sizes[k]).view(sizes[k + 1], sizes[k])
            bias = start + weight.numel() + torch.arange(sizes[k + 1])
            parts += [weight[rows][:, columns].flatten(), bias[rows]]
            start += weight.numel() + len(bias)
        yield torch.cat(parts)


@pytest.mark.parametrize("sizes", [(2, 3, 3, 1), (2, 3, 2), (1, 2, 3, 2, 2)])
@pytest.mark.parametrize("kind", ["dws", "np", "hnp"])
def test_a_layer_spans_all_equivariant_maps(kind: str, sizes: tuple[int, ...]) -> None:
    """The rank of the linear maps that parameters can make is the dimension of all maps that commute with the group,
    which for a permutation representation is the mean of the squared number of fixed points (Burnside)."""
    torch.manual_seed(0)
    arch = wb.Architecture.mlp(sizes, "tanh")
    space = WeightSpace(arch, kind, permute_ends=kind == "np")
    unit = wb.Networks(arch, torch.eye(arch.num_params).double())
    zero = wb.Networks(arch, torch.zeros(1, arch.num_params).double())
    maps = []
    group = list(elements(sizes, ends=kind == "np"))
    dimension = sum((g == torch.arange(len(g))).sum().item() ** 2 for g in group) / len(group)
    for _ in range(int(dimension) + 10):
        if kind == "dws":
            layer = DWSLayer(space, 1, 1, set_layer="deepsets", heads=1, pooling="mean").double()
        else:
            layer = NFNLinear(space, 1, 1).double()
        with torch.no_grad():
            made = space.params(layer(space.features(unit))) - space.params(layer(space.features(zero)))
        maps.append(made.flatten() / made.norm())
        for g in group[:: len(group) // 3]:
            torch.testing.assert_close(made[g][:, g], made)
    assert torch.linalg.matrix_rank(torch.stack(maps), rtol=1e-9).item() == dimension


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_one_network_or_none_in_a_batch(name: str, params: dict) -> None:
    module, networks = built(name, params, wb.Architecture.mlp((2, 3, 3, 1), "sine"), "logits")
    together = module(networks)
    torch.testing.assert_close(module(networks[1]), together[1:2])
    assert module(networks[:0]).shape == (0, 3)
    assert torch.isfinite(module.train()(networks[1])).all()


@pytest.mark.parametrize("name", ["dwsnet", "nfn-np", "nfn-hnp"])
def test_other_architectures_are_refused_in_one_line(name: str) -> None:
    module, _ = built(name, {"width": 8}, wb.Architecture.mlp((2, 3, 1), "sine"), "logits")
    _, others = built(name, {"width": 8}, wb.Architecture.mlp((2, 4, 1), "sine"), "logits")
    with pytest.raises(wb.BadInput, match=r"built for mlp 2-3-1 sine, is given mlp 2-4-1 sine: fit it"):
        module(others)
    residual = (*(op for n in (1, 2) for op in (Linear(in_features=3, out_features=3), Activation(name="relu"))),)
    arch = wb.Architecture(input_shape=(3,), operations=(*residual, Add(source=1), residual[0]))
    with pytest.raises(wb.BadInput, match="without residual edges"):
        wb.load_method(name).check(RandomTask(arch))


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_a_network_that_is_not_finite_shows_and_spoils_no_other(name: str, params: dict) -> None:
    module, networks = built(name, params, wb.Architecture.mlp((2, 3, 3, 1), "sine"), "logits")
    plain = module(networks)
    networks.params[2, 4] = torch.nan
    output = module(networks)
    assert output[2].isnan().all()
    torch.testing.assert_close(output[[0, 1, 3]], plain[[0, 1, 3]])
