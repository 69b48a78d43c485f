"""Graph methods keep the symmetries that they claim, also on architectures never seen, and have the published sizes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import weightbench as wb
from weightbench.methods import ng_t
from weightbench.methods.graphs.neural_graph import GraphLayout
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.networks.networks import Networks
from weightbench.zoo.networks.operations.elementwise import Activation
from weightbench.zoo.networks.operations.joining import Add, Flatten
from weightbench.zoo.networks.operations.layers import Conv2d, Linear
from weightbench.zoo.networks.operations.pooling import GlobalAvgPool2d, Pool2d

MNIST_INR = Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0, output_offset=0.5)
NAMES = ("sine", "relu", "tanh", "gelu")
SMALL = {
    "ng-gnn": {"width": 8, "depth": 3, "fourier_features": 8},
    "ng-gnn-residual": {"width": 8},
    "ng-t": {"width": 8, "edge_width": 6, "attention_width": 8, "heads": 2, "depth": 3, "fourier_features": 8},
    "scale-gmn": {"width": 8, "depth": 3},
}
VARIANTS = [
    ("ng-gnn", {}),
    ("ng-gnn-residual", {"probes": 4, "position_embeddings": False}),
    ("ng-t", {}),
    ("ng-t", {"probes": 4, "position_embeddings": False, "fourier_features": 0}),
    ("scale-gmn", {}),
    ("scale-gmn", {"bidirectional": True}),
    ("scale-gmn", {"symmetry": "permutation", "readout": "sum"}),
]
few = settings(max_examples=12, deadline=None, derandomize=True)


def random_networks(arch: Architecture, count: int, seed: int = 0) -> Networks:
    generator = torch.Generator().manual_seed(seed)
    params = 0.5 * torch.randn(count, arch.num_params, generator=generator, dtype=torch.float64)
    return Networks(arch, params + 0.3 * params.sign())  # none so small that scale-gmn's bound on 1 / weight shows


def build(name: str, *architectures: Architecture, editing: bool = False, **params: object) -> nn.Module:
    """The method's module in float64, built for a task whose training networks have the given architectures."""
    groups = [Networks(arch, random_networks(arch, 8).params.float()) for arch in architectures]
    task = SimpleNamespace(
        splits={"train": SimpleNamespace(groups=groups)},
        architectures=list(architectures),
        output="networks" if editing else "logits",
        output_dim=3,
    )
    torch.manual_seed(0)
    return wb.load_method(name, **(SMALL[name] | params)).build(task).double().eval()


@st.composite
def mlps(draw: st.DrawFn, hidden: int | None = None, names: tuple[str, ...] = NAMES) -> Architecture:
    """2 inputs, 3 outputs, 0 to 3 hidden layers of 1 to 6 neurons."""
    count = draw(st.integers(0, 3)) if hidden is None else hidden
    widths = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    return Architecture.mlp((2, *widths, 3), draw(st.sampled_from(names)))


@st.composite
def cnns(draw: st.DrawFn) -> Architecture:
    """Two convolutions, perhaps a residual edge, pooled or flattened, one linear layer."""
    channels, kernel = draw(st.integers(1, 4)), draw(st.sampled_from([1, 3]))
    activation = Activation(name=draw(st.sampled_from(("relu", "tanh"))))

    def conv(n_in: int, n_out: int, size: int) -> Conv2d:
        return Conv2d(in_channels=n_in, out_channels=n_out, kernel_size=(size, size), padding=size // 2)

    operations = [conv(2, channels, 3), activation, conv(channels, channels, kernel), activation]
    if draw(st.booleans()):
        operations += [Add(source=1)]
    if draw(st.booleans()):
        operations += [GlobalAvgPool2d(), Linear(in_features=channels, out_features=3, bias=draw(st.booleans()))]
    else:
        operations += [Pool2d(kernel_size=2), Flatten(), Linear(in_features=4 * channels, out_features=3)]
    return Architecture(input_shape=(2, 4, 4), operations=tuple(operations))


def difference(module: nn.Module, first: Networks, second: Networks) -> float:
    """Largest difference of the outputs, in their standard deviations over the networks."""
    with torch.no_grad():
        outputs = module(first)
        return ((module(second) - outputs).abs().max() / outputs.std(0, correction=0).max().clamp(1e-3)).item()


def change(module: nn.Module, networks: Networks, kind: symmetry.Kind) -> float:
    """The difference that a random element of the symmetry makes."""
    elements = symmetry.sample(networks.arch, kind, len(networks), torch.Generator().manual_seed(3))
    elements = [e if kind == "permutation" else e.double() for e in elements]
    return difference(module, networks, networks.transformed(kind, elements))


def change_of_edits(module: nn.Module, networks: Networks, kind: symmetry.Kind) -> float:
    """Largest difference between editing changed networks and changing edited ones."""
    elements = symmetry.sample(networks.arch, kind, len(networks), torch.Generator().manual_seed(3))
    elements = [e if kind == "permutation" else e.double() for e in elements]
    with torch.no_grad():
        first = module(networks.transformed(kind, elements))
        last = module(networks).transformed(kind, elements)
        assert not torch.equal(first.params, networks.params)
        return (first.params - last.params).abs().max().item()


@pytest.mark.parametrize(
    ("name", "params", "parameters"),
    [
        ("ng-gnn", {}, 92_010),
        ("ng-gnn", {"width": 64}, 331_466),
        ("ng-gnn", {"width": 64, "probes": 64}, 348_746),
        ("ng-t", {}, 376_586),
        ("ng-t", {"probes": 64}, 393_866),
        ("scale-gmn", {}, 1_772_042),
        ("scale-gmn", {"bidirectional": True}, 3_089_162),
    ],
)
def test_sizes_are_the_published_ones(name: str, params: dict, parameters: int) -> None:
    train = SimpleNamespace(groups=[Networks(MNIST_INR, torch.randn(2, MNIST_INR.num_params))])
    task = SimpleNamespace(splits={"train": train}, architectures=[MNIST_INR], output="logits", output_dim=10)
    assert sum(p.numel() for p in wb.load_method(name, **params).build(task).parameters()) == parameters


@pytest.mark.parametrize(("name", "params"), VARIANTS)
@few
@given(arch=mlps(), width=st.integers(1, 5), count=st.integers(1, 3))
def test_mlps_of_any_shape_are_read_up_to_neuron_order(name, params, arch, width, count) -> None:
    seen = (Architecture.mlp((2, width, width + 1, 4, 3), activation) for activation in ("tanh", "relu"))
    module = build(name, *seen, **params)
    networks = random_networks(arch, count)
    assert change(module, networks, "permutation") < 1e-9
    assert module(networks[:0]).shape == (0, 3)
    torch.testing.assert_close(module(networks)[:1], module(networks[:1]))


@pytest.mark.parametrize(("name", "params"), VARIANTS)
@few
@given(arch=cnns(), other=cnns())
def test_cnns_with_residual_edges_and_flattened_maps_are_read_up_to_channel_order(name, params, arch, other) -> None:
    seen = [Architecture.cnn((2, 4, 4), (3, 3), 3, padding=1, activation=activation) for activation in ("tanh", "relu")]
    module = build(name, *seen, arch, other, **params)
    for found in (arch, other, *seen):
        assert change(module, random_networks(found, 2), "permutation") < 1e-9


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("readout", ["outputs", "sum"])
@few
@given(arch=st.one_of(mlps(), cnns()), other=mlps())
def test_signs_and_scales_are_read_off_the_activations(bidirectional, readout, arch, other) -> None:
    seen = [arch] if other.input_shape != arch.input_shape else [arch, other]
    module = build("scale-gmn", *seen, bidirectional=bidirectional, readout=readout)
    for kind in ("sign", "scale"):
        if symmetry.neuron_groups(arch, kind):
            assert change(module, random_networks(arch, 3), kind) < 1e-9


@pytest.mark.parametrize("name", SMALL)
@few
@given(arch=mlps())
def test_edits_move_with_the_neurons(name: str, arch: Architecture) -> None:
    module = build(name, arch, editing=True)
    assert change_of_edits(module, random_networks(arch, 2), "permutation") < 1e-9


@pytest.mark.parametrize("bidirectional", [False, True])
@few
@given(arch=mlps(names=("sine", "tanh", "relu", "leaky-relu")))
def test_edits_move_with_signs_and_scales(bidirectional: bool, arch: Architecture) -> None:
    module = build("scale-gmn", arch, editing=True, bidirectional=bidirectional)
    for kind in ("sign", "scale"):
        if symmetry.neuron_groups(arch, kind):
            assert change_of_edits(module, random_networks(arch, 2), kind) < 1e-9


@pytest.mark.parametrize(("name", "params"), [("ng-gnn", {}), ("ng-t", {}), ("scale-gmn", {"symmetry": "permutation"})])
def test_what_is_not_claimed_does_not_hold(name: str, params: dict) -> None:
    """Sign flips and scales change what a method reads that knows of permutations only."""
    for activation, kind in (("tanh", "sign"), ("relu", "scale")):
        arch = Architecture.mlp((2, 6, 6, 3), activation)
        assert change(build(name, arch, **params), random_networks(arch, 4), kind) > 1e-3


def test_a_symmetry_of_one_activation_is_none_of_another() -> None:
    """Scales under tanh and signs under ReLU change the function, and what scale-gmn reads."""
    for activation, kind in (("tanh", "scale"), ("relu", "sign")):
        arch = Architecture.mlp((2, 6, 6, 3), activation)
        networks = random_networks(arch, 4)
        lent = Networks(Architecture.mlp((2, 6, 6, 3), {"scale": "relu", "sign": "tanh"}[kind]), networks.params)
        elements = symmetry.sample(lent.arch, kind, 4, torch.Generator().manual_seed(0))
        moved = Networks(arch, lent.transformed(kind, [e.double() for e in elements]).params)
        assert difference(build("scale-gmn", arch), networks, moved) > 1e-3


@pytest.mark.parametrize(
    ("name", "readout"),
    [
        *((name, pooling) for name in ("ng-gnn", "ng-t") for pooling in ("sum", "mean", "attention")),
        ("scale-gmn", "sum"),
    ],
)
def test_every_readout_is_invariant_and_another(name: str, readout: str) -> None:
    arch = Architecture.mlp((2, 5, 4, 3), "tanh")
    networks = random_networks(arch, 3)
    module = build(name, arch, readout=readout)
    assert change(module, networks, "permutation") < 1e-9
    assert not torch.allclose(module(networks), build(name, arch)(networks))


@pytest.mark.parametrize("name", SMALL)
def test_activations_are_told_apart(name: str) -> None:
    """Equal weights, other activation: other outputs, when the training networks had both."""
    first, second = (Architecture.mlp((2, 4, 3), activation) for activation in ("tanh", "relu"))
    module = build(name, first, second)
    params = random_networks(first, 2).params
    assert not torch.allclose(module(Networks(first, params)), module(Networks(second, params)))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (Architecture.mlp((5, 4, 3)), "has 5 inputs and 3 outputs"),
        (Architecture.cnn((2, 4, 4), (3,), 3), "has 9 values per edge"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(name: str, arch: Architecture, message: str) -> None:
    module = build(name, Architecture.mlp((2, 4, 4, 3)))
    with pytest.raises(wb.BadInput, match=message) as error:
        module(random_networks(arch, 1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SMALL)
def test_networks_deeper_than_those_of_training_are_read(name: str) -> None:
    module = build(name, Architecture.mlp((2, 4, 4, 3)))
    assert change(module, random_networks(Architecture.mlp((2, 4, 5, 4, 4, 3)), 2), "permutation") < 1e-9


@pytest.mark.parametrize("name", SMALL)
def test_editing_takes_one_architecture(name: str) -> None:
    with pytest.raises(wb.BadInput, match="edits MLPs of one architecture"):
        build(name, Architecture.mlp((2, 4, 3)), Architecture.mlp((2, 5, 3)), editing=True)
    with pytest.raises(wb.BadInput, match="edits MLPs"):
        build(name, Architecture.cnn((2, 4, 4), (3,), 3), editing=True)


@pytest.mark.parametrize("name", SMALL)
def test_what_cannot_be_fitted_is_refused_before(name: str) -> None:
    def check(*architectures: Architecture, editing: bool = False) -> None:
        output = "networks" if editing else "logits"
        wb.load_method(name).check(SimpleNamespace(architectures=list(architectures), output=output))

    check(Architecture.mlp((2, 4, 3)), Architecture.mlp((2, 5, 5, 3)))
    with pytest.raises(wb.BadInput, match="edits MLPs of one architecture"):
        check(Architecture.mlp((2, 4, 3)), Architecture.mlp((2, 5, 3)), editing=True)
    with pytest.raises(wb.BadInput, match="outputs"):
        check(Architecture.mlp((2, 4, 3)), Architecture.mlp((2, 4, 4)))
    if name == "scale-gmn":
        with pytest.raises(wb.BadInput, match=r"equal inputs and outputs, this zoo has \[\(2, 3\), \(3, 3\)\]"):
            check(Architecture.mlp((2, 4, 3)), Architecture.mlp((3, 4, 3)))


@pytest.mark.parametrize("name", ["ng-gnn", "ng-t"])
def test_leaving_out_what_is_not_read_changes_no_output(name: str) -> None:
    arch = Architecture.mlp((2, 5, 4, 3, 3), "tanh")
    networks = random_networks(arch, 3)
    trimmed = build(name, arch, probes=4)
    whole = build(name, arch, probes=4)
    whole.graph.outputs_only = False
    torch.testing.assert_close(trimmed(networks), whole(networks))


@pytest.mark.parametrize(
    ("name", "params"), [("ng-gnn", {}), ("scale-gmn", {}), ("scale-gmn", {"bidirectional": True})]
)
def test_working_for_the_reached_levels_alone_changes_no_output(monkeypatch, name: str, params: dict) -> None:
    arch = Architecture.mlp((2, 5, 4, 4, 3), "tanh")
    arch = Architecture(input_shape=(2,), operations=(*arch.operations[:-1], Add(source=3), arch.operations[-1]))
    networks, module = random_networks(arch, 3), build(name, arch, **params)
    outputs = module(networks)
    monkeypatch.setattr(
        GraphLayout, "reached", lambda layout, levels, backwards=True: frozenset(range(len(layout.widths)))
    )
    torch.testing.assert_close(module(networks), outputs)


@pytest.mark.parametrize("editing", [False, True])
def test_attention_in_chunks_is_that_of_the_whole_batch(monkeypatch, editing: bool) -> None:
    arch = Architecture.mlp((2, 5, 4, 3), "tanh")
    module, found = build("ng-t", arch, editing=editing), []
    for numbers in (1, 2 * 14**2, 10**9):  # parts of one, of two and of all networks
        monkeypatch.setattr(ng_t, "MAX_CACHED_NUMBERS", 8 * numbers)  # for 14 neurons, features of 8
        output = module(random_networks(arch, 5))
        output = output.params if editing else output
        found.append([output, *torch.autograd.grad(output.square().sum(), list(module.parameters()))])
    torch.testing.assert_close(found[0], found[2])
    torch.testing.assert_close(found[1], found[2])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("editing", [False, True])
def test_every_parameter_is_trained(name: str, editing: bool) -> None:
    operations = list(Architecture.mlp((2, 4, 4, 3), "tanh").operations)
    operations[3] = Activation(name="gelu")
    arch = Architecture(input_shape=(2,), operations=tuple(operations))
    module = build(name, arch, editing=editing, **({"readout": "sum"} if name == "scale-gmn" else {}))
    output = module(random_networks(arch, 4))
    (output.params if editing else output).square().sum().backward()
    assert [key for key, parameter in module.named_parameters() if parameter.grad is None] == []


def test_relational_attention_is_the_papers_formula() -> None:
    from weightbench.methods.ng_t import RelationalAttention

    torch.manual_seed(0)
    attention = RelationalAttention(6, 5, 8, heads=2).double()
    x, edges = torch.randn(2, 4, 6).double(), torch.randn(2, 4, 4, 5).double()
    q, k, v = attention.qkv_node(x).unflatten(2, (3, 2, 4)).unbind(2)
    qe, ke, scale, shift = attention.qkv_edge(edges).unflatten(3, (4, 2, 4)).unbind(3)
    query, key, value = q[:, :, None] + qe, k[:, None] + ke, v[:, None] * scale + shift
    weight = ((query * key).sum(-1) / 8**0.5).softmax(2)
    expected = attention.out((weight.unsqueeze(-1) * value).sum(2).flatten(2))
    torch.testing.assert_close(attention(x, x, edges), expected)
