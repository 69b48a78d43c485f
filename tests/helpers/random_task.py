"""A task on random networks of any architecture, for methods that need no trained ones to be tested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor

import weightbench as wb


@dataclass
class RandomSplit:
    """What a method may read of a split."""

    networks: wb.Networks

    @property
    def groups(self) -> list[wb.Networks]:
        return [self.networks]

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame({"id": [str(i) for i in range(len(self.networks))]})

    def __len__(self) -> int:
        return len(self.networks)


@dataclass
class RandomTask:
    """Classes that say which half of the networks has the larger first weights."""

    arch: wb.Architecture
    output: str = "logits"
    classes: int = 10
    networks: int = 24
    dtype: torch.dtype = torch.float32
    name: ClassVar[str] = "inr-classification"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    inputs_may_move: ClassVar[bool] = True
    splits: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.splits = {
            name: RandomSplit(
                wb.Networks(
                    self.arch, torch.randn(self.networks, self.arch.num_params, generator=generator, dtype=self.dtype)
                )
            )
            for name in ("train", "val", "test")
        }

    @property
    def architectures(self) -> list[wb.Architecture]:
        return [self.arch]

    @property
    def output_dim(self) -> int:
        return 1 if self.output == "values" else self.classes

    def targets(self, split: RandomSplit) -> Tensor:
        first = split.networks.params[:, 0]
        return (first > first.median()).long() if self.output == "logits" else first[:, None]

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        if self.output == "logits":
            return torch.nn.functional.cross_entropy(output, targets)
        return ((output.params if self.output == "networks" else output)[:, :1] - targets[:, :1]).square().mean()

    def observe(self, output: Any) -> Tensor:
        observed: Tensor = output.params if self.output == "networks" else output
        return observed

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        if self.output == "logits":
            return 100 * (observed.argmax(1) == targets).float().mean().item()
        return -(observed[:, :1] - targets[:, :1]).square().mean().item()

    def render(self, networks: wb.Networks) -> Tensor:
        return wb.render(networks, (8, 8))
