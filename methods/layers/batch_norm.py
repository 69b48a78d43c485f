"""Batch normalisation of features whose channels come last."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Over all but the last axis. A single row has no variance: it is normalised by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """`[..., channels]`, normalised."""
        rows = x.reshape(-1, self.num_features)
        if self.training and len(rows) == 1:
            rows = nn.functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias)
            return rows.view(x.shape)
        return super().forward(rows).view(x.shape)


class BatchNorms(nn.ModuleList):
    """One for every weight and bias."""

    def __init__(self, channels: int, tensors: int) -> None:
        super().__init__(BatchNorm(channels) for _ in range(tensors))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """`[..., channels]` per weight and bias, each normalised by its own."""
        return [norm(x) for norm, x in zip(self, features, strict=True)]
