"""What fingerprints of networks promise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import weightbench as wb
from weightbench.zoo.networks import symmetry
from weightbench.zoo.networks.fingerprints import fingerprints


def ignore_neuron_order_and_nothing_else(arch: wb.Architecture, params: Tensor, generator: torch.Generator) -> None:
    """Of networks `[3, P]`: equal after a permutation, another after the smallest change of one number."""
    before = fingerprints(arch, params.numpy())
    permuted = wb.Networks(arch, params).permuted(symmetry.sample(arch, "permutation", 3, generator))
    assert np.array_equal(fingerprints(arch, permuted.params.numpy()), before)
    assert len(set(before.tolist())) == 3
    changed = params.clone()
    place = int(torch.randint(arch.num_params, (1,), generator=generator))
    changed[0, place] = torch.nextafter(changed[0, place], torch.tensor(9.0))
    after = fingerprints(arch, changed.numpy())
    assert after[0] != before[0]
    assert np.array_equal(after[1:], before[1:])
