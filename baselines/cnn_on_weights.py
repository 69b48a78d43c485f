"""A CNN on the weight matrices as images (after Eilertsen et al. 2020, who read windows of the flattened weights)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ..methods.contract.network_checks import of_one_layout
from ..methods.contract.parameter_ranges import DropoutRate
from ..methods.contract.task_view import TaskView
from ..methods.layers.tensor_normalisation import TensorNormalisation
from ..methods.training.neural_method import NeuralMethod
from ..zoo.networks.networks import Networks

GRID_SIDE = 4  # pixels: every picture ends as 4 x 4 of them


class PictureReader(nn.Module):
    """A CNN per layer on `[B, kernel elements + 1, out, in]`, the bias as one more channel; an MLP on all of them."""

    def __init__(self, networks: Networks, width: int, dropout: float, output_dim: int) -> None:
        super().__init__()
        self.normalise = TensorNormalisation(networks)
        self.cnns = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(weight[0, 0, 0].numel() + 1, width, 3, padding=1), nn.ReLU()),
                *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(2 * GRID_SIDE)),
                *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(GRID_SIDE), nn.Flatten()),
            )
            for weight in networks.weights
        )
        self.read = nn.Sequential(
            *(nn.Linear(len(self.cnns) * width * GRID_SIDE**2, 4 * width), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(4 * width, output_dim),
        )

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        normal = self.normalise(networks)
        features = []
        for cnn, weight, bias in zip(self.cnns, normal.weights, normal.biases, strict=True):
            picture = weight.flatten(3).permute(0, 3, 1, 2) if weight.ndim > 3 else weight.unsqueeze(1)
            extra = (
                torch.zeros_like(picture[:, :1]) if bias is None else bias[:, None, :, None].expand_as(picture[:, :1])
            )
            features.append(cnn(torch.cat([picture, extra], 1)))
        outputs: Tensor = self.read(torch.cat(features, 1))
        return outputs


class CNNOnWeights(NeuralMethod):
    """Weight matrices as images: neighbouring rows and columns mean nothing, so the order of the neurons shows.

    Fields:
        width: channels of the convolutions.
        dropout: before the last layer.
    """

    name = "cnn-on-weights"
    tasks = ("inr-classification", "property")
    paper = "arXiv:2002.05688"
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 32
    dropout: DropoutRate = 0.2
    epochs: int = 50
    batch_size: int = 128
    lr: float = 1e-3
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"

    def build(self, task: TaskView) -> nn.Module:
        """The CNNs of the one architecture that the training networks have."""
        return PictureReader(of_one_layout(task.splits["train"].groups), self.width, self.dropout, task.output_dim)
