"""Activation matching: neurons are the same if their activations on the same inputs are alike (Li et al. 2015)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..methods.contract.method import Method
from ..methods.contract.neuron_matching import linear_assignment
from ..methods.contract.task_view import TaskView
from ..zoo.networks.networks import Networks
from ..zoo.networks.symmetry import neuron_groups
from ..zoo.storage.zoo import Split


class ActivationMatching(Method):
    """The matching with the largest total correlation of activations, layer by layer.

    Fields:
        inputs: how many, uniform in [-1, 1], the range that zoos scale pixels to.
    """

    name = "activation-matching"
    tasks = ("neuron-alignment",)
    paper = "arXiv:1511.07543"

    inputs: Annotated[int, Field(ge=2)] = 128  # a correlation takes two

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Keep the seed of the inputs; there is nothing to learn."""
        self.seed = seed

    def align(self, a: Networks, b: Networks) -> list[Tensor]:
        """A permutation `[B, n]` of b's neurons per group of hidden neurons."""
        generator = torch.Generator().manual_seed(self.seed)
        x = 2 * torch.rand(self.inputs, *a.arch.input_shape, generator=generator) - 1
        levels = [self._activations(networks, x) for networks in (a, b)]
        found = []
        for group in neuron_groups(a.arch):
            level = group.producers[0] + 1
            found.append(linear_assignment(levels[0][level] @ levels[1][level].mT))
        return found

    def _activations(self, networks: Networks, x: Tensor) -> list[Tensor]:
        """Per level every neuron's activations, `[B, n, inputs * pixels]`, with mean 0 and length 1."""
        found = []
        for values in networks.features(x):
            rows = values.movedim(2, 1).flatten(2)
            centred = rows - rows.mean(2, keepdim=True)
            found.append(centred / centred.norm(dim=2, keepdim=True).clamp(min=1e-12))
        return found
