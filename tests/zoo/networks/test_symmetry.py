"""Property: an element of a symmetry changes the parameters and leaves the function as it is."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add, Flatten
from weightbench.zoo.networks.operations.layers import Conv2d, Linear
from weightbench.zoo.networks.operations.pooling import Pool2d

ACTIVATIONS = ["sine", "relu", "leaky-relu", "tanh", "gelu", "sigmoid", "identity"]


@st.composite
def architectures(draw: st.DrawFn) -> wb.Architecture:
    """MLPs and CNNs with random widths, activations, pooling and residual edges."""
    name = st.sampled_from(ACTIVATIONS)
    width = draw(st.integers(2, 5))
    if draw(st.booleans()):
        operations = [
            Conv2d(in_channels=2, out_channels=width, kernel_size=(3, 3), padding=1),
            Activation(name=draw(name)),
            Conv2d(in_channels=width, out_channels=width, kernel_size=(3, 3), padding=1, bias=draw(st.booleans())),
            *([Add(source=1)] if draw(st.booleans()) else []),
            Pool2d(kind=draw(st.sampled_from(["max", "avg"]))),
            Activation(name=draw(name)),
            Flatten(),
            Linear(in_features=4 * width, out_features=3),
        ]
        return wb.Architecture(input_shape=(2, 4, 4), operations=tuple(operations))
    operations = [Linear(in_features=2, out_features=width), Activation(name=draw(name))]
    for _ in range(draw(st.integers(0, 2))):
        start = len(operations) - 1
        operations += [Linear(in_features=width, out_features=width), Activation(name=draw(name))]
        if draw(st.booleans()):
            operations.append(Add(source=start))
    operations.append(Linear(in_features=width, out_features=2))
    return wb.Architecture(input_shape=(2,), operations=tuple(operations), output_offset=0.5)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(arch=architectures(), kind=st.sampled_from(symmetry.KINDS), seed=st.integers(0, 1000))
def test_symmetries_keep_the_function(arch: wb.Architecture, kind: symmetry.Kind, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    networks = wb.Networks(arch, torch.randn(3, arch.num_params, generator=generator).double())
    elements = symmetry.sample(arch, kind, 3, generator)
    moved = networks.transformed(kind, elements)
    x = torch.randn(5, *arch.input_shape, generator=generator).double()
    torch.testing.assert_close(moved.forward(x), networks.forward(x), atol=1e-8, rtol=1e-8)
    trivial = all(torch.equal(e, torch.arange(e.shape[1]).expand_as(e)) for e in elements)
    if kind == "permutation" and not trivial:
        assert not torch.equal(moved.params, networks.params)


def test_which_symmetries_hold() -> None:
    def kinds(arch: wb.Architecture) -> set[str]:
        return {kind for kind in symmetry.KINDS if symmetry.neuron_groups(arch, kind)}

    assert kinds(wb.Architecture.mlp((2, 4, 1), "sine")) == {"permutation", "sign"}
    assert kinds(wb.Architecture.mlp((2, 4, 1), "relu")) == {"permutation", "scale"}
    assert kinds(wb.Architecture.mlp((2, 4, 1), "identity")) == {"permutation", "sign", "scale"}
    assert kinds(wb.Architecture.mlp((2, 4, 1), "gelu")) == {"permutation"}
    assert kinds(wb.Architecture.mlp((2, 1))) == set()


def test_permuting_moves_exactly_the_neurons() -> None:
    arch = wb.Architecture.mlp((1, 3, 1), "relu")
    networks = wb.Networks(arch, torch.arange(10.0)[None])
    moved = networks.permuted([torch.tensor([[2, 0, 1]])])
    assert moved.params.tolist() == [[2, 0, 1, 5, 3, 4, 8, 6, 7, 9]]
    flipped = networks.rescaled([torch.tensor([[2.0, 1, 1]])], "scale")
    assert flipped.params.tolist() == [[0, 1, 2, 6, 4, 5, 3, 7, 8, 9]]
