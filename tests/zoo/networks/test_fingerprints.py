"""Property: fingerprints ignore the order of neurons and nothing else."""

from __future__ import annotations

import pytest
import torch
from helpers.fingerprint_checks import ignore_neuron_order_and_nothing_else
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb

ARCHITECTURES = {
    "mlp": wb.Architecture.mlp((3, 7, 6, 2)),
    "cnn": wb.Architecture.cnn((2, 9, 9), (5, 4), 3),
    "flat": wb.Architecture.model_validate(
        {
            "input_shape": [1, 6, 6],
            "operations": [
                {"op": "conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": [3, 3]},
                {"op": "activation", "name": "relu"},
                {"op": "conv2d", "in_channels": 4, "out_channels": 4, "kernel_size": [3, 3], "padding": 1},
                {"op": "add", "source": 1},
                {"op": "flatten"},
                {"op": "linear", "in_features": 64, "out_features": 3},
            ],
        }
    ),
}


@pytest.mark.parametrize("kind", ARCHITECTURES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_fingerprints_ignore_neuron_order_and_nothing_else(kind: str, seed: int) -> None:
    arch = ARCHITECTURES[kind]
    generator = torch.Generator().manual_seed(seed)
    ignore_neuron_order_and_nothing_else(arch, torch.randn(3, arch.num_params, generator=generator), generator)
