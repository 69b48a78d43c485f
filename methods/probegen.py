"""ProbeGen: read a network only through its outputs on learned inputs (Kahana et al., ICLR 2025, arXiv:2410.10811).

The probes come from a deep *linear* generator: k latent vectors through two linear maps without an activation between
them, which ties the probes together more than free parameters would. Every network runs on all probes; an MLP reads the
concatenated outputs. Neuron order, signs and scales cannot matter: only the function is seen.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ..zoo.networks import Networks
from .base import NeuralMethod, TaskView


class ProbeGenerator(nn.Module):
    """k probes `[k, in]` from learned latents: Linear(32 -> 32), Linear(32 -> in)."""

    def __init__(self, probes: int, inputs: int, latent: int = 32) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(probes, latent))
        self.generate = nn.Sequential(nn.Linear(latent, latent), nn.Linear(latent, inputs))

    def forward(self) -> Tensor:
        probes: Tensor = self.generate(self.latents)
        return probes


class ProbeReader(nn.Module):
    """Outputs on the probes `[B, k * out]` into an MLP of `depth` layers."""

    def __init__(self, probes: int, inputs: int, outputs: int, width: int, depth: int, output_dim: int) -> None:
        super().__init__()
        self.probes = ProbeGenerator(probes, inputs)
        sizes = [probes * outputs] + [width] * (depth - 1) + [output_dim]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.read = nn.Sequential(*layers[:-1])

    def forward(self, networks: Networks) -> Tensor:
        logits: Tensor = self.read(networks.forward(self.probes()).flatten(1))
        return logits


class ProbeGen(NeuralMethod):
    """Learned probes, generated, and an MLP on the networks' answers.

    Fields:
        probes: how many inputs every network is run on.
        width, depth: of the reading MLP (6 layers of 256 in the paper).
    """

    name = "probegen"
    tasks = ("inr-classification",)
    paper = "arXiv:2410.10811"

    probes: int = 64
    width: int = 256
    depth: int = 6
    epochs: int = 30
    batch_size: int = 32
    lr: float = 3e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"

    def build(self, task: TaskView) -> nn.Module:
        arch = task.architectures[0]
        return ProbeReader(
            self.probes, arch.input_shape[0], arch.output_shape[0], self.width, self.depth, task.output_dim
        )
