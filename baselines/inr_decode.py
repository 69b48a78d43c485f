"""Decode the INR and read the pixels: the ceiling that a reader of weights is measured against."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ..methods.base import NeuralMethod, TaskView
from ..methods.inputs import require
from ..zoo.errors import BadInput
from ..zoo.inrs import render
from ..zoo.networks import Networks


class ImageReader(nn.Module):
    """Renders `[B, side, side, channels]`; three 3x3 convolutions, pooled by 2 in between while there is size left."""

    def __init__(self, method: INRDecode, networks: Networks, side: int, output_dim: int) -> None:
        super().__init__()
        self.arch, self.side = networks.arch, side
        channels, layers = self.arch.output_shape[0], []
        for factor in (1, 2, 4):
            layers += [nn.Conv2d(channels, factor * method.width, 3, padding=1), nn.ReLU()]
            channels = factor * method.width
            if side >= 4:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.read = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(method.dropout), nn.Linear(channels * side**2, output_dim)
        )

    def forward(self, networks: Networks) -> Tensor:
        require(networks, self.arch, "inr-decode")
        with torch.no_grad():
            images = render(networks, (self.side, self.side, self.arch.output_shape[0]))
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

    width: int = 16
    dropout: float = 0.2
    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"

    def build(self, task: TaskView) -> nn.Module:
        networks = task.splits["train"].networks
        if networks.arch.input_shape != (2,):
            raise BadInput(f"inr-decode takes INRs of images, with two inputs, not {networks.arch}")
        pixels = task.splits["train"].array("image").shape[1] // networks.arch.output_shape[0]
        return ImageReader(self, networks, math.isqrt(pixels), task.output_dim)
