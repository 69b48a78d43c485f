"""Features over levels of neurons, pooled over some of them, and pooled ones added back to the whole."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor

from ..layers.axis_extrema import amax

Levels = tuple[int, ...]
Pooling = Literal["mean", "max"]


def pool_to_subsets(x: Tensor, levels: Levels, pooling: Pooling) -> dict[Levels, Tensor]:
    """`x [B, *levels, C]` pooled to every subset of its levels."""
    if len(levels) < 2:
        return {levels: x} | ({(): x.mean(1) if pooling == "mean" else amax(x, 1)} if levels else {})
    if pooling == "mean":
        x, rows, columns = row_column_means(x)
        return {levels: x, levels[:1]: rows, levels[1:]: columns, (): rows.mean(1)}
    rows, columns = amax(x, 2), amax(x, 1)
    return {levels: x, levels[:1]: rows, levels[1:]: columns, (): amax(rows, 1)}


def level_subsets(levels: Levels) -> list[Levels]:
    """All subsets, larger ones first."""
    return [part for size in range(len(levels), -1, -1) for part in combinations(levels, size)]


def insert_levels(x: Tensor, levels: Levels, target: Levels) -> Tensor:
    """`x [B, *levels, C]` with an axis of length one for every level that only the target has."""
    for axis, level in enumerate(target, 1):
        if level not in levels:
            x = x.unsqueeze(axis)
    return x


def row_column_means(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`x [B, n, m, C]`, its mean over m and over n."""
    apply: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]] = RowColumnMeans.apply
    return apply(x)


def matrix_mix(x: Tensor, weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """`x W^T + rows + columns`, for x `[B, n, m, C]`, W `[D, C]`, rows `[B, n, 1, D]` and columns `[B, 1, m, D]`."""
    apply: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = MatrixMix.apply
    return apply(x, weight, rows, columns)


class RowColumnMeans(torch.autograd.Function):
    """`row_column_means`, whose gradient is put together in one pass over memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[B, n, m, C]`, `[B, n, C]` and `[B, m, C]`."""
        return x.view_as(x), x.mean(2), x.mean(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The gradient of x from those of the three outputs."""
        total = (rows / grad.shape[2]).unsqueeze(2) + (columns / grad.shape[1]).unsqueeze(1)
        return total.add_(grad)


class MatrixMix(torch.autograd.Function):
    """`matrix_mix`, which adds the product in place, also under autocast."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """`[B, n, m, D]`, for a weight `[D, C]`."""
        mixed = rows + columns
        x, weight = x.to(mixed.dtype), weight.to(mixed.dtype)  # under autocast
        ctx.save_for_backward(x, weight)
        mixed.flatten(0, 2).addmm_(x.flatten(0, 2), weight.T)
        return mixed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """The gradients of x, weight, rows and columns."""
        x, weight = ctx.saved_tensors
        flat = grad.flatten(0, 2)
        for_x = (flat @ weight).view(x.shape) if ctx.needs_input_grad[0] else None
        return for_x, flat.T @ x.flatten(0, 2), grad.sum(2, keepdim=True), grad.sum(1, keepdim=True)
