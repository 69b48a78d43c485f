"""Dropout: what is dropped, how much, and when."""

from __future__ import annotations

import pytest
import torch

from weightbench.methods.layers.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.2, 0.9])
def test_values_are_dropped_with_probability_p_or_scaled(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = Dropout(p)(torch.ones(200_000, dtype=dtype))
    kept = values != 0
    assert values.dtype == dtype
    assert kept.float().mean() == pytest.approx(1 - p, abs=0.005)
    torch.testing.assert_close(values[kept], torch.full_like(values[kept], 1 / (1 - p)))


def test_the_gradient_has_the_same_mask() -> None:
    x = torch.rand(1000, requires_grad=True)
    values = Dropout(0.5)(x)
    (gradient,) = torch.autograd.grad(values.sum(), x)
    torch.testing.assert_close(gradient * x, values)


def test_it_follows_the_seed_and_stops_outside_training() -> None:
    x, layer = torch.rand(1000), Dropout(0.5)
    torch.manual_seed(1)
    first = layer(x)
    second = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros(1000))
