"""Set NN: the weights between hidden layers as a set of rows, with the encoder of inr2vec (De Luigi et al., ICLR 2023).

The matrices between hidden layers and their biases, transposed, are stacked (section 3 there): a token is a row, and
each bias vector one more. The first layer and the last are left out, since they have other lengths. An MLP that all
tokens share, and a pool over them, do not see the order of the rows; the order of the columns, which the same
permutations move in the next layer, they do. So the method is invariant to what is no symmetry and not to what is one.
"""

from __future__ import annotations

from collections.abc import Callable
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
from ..runtime.errors import BadInput
from ..zoo.networks.networks import Networks

Tokens = Callable[[Networks], Tensor]


class SetReader(nn.Module):
    """Tokens `[B, tokens, length]` of networks in which every tensor is standardised; a shared MLP, a pool, an MLP."""

    def __init__(
        self, networks: Networks, tokens: Tokens, *, width: int, pooling: Pooling, dropout: float, output_dim: int
    ) -> None:
        super().__init__()
        self.normalise, self.tokens, self.pooling = TensorNormalisation(networks), tokens, pooling
        sizes = [tokens(networks[:1]).shape[2], width, width, 2 * width, 2 * width]
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
        values = self.shared(self.tokens(self.normalise(networks)))
        outputs: Tensor = self.read(values.mean(1) if self.pooling == "mean" else amax(values, 1))
        return outputs


def padded(rows: list[Tensor]) -> Tensor:
    """Rows `[B, n, length]` of several lengths as one set, the shorter ones filled up with zeros."""
    longest = max(row.shape[2] for row in rows)
    return torch.cat([nn.functional.pad(row, (0, longest - row.shape[2])) for row in rows], 1)


def hidden_rows(networks: Networks) -> Tensor:
    """The rows of the matrices between hidden layers, and their biases as rows of their own."""
    rows = [weight.flatten(2) for weight in networks.weights[1:-1]]
    return padded([*rows, *(bias[:, None] for bias in networks.biases[1:-1] if bias is not None)])


class SetNN(NeuralMethod):
    """Rows of the hidden matrices through one shared MLP, pooled; the encoder trained on the task itself.

    inr2vec trains its encoder as an auto-encoder, on INRs that all start from the same weights. What is printed as
    Set NN is its architecture trained on the task (Navon et al. 2023, Table 1), with fewer details than one would need:
    the tokens, the four layers and the pool are inr2vec's, the head and its dropout are ours. `neuron-set` is told all
    layers, and each bias with its neuron.

    Fields:
        width: of the shared MLP's first half, doubled in the second.
        pooling: over the tokens.
    """

    name = "set-nn"
    version = "2"  # 1 is neuron-set
    tasks = ("inr-classification", "property")
    paper = "arXiv:2302.05438"
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 512
    pooling: Pooling = "max"
    dropout: DropoutRate = 0.2
    epochs: int = 150
    batch_size: int = 256
    lr: float = 1e-4
    weight_decay: float = 1e-2

    def check(self, task: TaskView) -> None:
        """Besides what `Method.check` refuses, networks without a layer between hidden ones."""
        super().check(task)
        short = [arch for arch in task.architectures if len(arch.layers) < 3]
        if short:
            raise BadInput(f"{self.name} reads the layers between hidden ones, and {short[0]} has none: try neuron-set")

    def build(self, task: TaskView) -> nn.Module:
        """The reader of tokens of the one architecture that the training networks have."""
        return SetReader(
            of_one_layout(task.splits["train"].groups),
            hidden_rows,
            width=self.width,
            pooling=self.pooling,
            dropout=self.dropout,
            output_dim=task.output_dim,
        )
