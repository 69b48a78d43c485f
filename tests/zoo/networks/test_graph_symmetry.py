"""Symmetries of graphs of operations: each keeps the function, and a search through all permutations finds no more."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from helpers.fingerprint_checks import ignore_neuron_order_and_nothing_else
from helpers.torch_graphs import graphs, random_inputs, random_params
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.architecture import Architecture

from .test_operations import ARCHITECTURES, Operations, act, conv, image, linear, norm, resnet18, vit


def keeps_the_function(arch: Architecture, kind: symmetry.Kind, seed: int) -> int:
    """Checks a random element on two networks; returns how many groups it had."""
    generator = torch.Generator().manual_seed(seed)
    networks = wb.Networks(arch, random_params(arch, 2, seed))
    elements = symmetry.sample(arch, kind, 2, generator)
    moved = networks.transformed(kind, elements)
    x = random_inputs(arch, 3, seed)
    torch.testing.assert_close(moved.forward(x), networks.forward(x), atol=1e-8, rtol=1e-8)
    return len(elements)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(arch=graphs(), kind=st.sampled_from(symmetry.KINDS), seed=st.integers(0, 1000))
def test_symmetries_of_random_graphs_keep_the_function(arch: Architecture, kind: symmetry.Kind, seed: int) -> None:
    keeps_the_function(arch, kind, seed)


@pytest.mark.parametrize("kind", symmetry.KINDS)
@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "resnet-18"])
def test_symmetries_of_known_networks_keep_the_function(name: str, kind: symmetry.Kind) -> None:
    keeps_the_function(ARCHITECTURES[name], kind, 3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arch=graphs(), seed=st.integers(0, 1000))
def test_fingerprints_of_random_graphs_ignore_neuron_order_and_nothing_else(arch: Architecture, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ignore_neuron_order_and_nothing_else(arch, random_params(arch, 3, seed).float(), generator)


def sizes(arch: Architecture, kind: symmetry.Kind = "permutation") -> list[int]:
    return [group.size for group in symmetry.neuron_groups(arch, kind)]


def test_the_groups_of_known_networks() -> None:
    # Of a ResNet's stages the residual stream and two inner layers each.
    assert sorted(sizes(resnet18())) == sorted([64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512])
    # The stream, per layer the hidden neurons, in each head queries with keys, and values; and the heads.
    assert sizes(vit()) == [8, *[4, 4, 4, 4, 16] * 2, 2, 2]
    grouped = image(conv(4, 4), conv(4, 4, groups=2), act("relu"), conv(4, 3))
    assert sizes(grouped) == [2, 2, 2, 2, 2]  # inputs and outputs of either group, and the groups
    assert sizes(image(conv(4, 4), conv(4, 4, groups=4), conv(4, 3))) == [4]
    flat = image(conv(4, 2), {"op": "flatten"}, linear(72, 72), {"op": "add", "source": 1}, linear(72, 3))
    assert sizes(flat) == [2]  # neurons added to a flat map move by whole maps


def test_normalisation_forbids_and_adds_symmetries() -> None:
    def between(*operations: dict[str, Any]) -> Architecture:
        return image(linear(3, 4), *operations, linear(4, 2), shape=(3,))

    relu, tanh = act("relu"), act("tanh")
    assert sizes(between(relu), "scale") == [4]
    for kind in ("batch-norm", "layer-norm"):  # eps and means forbid scales of what they read, weights give new ones
        before = [0 for group in symmetry.neuron_groups(between(norm(kind, 4), relu), "scale") if 0 in group.producers]
        assert not before
        assert sizes(between(norm(kind, 4), relu), "scale") == [4]
    assert sizes(between(norm("layer-norm", 4), tanh), "sign") == [4]
    assert sizes(between(norm("batch-norm", 4), tanh), "sign") == [4, 4]  # before it and behind it
    assert sizes(between(norm("rms-norm", 4), tanh), "sign") == [4, 4]
    assert sizes(between(norm("rms-norm", 4), act("gelu")), "sign") == [4]
    # Queries and keys share a sign, and what one is multiplied by the other is divided by; values pass.
    assert sizes(ARCHITECTURES["attention"], "scale") == [8, 8]


ADDED = [linear(2, 3, id="a"), linear(2, 3, id="b", inputs=["input"]), {"op": "add", "inputs": ["a", "b"]}]
JOINED = [linear(2, 2, id="a"), linear(2, 1, id="b", inputs=["input"]), {"op": "concat", "inputs": ["a", "b"]}]
NARROW = conv(1, 4, 1, bias=False)
WORDS = {"op": "embedding", "vocabulary": 2, "features": 2, "id": "words"}
TINY: dict[str, tuple[tuple[int, ...], Operations]] = {
    "mlp": ((2,), [linear(2, 3), act("gelu"), linear(3, 2)]),
    "batch norm": ((2,), [linear(2, 3, bias=False), norm("batch-norm", 3), act("gelu"), linear(3, 1)]),
    "layer norm": ((2,), [linear(2, 3), norm("layer-norm", 3), act("gelu"), linear(3, 1)]),
    "residual": ((2,), [linear(2, 3), act("gelu"), linear(3, 3), {"op": "add", "source": 1}, linear(3, 1)]),
    "group norm": ((1,), [linear(1, 4, bias=False), norm("group-norm", 4, groups=2), act("gelu"), linear(4, 1)]),
    "added branches": ((2,), [*ADDED, act("gelu"), linear(3, 1)]),
    "joined and added": (
        (2,),
        [*JOINED, act("gelu"), linear(3, 3), {"op": "add", "inputs": ["previous", "3"]}, act("gelu"), linear(3, 1)],
    ),
    "grouped": ((1, 2, 2), [NARROW, act("gelu"), conv(4, 4, 1, groups=2, bias=False), act("gelu"), conv(4, 1, 1)]),
    "depthwise": ((1, 2, 2), [NARROW, act("gelu"), conv(4, 4, 1, groups=4, bias=False), act("gelu"), conv(4, 1, 1)]),
    "depthwise, two each": (
        (1, 2, 2),
        [conv(1, 2, 1), conv(2, 4, 1, groups=2, bias=False), act("gelu"), conv(4, 1, 1)],
    ),
    "flatten": ((1, 1, 2), [conv(1, 2, 1), act("gelu"), {"op": "flatten"}, linear(4, 2)]),
    "heads": (
        (2, 1),
        [
            *[linear(1, 4, id=name, inputs=["input"], bias=False) for name in "qkv"],
            {"op": "attention", "heads": 2, "inputs": ["q", "k", "v"]},
            linear(4, 1),
        ],
    ),
    "words": ((2,), [WORDS, {"op": "position-embedding", "tokens": 2, "features": 2}, act("gelu"), linear(2, 1)]),
}


@pytest.mark.parametrize("name", TINY)
def test_no_permutation_is_missed(name: str) -> None:
    """Of all ways to reorder every axis of every tensor, those that keep the function are those that are derived.

    In a grouped convolution every row may reorder what it reads by itself.
    """
    shape, operations = TINY[name]
    arch = image(*operations, shape=shape)
    networks = wb.Networks(arch, random_params(arch, 1, 0))
    x = random_inputs(arch, 3, 0)
    numbers = torch.arange(arch.num_params)
    per_tensor = []
    for tensor in arch.tensors:
        values = numbers[tensor.start : tensor.stop].numpy().reshape(tensor.shape)
        if getattr(arch.operations[tensor.operation], "groups", 1) > 1 and tensor.shape[-1] == 1:
            reads = list(itertools.permutations(range(tensor.shape[1])))
            free = [np.stack(rows) for rows in itertools.product(*([row[list(r)] for r in reads] for row in values))]
            orders = [rows[list(o)].ravel() for rows in free for o in itertools.permutations(range(len(values)))]
        else:
            every = itertools.product(*(itertools.permutations(range(size)) for size in tensor.shape))
            orders = [values[np.ix_(*order)].ravel() for order in every]
        per_tensor.append(orders)
    found = {tuple(row.tolist()) for row in keeping(networks, x, per_tensor)}
    assert found == closure(arch)


def keeping(networks: wb.Networks, x: torch.Tensor, per_tensor: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Every combination of orders that keeps the function, by the whole product, in batches."""
    expected = networks.forward(x)[0]
    found = []
    combined = itertools.product(*per_tensor)
    while batch := list(itertools.islice(combined, 20_000)):
        rows = np.stack([np.concatenate(parts) for parts in batch])
        outputs = wb.Networks(networks.arch, networks.params[0][torch.from_numpy(rows)]).forward(x)
        same = (outputs - expected).abs().flatten(1).amax(1) < 1e-9
        found += list(rows[same.numpy()])
    return found


def closure(arch: Architecture) -> set[tuple[int, ...]]:
    """All that the derived groups generate, as orders of the parameters."""
    start = torch.arange(float(arch.num_params), dtype=torch.float64)[None]
    groups = symmetry.neuron_groups(arch)
    known = {tuple(range(arch.num_params))}
    frontier = [start]
    swaps = [(g, i) for g, group in enumerate(groups) for i in range(group.size - 1)]
    while frontier:
        params = frontier.pop()
        for chosen, i in swaps:
            elements = [torch.arange(group.size)[None].clone() for group in groups]
            elements[chosen][0, [i, i + 1]] = elements[chosen][0, [i + 1, i]]
            moved = symmetry.apply(arch, params, "permutation", elements)
            key = tuple(int(v) for v in moved[0])
            if key not in known:
                known.add(key)
                frontier.append(moved)
    return known
