"""Property: each augmentation changes networks at random and preserves what it says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers.random_task import RandomTask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import weightbench as wb
from weightbench.methods.training import augmentation

TASKS = ("inr-classification", "inr-dilation", "neuron-alignment", "property")
SIREN = wb.Architecture.mlp((2, 6, 5, 1), "sine", omega_0=30.0, output_offset=0.5)
RELU = wb.Architecture.mlp((2, 6, 5, 1), "relu")
TANH_CNN = wb.Architecture.cnn((1, 6, 6), (3, 4), 2, activation="tanh", padding=1)
SINE_CNN = wb.Architecture.cnn((1, 6, 6), (3, 4), 2, activation="sine", padding=1)


def networks_of(arch: wb.Architecture, count: int = 6) -> wb.Networks:
    params = torch.randn(count, arch.num_params, generator=torch.Generator().manual_seed(1)).double()
    return wb.Networks(arch, 0.3 * params)


def inputs(arch: wb.Architecture) -> Tensor:
    return torch.randn(7, *arch.input_shape, generator=torch.Generator().manual_seed(2)).double()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    case=st.sampled_from(
        [
            (name, arch)
            for name in ("permutation", "sign", "scale", "phase")
            for arch in (SIREN, RELU, TANH_CNN, SINE_CNN)
        ]
    ),
    seed=st.integers(0, 1000),
)
def test_symmetries_keep_the_function(case: tuple[str, wb.Architecture], seed: int) -> None:
    name, arch = case
    networks = networks_of(arch)
    changed = augmentation.compose([name])(networks, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(changed.forward(inputs(arch)), networks.forward(inputs(arch)), atol=1e-9, rtol=1e-9)
    holds = {
        "permutation": True,
        "sign": arch is not RELU,
        "scale": arch is RELU,
        "phase": arch in (SIREN, SINE_CNN),
    }[name]
    assert torch.equal(changed.params, networks.params) != holds


@settings(max_examples=30, deadline=None, derandomize=True)
@given(name=st.sampled_from(["translation", "rotation", "zoom"]), seed=st.integers(0, 1000))
def test_moved_inputs_are_exact(name: str, seed: int) -> None:
    networks = networks_of(SIREN)
    changed = augmentation.compose([name])(networks, torch.Generator().manual_seed(seed))
    # Which A and t were drawn is read off the first layer: W' = W A, b' = b + W t.
    weight, bias = networks.weights[0], networks.biases[0]
    matrix = torch.linalg.lstsq(weight, changed.weights[0]).solution
    shift = torch.linalg.lstsq(weight, (changed.biases[0] - bias).unsqueeze(2)).solution.mT
    expected = networks.forward(inputs(SIREN) @ matrix.mT + shift)
    torch.testing.assert_close(changed.forward(inputs(SIREN)), expected, atol=1e-9, rtol=1e-9)
    identity = torch.eye(2).double().expand(len(networks), 2, 2)
    if name == "translation":
        assert 0.01 < shift.abs().max() <= 0.25
        torch.testing.assert_close(matrix, identity)
    elif name == "rotation":
        torch.testing.assert_close(matrix @ matrix.mT, identity)
        angles = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
        assert 0.01 < angles.abs().max() <= math.pi / 4
    else:
        factors = matrix[:, 0, 0]
        torch.testing.assert_close(matrix, factors[:, None, None] * identity)
        assert 0.005 < (factors - 1).abs().max() <= 0.2


def test_noise_is_random_and_as_large_as_asked() -> None:
    networks = networks_of(RELU, 4000)
    generator = torch.Generator().manual_seed(0)
    change = augmentation.noise(networks, generator, 0.2).params - networks.params
    torch.testing.assert_close(change.std(0), 0.2 * networks.params.std(0), rtol=0.1, atol=0)
    assert change.mean(0).abs().max() < 0.01
    assert not torch.equal(
        augmentation.noise(networks, generator).params, augmentation.noise(networks, generator).params
    )


def test_dropout_keeps_the_mean_and_quantile_drops_the_smallest() -> None:
    ones = wb.Networks(RELU, torch.ones(4000, RELU.num_params))
    dropped = augmentation.dropout(ones, torch.Generator().manual_seed(0), 0.25)
    torch.testing.assert_close(dropped.params.unique(), torch.tensor([0, 4 / 3]))
    torch.testing.assert_close(dropped.params.mean(), torch.tensor(1.0), atol=0.01, rtol=0)
    networks = networks_of(RELU, 400)
    cut = augmentation.quantile(networks, torch.Generator().manual_seed(0), 0.5)
    zero = cut.params == 0
    assert 0.15 < zero.float().mean() < 0.3
    weight = slice(12 + 6, 12 + 6 + 30)  # the second layer's
    smallest_kept = networks.params[:, weight].abs().masked_fill(zero[:, weight], torch.inf).amin(1)
    largest_cut = networks.params[:, weight].abs().masked_fill(~zero[:, weight], 0).amax(1)
    assert (largest_cut < smallest_kept).all()


def test_a_seed_decides_and_names_are_checked() -> None:
    networks = networks_of(SIREN)
    before = networks.params.clone()
    steps = augmentation.compose(["permutation", "noise=0.3", "rotation=10", "phase=2", "dropout"])
    first, again, other = (steps(networks, torch.Generator().manual_seed(seed)).params for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(networks.params, before)
    assert augmentation.compose([])(networks, torch.Generator()) is networks
    for names, message in (
        (["noize"], "did you mean noise"),
        (["sign=2"], "takes no number"),
        (["noise=much"], "write noise=NUMBER"),
    ):
        with pytest.raises(wb.BadInput, match=message):
            augmentation.compose(names)
    for name in ("translation", "rotation", "zoom"):
        with pytest.raises(wb.BadInput, match="take"):
            augmentation.compose([name])(networks_of(TANH_CNN), torch.Generator())


def test_the_task_says_whether_inputs_may_move() -> None:
    def outcome(may: bool, *augmentations: str) -> torch.Tensor:
        task = RandomTask(wb.Architecture.mlp((2, 4, 1), "sine"), classes=2)
        task.name, task.inputs_may_move = "any", may
        method = wb.load_method("mlp", width=4, depth=1, epochs=1, augment=augmentations)
        method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
        found = method.predict(task.splits["test"].networks)
        assert isinstance(found, torch.Tensor)
        return found

    assert not torch.equal(outcome(True, "rotation"), outcome(True))
    assert torch.equal(outcome(False, "rotation"), outcome(False))
    assert not torch.equal(outcome(False, "sign"), outcome(False))


def test_only_classification_of_inrs_lets_inputs_move(small_zoo: Path) -> None:
    targets = {"property": "label"}
    tasks = [wb.load_task(name, small_zoo, target=targets.get(name)) for name in TASKS]
    assert [task.name for task in tasks if task.inputs_may_move] == ["inr-classification"]
