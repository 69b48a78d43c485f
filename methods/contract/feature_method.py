"""Methods that describe a network by fixed numbers, which a linear model reads."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from .linear_readout import LinearReadout
from .method import Method
from .parameter_ranges import NonNegativeFinite
from .task_view import TaskView


class FeatureMethod(Method):
    """A method of fixed features: write `size` and `transform`; ridge or logistic regression reads the numbers.

    Architectures of other depth share the columns: layers are numbered from the input on, missing ones are 0.

    Fields:
        alpha: weight of the L2 penalty on standardised features.
    """

    tasks: ClassVar[tuple[str, ...]] = ("inr-classification", "property")

    alpha: NonNegativeFinite = 1.0

    def size(self, arch: Architecture) -> int:
        """How many numbers describe a network."""
        raise TypeError(f"{type(self).__name__} has no size method: write one")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Fit the linear model to the training networks' features; without targets there is nothing to learn."""
        self.columns = max(self.size(arch) for arch in task.architectures)
        if task.output == "embeddings":
            return
        self.readout = LinearReadout(task.output, task.output_dim, self.alpha)
        self.readout.fit(torch.cat([self.transform(networks) for networks in train.groups]), task.targets(train))

    def predict(self, networks: Networks) -> Tensor:
        """The linear model's values `[B, 1]` or log-probabilities `[B, output_dim]`."""
        return self.readout.predict(self.transform(networks))
