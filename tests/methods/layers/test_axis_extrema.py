"""The gradient of a largest or smallest value: torch's own, ties included."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weightbench.methods.layers.axis_extrema import amax, amin


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.tuples(*[st.integers(1, 4)] * 3), st.booleans())
def test_equals_torch_where_values_tie_too(seed: int, axis: int, shape: tuple[int, ...], smallest: bool) -> None:
    torch.manual_seed(seed)
    x = torch.randint(3, shape).double().requires_grad_()
    ours, theirs = (amin, torch.amin) if smallest else (amax, torch.amax)
    assert torch.equal(ours(x, axis), theirs(x, axis))
    weight = torch.rand_like(ours(x, axis))
    (gradient,) = torch.autograd.grad((ours(x, axis) * weight).sum(), x)
    (expected,) = torch.autograd.grad((theirs(x, axis) * weight).sum(), x)
    torch.testing.assert_close(gradient, expected)
