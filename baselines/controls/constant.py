"""The same answer for every network: the training networks' mean, or the shares of their classes."""

from __future__ import annotations

import torch
from torch import Tensor

from ...methods.contract.method import Method
from ...methods.contract.network_checks import require_finite
from ...methods.contract.task_view import TaskView
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split


class Constant(Method):
    """Reads nothing. As an embedding, one zero."""

    name = "constant"
    any_operation = True
    tasks = ("inr-classification", "property")
    symmetries = ("permutation", "sign", "scale")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Average the training targets."""
        self.answer = torch.zeros(1)
        if task.output == "values":
            self.answer = task.targets(train).mean(0)
        elif task.output == "logits":
            counts = torch.bincount(task.targets(train), minlength=task.output_dim)
            self.answer = (counts / counts.sum()).clamp(min=1e-12).log()

    def predict(self, networks: Networks) -> Tensor:
        """The average `[B, output_dim]`: a value, or log-shares."""
        return self.answer.repeat(len(require_finite(networks, self.name)), 1)

    def transform(self, networks: Networks) -> Tensor:
        """Zeros `[B, 1]`."""
        return torch.zeros(len(require_finite(networks, self.name)), 1)
