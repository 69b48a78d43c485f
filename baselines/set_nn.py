"""Set NN: the rows of the weight matrices as a set of tokens, after inr2vec (De Luigi et al., ICLR 2023).

A token is a neuron's incoming weights and its bias. An MLP that all tokens share, and a pool over them, do not see the
order of the rows; the order of the columns, which the same permutations move in the next layer, they do. So the method
is invariant to what is no symmetry and not to what is one.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ..methods.contract.network_checks import of_one_layout
from ..methods.contract.parameter_ranges import DropoutRate
from ..methods.contract.task_view import TaskView
from ..methods.layers.axis_extrema import amax
from ..methods.layers.batch_norm import BatchNorm
from ..methods.layers.tensor_normalisation import TensorNormalisation
from ..methods.spaces.level_pooling import Pooling
from ..methods.training.neural_method import NeuralMethod
from ..zoo.networks.networks import Networks


class RowReader(nn.Module):
    """Tokens `[B, neurons, longest row + 1]`, shorter rows padded with zeros; a shared MLP, a pool, an MLP."""

    def __init__(self, networks: Networks, width: int, pooling: Pooling, dropout: float, output_dim: int) -> None:
        super().__init__()
        self.normalise, self.pooling = TensorNormalisation(networks), pooling
        self.longest = max(weight[:1].flatten(2).shape[2] for weight in networks.weights)
        sizes = [self.longest + 1, width, width, 2 * width, 2 * width]
        shared: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            shared += [nn.Linear(n_in, n_out), BatchNorm(n_out), nn.ReLU()]
        self.shared = nn.Sequential(*shared, nn.Linear(2 * width, 2 * width))
        self.read = nn.Sequential(
            *(nn.Linear(2 * width, width), BatchNorm(width), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(width, output_dim)),
        )

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        normal = self.normalise(networks)
        tokens = []
        for weight, bias in zip(normal.weights, normal.biases, strict=True):
            rows = weight.flatten(2)
            rows = nn.functional.pad(rows, (0, self.longest - rows.shape[2]))
            tokens.append(torch.cat([rows, torch.zeros_like(rows[..., :1]) if bias is None else bias[..., None]], 2))
        values = self.shared(torch.cat(tokens, 1))
        outputs: Tensor = self.read(values.mean(1) if self.pooling == "mean" else amax(values, 1))
        return outputs


class SetNN(NeuralMethod):
    """Tokens of rows and biases through one shared MLP, pooled; the encoder trained on the task itself.

    inr2vec trains its encoder as an auto-encoder, on INRs that all start from the same weights.

    Fields:
        width: of the shared MLP's first half, doubled in the second (512 in inr2vec).
        pooling: over the tokens.
    """

    name = "set-nn"
    tasks = ("inr-classification", "property")
    paper = "arXiv:2302.05438"
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
        """The reader of rows of the one architecture that the training networks have."""
        networks = of_one_layout(task.splits["train"].groups)
        return RowReader(networks, self.width, self.pooling, self.dropout, task.output_dim)
