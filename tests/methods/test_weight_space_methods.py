"""DWSNet and the NFNs: sizes as published, exact symmetry, and what they do with odd networks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers import planted_zoo
from helpers.random_task import RandomTask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import weightbench as wb
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add, Flatten
from weightbench.zoo.networks.operations.layers import Conv2d, Linear
from weightbench.zoo.networks.operations.pooling import GlobalAvgPool2d

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
    permutations = symmetry.sample(arch, "permutation", len(networks), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        plain, moved = module(networks), module(networks.permuted(permutations))
    if editing:
        assert not torch.equal(plain.params, networks.params)
        plain, moved = plain.permuted(permutations).params, moved.params
    assert (plain - moved).abs().max() < 1e-9


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_inputs_and_outputs_keep_their_places(name: str, params: dict) -> None:
    torch.manual_seed(0)
    module, networks = built(name, params, wb.Architecture.mlp((2, 4, 4, 2), "sine"), "logits")
    plain = module(networks)
    threshold = 1e-3 * plain.std(0).max()
    swapped = wb.Networks(networks.arch, networks.params.clone())
    swapped.weights[0].copy_(networks.weights[0].flip(2))
    assert (module(swapped) - plain).abs().max() > threshold
    swapped = wb.Networks(networks.arch, networks.params.clone())
    swapped.weights[-1].copy_(networks.weights[-1].flip(1))
    swapped.biases[-1].copy_(networks.biases[-1].flip(1))
    assert (module(swapped) - plain).abs().max() > threshold


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


@pytest.mark.parametrize("name", ["mlp", "neuron-set", "cnn-on-weights", "dwsnet", "nfn-np", "nfn-hnp"])
def test_readers_of_weights_take_other_activations(name: str, tmp_path: Path) -> None:
    """Statistics and batches are of all networks; another layout is refused, and so is editing."""
    relu, tanh = wb.Architecture.mlp((3, 5, 2)), wb.Architecture.mlp((3, 5, 2), "tanh")
    found = planted_zoo.networks((3, 5, 2), 120)
    groups = {"relu": wb.Networks(relu, found.params[:60]), "tanh": wb.Networks(tanh, found.params[60:])}
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", groups)
    method = wb.load_method(name, epochs=1, batch_size=8)
    (result,) = wb.run(method, task="property", target="sum_of_squares", zoo=zoo, out=tmp_path / "runs")
    assert result.status == "ok", result.error
    with pytest.raises(wb.BadInput, match="tied to one architecture"):
        method.check(SimpleNamespace(architectures=[relu, tanh], output="networks", splits={}))
    with pytest.raises(wb.BadInput, match="tied to one architecture"):
        method.check(SimpleNamespace(architectures=[relu, wb.Architecture.mlp((3, 4, 2))], output="values", splits={}))
