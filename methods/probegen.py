"""ProbeGen: read a network only through its outputs on learned inputs (Kahana et al., ICLR 2025, arXiv:2410.10811).

The probes come from a deep *linear* generator: k latent vectors through two linear maps (for images a few transposed
convolutions) without an activation between them, which ties the probes together more than free parameters would. Every
network runs on all probes; an MLP reads the concatenated outputs. Neuron order, signs and scales cannot matter: only
the function is seen.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks
from .contract.network_checks import require_probeable
from .contract.task_view import TaskView
from .training.neural_method import NeuralMethod


class ProbeGenerator(nn.Module):
    """k probes `[k, *input_shape]` from learned latents.

    Vectors: Linear(32 -> 32), Linear(32 -> in). Images: transposed convolutions that double the side, the last 16
    channels wide or more, and tanh, because the pixels of CNN zoos lie in [-1, 1].
    """

    def __init__(self, probes: int, input_shape: tuple[int, ...], latent: int = 32) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.latents = nn.Parameter(torch.randn(probes, latent))
        if len(input_shape) == 1:
            self.generate = nn.Sequential(nn.Linear(latent, latent), nn.Linear(latent, input_shape[0]))
            return
        doublings = math.ceil(math.log2(max(input_shape[1:]) / 4))
        widths = [latent, *(16 * 2**i for i in reversed(range(doublings))), input_shape[0]]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        for number, (n_in, n_out) in enumerate(pairwise(widths)):  # 1x1 to 4x4, then 8x8, ...
            layers.append(nn.ConvTranspose2d(n_in, n_out, 4, stride=2 if number else 1, padding=1 if number else 0))
        self.generate = nn.Sequential(*layers, nn.Tanh())

    def forward(self) -> Tensor:
        """`[k, *input_shape]`."""
        probes: Tensor = self.generate(self.latents)
        if len(self.input_shape) == 1:
            return probes
        return probes[..., : self.input_shape[1], : self.input_shape[2]]


class ProbeReader(nn.Module):
    """Outputs on the probes `[B, k * out]` into an MLP of `depth` layers."""

    def __init__(self, probes: int, arch: Architecture, width: int, depth: int, output_dim: int) -> None:
        super().__init__()
        self.probes = ProbeGenerator(probes, arch.input_shape)
        sizes = [probes * math.prod(arch.output_shape)] + [width] * (depth - 1) + [output_dim]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.read = nn.Sequential(*layers[:-1])

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        logits: Tensor = self.read(networks.forward(self.probes()).flatten(1))
        return logits


class ProbeGen(NeuralMethod):
    """Learned probes, generated, and an MLP on the networks' outputs.

    Networks may be of any architectures with equal inputs and outputs, but do not take words: those cannot be learned.

    Fields:
        probes: how many inputs every network is run on.
        width, depth: of the reading MLP (6 layers of 256 in the paper).
    """

    name = "probegen"
    any_operation = True
    tasks = ("inr-classification", "property")
    symmetries = ("permutation", "sign", "scale")
    paper = "arXiv:2410.10811"

    probes: PositiveInt = 64
    width: PositiveInt = 256
    depth: PositiveInt = 6
    epochs: int = 30
    batch_size: int = 32
    lr: float = 3e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"

    def check(self, task: TaskView) -> None:
        """Refuse networks of different inputs or outputs, and those that read words. Raises BadInput."""
        super().check(task)
        require_probeable(task.architectures, self.name, equal_outputs=True)

    def build(self, task: TaskView) -> nn.Module:
        """The reader for the inputs and outputs that all networks share."""
        return ProbeReader(self.probes, task.architectures[0], self.width, self.depth, task.output_dim)
