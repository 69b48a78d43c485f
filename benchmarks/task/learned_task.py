"""Tasks that are learned from targets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from torch import Tensor

from ...zoo.storage.zoo import Split
from ..metrics.scoring import metric_of
from .task import Task


class LearnedTask(Task):
    """A task with targets, a training loss, and a score on the validation split.

    Example:
        >>> import torch, weightbench as wb
        >>> task = wb.load_task("inr-classification", "digits-inrs")
        >>> isinstance(task, wb.LearnedTask)
        True
        >>> task.quality(torch.eye(10), torch.arange(10))  # logits that name each class
        100.0
    """

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Length of logits or values; for editing, of a network's parameters."""

    @abstractmethod
    def targets(self, split: Split) -> Tensor:
        """What is to be predicted, one row per network of the split, in the table's order."""

    @abstractmethod
    def observe(self, output: Any) -> Tensor:
        """The part of an output that is judged, as one tensor `[B, ...]`."""

    @abstractmethod
    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """The differentiable training loss of a batch."""

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """The headline metric of what `observe` returned, for choosing on the validation split.

        It is that of all networks together, also where the score averages over runs.
        """
        return metric_of(self.metric).quality(_array(observed), _array(targets))


def _array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().cpu().numpy()
    return found
