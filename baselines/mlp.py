"""The flat MLP: all weights and biases as one vector, the baseline of Navon et al. (2023)."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ..methods.contract.network_checks import of_one_layout
from ..methods.contract.task_view import TaskView
from ..methods.layers.batch_norm import BatchNorm
from ..methods.layers.network_edit import NetworkEdit
from ..methods.layers.tensor_normalisation import TensorNormalisation
from ..methods.training.augmentation import NAVON
from ..methods.training.neural_method import NeuralMethod
from ..zoo.networks.networks import Networks


def hidden_blocks(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    """Linear and ReLU, `depth` times Linear, BatchNorm and ReLU, and a last Linear."""
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Linear(width, width), BatchNorm(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class FlatReader(nn.Module):
    """An MLP on the normalised parameters `[B, P]`."""

    def __init__(self, networks: Networks, width: int, depth: int, output_dim: int) -> None:
        super().__init__()
        self.normalise = TensorNormalisation(networks)
        self.mlp = hidden_blocks(networks.arch.num_params, width, depth, output_dim)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        logits: Tensor = self.mlp(self.normalise(networks).params)
        return logits


class FlatEditor(nn.Module):
    """The same MLP with one output per parameter: the change, times a learned step size per tensor."""

    def __init__(self, networks: Networks, width: int, depth: int) -> None:
        super().__init__()
        self.propose = FlatReader(networks, width, depth, networks.arch.num_params)
        self.edit = NetworkEdit(networks.arch)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        edited: Networks = self.edit(networks, self.propose(networks))
        return edited


class MLP(NeuralMethod):
    """An MLP on the flattened parameters; tied to one architecture and to the order of the neurons.

    Fields:
        width, depth: of the hidden blocks.
    """

    name = "mlp"
    tasks = ("inr-classification", "inr-dilation", "property")
    paper = "arXiv:2301.12780"
    one_architecture = True
    any_operation = True

    width: PositiveInt = 32
    depth: NonNegativeInt = 4
    epochs: int = 100
    batch_size: int = 512
    lr: float = 5e-3
    weight_decay: float = 5e-4
    augment: tuple[str, ...] = NAVON

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        networks = of_one_layout(task.splits["train"].groups)
        if task.output == "networks":
            return FlatEditor(networks, self.width, self.depth)
        return FlatReader(networks, self.width, self.depth, task.output_dim)
