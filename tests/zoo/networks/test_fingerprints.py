"""Property: fingerprints ignore the order of neurons and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.zoo.networks.fingerprints import fingerprints

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
    from weightbench.zoo.networks import symmetry

    arch = ARCHITECTURES[kind]
    generator = torch.Generator().manual_seed(seed)
    networks = wb.Networks(arch, torch.randn(3, arch.num_params, generator=generator))
    before = fingerprints(arch, networks.params.numpy())
    permuted = networks.permuted(symmetry.sample(arch, "permutation", 3, generator))
    assert np.array_equal(fingerprints(arch, permuted.params.numpy()), before)
    assert len(set(before.tolist())) == 3
    changed = networks.params.clone()
    place = int(torch.randint(arch.num_params, (1,), generator=generator))
    changed[0, place] = torch.nextafter(changed[0, place], torch.tensor(9.0))
    after = fingerprints(arch, changed.numpy())
    assert after[0] != before[0]
    assert np.array_equal(after[1:], before[1:])
