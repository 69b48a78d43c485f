"""Floating-point operations of a training, counted in one step of each architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, mm_flop, sdpa_backward_flop_count, sdpa_flop_count

from ...zoo.networks.networks import Networks

aten = torch.ops.aten


def _attention(q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> int:
    return int(sdpa_flop_count(q, k, v))


def _attention_backward(grad: Any, q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> int:
    return int(sdpa_backward_flop_count(grad, q, k, v))


def _addmm(bias: Any, a: Any, b: Any, *args: Any, **kwargs: Any) -> int:
    return int(mm_flop(a, b))


UNCOUNTED = {  # by torch: a product in place, and attention on CPUs
    aten.addmm_: _addmm,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def epoch_flops(
    loss: Callable[[Networks, Tensor], Tensor], groups: Sequence[Networks], targets: Sequence[Tensor], batch_size: int
) -> float:
    """Products of matrices, convolutions and attention of an epoch, forward and backward, a multiplication and an
    addition as two. What is done number by number is not counted, nor the optimizer, nor the validation.

    The first batch of each architecture is run for it. Counting may change how gradients round, and batch norms take
    note of the batch, so this is for the end of a training, before the parameters that it gives are put back.

    Arguments:
        loss: a tensor `[]` of networks and their targets.
        groups, targets: the training networks of each architecture.
    """
    found = 0.0
    for networks, wanted in zip(groups, targets, strict=True):
        if len(networks):
            batch = networks[:batch_size]
            with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
                loss(batch, wanted[: len(batch)]).backward()
            found += counter.get_total_flops() / len(batch) * len(networks)
    return found
