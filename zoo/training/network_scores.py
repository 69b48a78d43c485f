"""Losses and scores of many networks at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.architecture import Architecture
from ..networks.evaluation import evaluate
from ..recipes.run_recipe import Loss

MAX_VALUES = 2**24  # of the largest layer, over all networks and items evaluated at once


def score_name(loss: Loss) -> str:
    """What is reported beside the loss: "accuracy", or "r2" (coefficient of determination) for regression."""
    return {"cross-entropy": "accuracy", "mse": "r2"}[loss]


def mean_losses(
    arch: Architecture,
    loss: Loss,
    params: Tensor,
    inputs: Tensor,
    targets: Tensor,
    dropout: Callable[[Tensor, int], Tensor] | None = None,
    buffers: dict[int, dict[str, Tensor]] | None = None,
) -> Tensor:
    """Each network's differentiable loss `[B]`, the mean over its items.

    Arguments:
        params: `[B, P]`.
        inputs: `[n, *in]`, common to all networks, or `[B, n, *in]`.
        targets: int64 `[n]` for "cross-entropy", float `[n, out]` for "mse"; with or without B likewise.
        dropout, buffers: see `evaluate`.
    """
    output = evaluate(arch, params, inputs, dropout, buffers)[0]
    if loss == "mse":
        return (output - targets).square().mean((1, 2))
    # F.cross_entropy picks the class by its index, which the compiler does not turn into vector instructions.
    chosen = targets.unsqueeze(-1) == torch.arange(output.shape[-1], device=output.device)
    return (output.logsumexp(-1) - torch.where(chosen, output, 0.0).sum(-1)).mean(1)


@torch.no_grad()
def losses_and_scores(
    arch: Architecture, params: Tensor, parts: Mapping[str, tuple[Tensor, Tensor]], loss: Loss
) -> dict[str, np.ndarray]:
    """Mean loss and score of networks `params [B, P]` on each part, float32 `[B]`, summed up in float64.

    Arguments:
        parts: inputs `[n, *in]` and targets (int64 `[n]`, or float `[n, out]` for "mse") by name.

    Returns `<part>_loss` and `<part>_<score>` for every part.
    """
    found = {}
    step = max(1, MAX_VALUES // (len(params) * max(map(math.prod, arch.shapes))))
    for part, (inputs, targets) in parts.items():
        sums = torch.zeros(2, len(params), dtype=torch.float64, device=params.device)
        for start in range(0, len(inputs), step):
            output = evaluate(arch, params, inputs[start : start + step])[0]
            sums += (_squared_errors if loss == "mse" else _right_answers)(output, targets[start : start + step])
        mean_loss, score = (sums / len(inputs)).cpu().numpy()
        if loss == "mse":
            score = 1 - score / targets.double().var(correction=0).item()
        found[f"{part}_loss"] = np.asarray(mean_loss, np.float32)
        found[f"{part}_{score_name(loss)}"] = np.asarray(score, np.float32)
    return found


def _squared_errors(output: Tensor, targets: Tensor) -> Tensor:
    errors = (output - targets).double().square().mean(2).sum(1)
    return torch.stack([errors, errors])


def _right_answers(output: Tensor, targets: Tensor) -> Tensor:
    labels = targets.expand(output.shape[:2])
    loss = F.cross_entropy(output.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    return torch.stack([loss.double().sum(1), (output.argmax(-1) == targets).double().sum(1)])
