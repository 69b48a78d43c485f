"""Convolutions between learned points: what they compute, where they learn, whom they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.random_task import RandomTask
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.methods.own.probe_conv import NOWHERE, PointConvolution
from weightbench.runtime.errors import BadInput


def points(count: int, dimensions: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, dimensions, generator=generator, dtype=torch.float64) - 1


def test_a_layer_is_its_definition_written_out() -> None:
    torch.manual_seed(0)
    layer = PointConvolution(0.7, 2, 3, 4).double()
    below, own, x = points(6, 2, 1), points(2, 2, 2), torch.randn(5, 6, 3, dtype=torch.float64)
    radius = layer.log_radius.exp()
    combined = []
    for q in own:
        values = []
        for offset in layer.offsets:
            near = torch.stack([torch.exp(-(q + offset - p).square().sum() / (2 * radius**2)) for p in below])
            values.append(torch.einsum("n,bnc->bc", near / (near.sum() + torch.tensor(NOWHERE).exp()), x))
        combined.append(torch.cat(values, 1) @ layer.combine.weight.T + layer.combine.bias)
    expected = torch.nn.functional.gelu(torch.nn.functional.group_norm(torch.stack(combined, 2), 1)).mT
    torch.testing.assert_close(layer(x, below, own), expected, rtol=1e-6, atol=1e-7)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(dimensions=st.integers(1, 3), count=st.integers(1, 9), seed=st.integers(0, 99))
def test_moving_all_points_changes_nothing_and_their_order_none(dimensions: int, count: int, seed: int) -> None:
    torch.manual_seed(seed)
    layer = PointConvolution(0.7, dimensions, 2, 4).double()
    below, own, x = points(count, dimensions, seed), points(3, dimensions, seed + 1), torch.randn(2, count, 2).double()
    plain, shift, order = layer(x, below, own), points(1, dimensions, seed + 2), torch.randperm(count)
    torch.testing.assert_close(layer(x, below + shift, own + shift), plain)
    torch.testing.assert_close(layer(x[:, order], below[order], own), plain)


def test_a_tap_far_from_every_point_reads_nothing() -> None:
    layer = PointConvolution(0.7, 2, 1, 4).double()
    assert layer.shares(points(6, 2, 0) + 100, points(3, 2, 1)).abs().max() < 1e-9


@settings(max_examples=20, deadline=None, derandomize=True)
@given(radius=st.floats(0.01, 0.5), seed=st.integers(0, 99))
def test_no_share_is_a_denormal_number(radius: float, seed: int) -> None:
    layer = PointConvolution(0.2, 2, 1, 4)
    with torch.no_grad():
        layer.log_radius.fill_(radius).log_()
        shares = layer.shares(points(64, 2, seed).float(), points(32, 2, seed + 1).float())
    assert shares[shares > 0].min() >= torch.finfo(torch.float32).tiny


@pytest.mark.parametrize("learned", [True, False])
def test_it_learns_to_classify(learned: bool, small_zoo: Path, tmp_path: Path) -> None:
    method = wb.load_method("probe-conv", probes=32, learned_points=learned, epochs=20)
    (result,) = wb.run(method, task="inr-classification", zoo=small_zoo, out=tmp_path)
    assert result.score is not None
    assert result.score > 40
    assert result.symmetry is not None
    assert result.symmetry.permutation == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("learned", [True, False])
def test_points_move_where_they_are_learned(learned: bool) -> None:
    task = RandomTask(wb.Architecture.mlp((3, 6, 2), "sine"))
    method = wb.load_method("probe-conv", probes=8, learned_points=learned, epochs=1, dropout=0.0)
    module = method.build(task)  # type: ignore[attr-defined]  # torch modules have it
    task.loss(module(task.splits["train"].networks), torch.zeros(24, dtype=torch.long)).backward()
    assert all((p.grad is not None and bool(p.grad.any())) == learned for p in module.points)


@pytest.mark.parametrize(
    "arch", [wb.Architecture.mlp((4, 8, 3), "sine"), wb.Architecture.cnn((1, 8, 8), (4, 4), 1)], ids=["features", "cnn"]
)
def test_networks_whose_inputs_are_no_coordinates_are_refused(arch: wb.Architecture) -> None:
    with pytest.raises(BadInput, match="networks of one to three coordinates"):
        wb.load_method("probe-conv").check(RandomTask(arch))  # type: ignore[arg-type]
