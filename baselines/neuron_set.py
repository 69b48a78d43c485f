"""Neurons as a set: `set-nn` told all layers, and each bias with its neuron; no paper has it.

A token is a neuron's incoming weights and its bias. The order of the columns shows, as in `set-nn`.
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ..methods.contract.network_checks import of_one_layout
from ..methods.contract.parameter_ranges import DropoutRate
from ..methods.contract.task_view import TaskView
from ..methods.spaces.level_pooling import Pooling
from ..methods.training.neural_method import NeuralMethod
from ..zoo.networks.networks import Networks
from .set_nn import SetReader, padded


def neurons(networks: Networks) -> Tensor:
    """Incoming weights, filled up with zeros, and bias of every neuron."""
    weights = padded([weight.flatten(2) for weight in networks.weights])
    biases = [
        torch.zeros_like(weight.flatten(2)[..., 0]) if bias is None else bias
        for weight, bias in zip(networks.weights, networks.biases, strict=True)
    ]
    return torch.cat([weights, torch.cat(biases, 1)[..., None]], 2)


class NeuronSet(NeuralMethod):
    """All neurons through the shared MLP of `set-nn`, pooled.

    Fields:
        width, pooling: as in `set-nn`.
    """

    name = "neuron-set"
    tasks = ("inr-classification", "property")
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 128
    pooling: Pooling = "max"
    dropout: DropoutRate = 0.2
    epochs: int = 150
    batch_size: int = 256
    lr: float = 1e-4
    weight_decay: float = 1e-2

    def build(self, task: TaskView) -> nn.Module:
        """The reader of neurons of the one architecture that the training networks have."""
        return SetReader(
            of_one_layout(task.splits["train"].groups),
            neurons,
            width=self.width,
            pooling=self.pooling,
            dropout=self.dropout,
            output_dim=task.output_dim,
        )
