"""Decode the INR and read the pixels: the ceiling that a reader of weights is measured against."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ...methods.contract.network_checks import require_architecture
from ...methods.contract.parameter_ranges import DropoutRate
from ...methods.contract.task_view import TaskView
from ...methods.training.neural_method import NeuralMethod
from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks


class ImageReader(nn.Module):
    """Three 3x3 convolutions of `[B, height, width, channels]`, pooled by 2 in between while there is size left."""

    def __init__(self, task: TaskView, width: int, dropout: float) -> None:
        super().__init__()
        self.task, self.arch = task, task.architectures[0]
        self.size = task.render(task.splits["train"].networks[:1]).shape[1:3]
        rows, columns = self.size
        channels, layers = self.arch.output_shape[0], []
        for factor in (1, 2, 4):
            layers += [nn.Conv2d(channels, factor * width, 3, padding=1), nn.ReLU()]
            channels = factor * width
            if min(rows, columns) >= 4:
                layers.append(nn.MaxPool2d(2))
                rows, columns = rows // 2, columns // 2
        self.read = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels * rows * columns, task.output_dim),
        )

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        require_architecture(networks, self.arch, "inr-decode")
        with torch.no_grad():
            images = self.task.render(networks).reshape(len(networks), *self.size, *self.arch.output_shape)
        outputs: Tensor = self.read(images.permute(0, 3, 1, 2))
        return outputs


class INRDecode(NeuralMethod):
    """A small CNN on the rendered images; only for networks that encode images.

    Fields:
        width: channels of the first of three convolutions, doubled twice.
        dropout: before the last layer.
    """

    name = "inr-decode"
    tasks = ("inr-classification",)
    symmetries = ("permutation", "sign", "scale")
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 16
    dropout: DropoutRate = 0.2
    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"

    def check(self, task: TaskView) -> None:
        """Refuse networks that do not encode images. Raises BadInput."""
        super().check(task)
        arch = task.architectures[0]
        if arch.input_shape != (2,):
            raise BadInput(f"inr-decode takes INRs of images, with two inputs, not {arch}")
        task.render(Networks(arch, torch.zeros(1, arch.num_params)))  # refused where networks encode something else

    def build(self, task: TaskView) -> nn.Module:
        """The CNN for images of the size that the zoo renders."""
        return ImageReader(task, self.width, self.dropout)
