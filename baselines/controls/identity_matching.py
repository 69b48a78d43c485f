"""No matching: every neuron is taken for the one at its own place."""

from __future__ import annotations

import torch
from torch import Tensor

from ...methods.contract.method import Method
from ...methods.contract.task_view import TaskView
from ...zoo.networks.networks import Networks
from ...zoo.networks.symmetry import neuron_groups
from ...zoo.storage.zoo import Split


class IdentityMatching(Method):
    """Every neuron keeps its place; the floor of neuron alignment."""

    name = "identity-matching"
    any_operation = True
    tasks = ("neuron-alignment",)

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """There is nothing to learn."""

    def align(self, a: Networks, b: Networks) -> list[Tensor]:
        """The identity `[B, n]` per group of hidden neurons."""
        return [torch.arange(group.size).repeat(len(a), 1) for group in neuron_groups(a.arch)]
