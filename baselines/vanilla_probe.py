"""Vanilla probing: free probe points and an MLP, ProbeGen (Kahana et al., ICLR 2025) without its generator."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ..methods.base import NeuralMethod, TaskView
from ..methods.inputs import one_architecture
from ..methods.probegen import ProbeReader


class FreeProbes(nn.Module):
    """k learned inputs, uniform in [-1, 1] at first."""

    def __init__(self, probes: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.inputs = nn.Parameter(2 * torch.rand(probes, *input_shape) - 1)

    def forward(self) -> Tensor:
        return self.inputs


class VanillaProbe(NeuralMethod):
    """Every network's outputs on learned inputs, read by an MLP.

    Fields:
        probes: how many inputs every network is run on.
        width, depth: of the reading MLP (6 layers of 256 in the paper).
    """

    name = "vanilla-probe"
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
        arch = one_architecture(task, self.name).arch
        answers = self.probes * math.prod(arch.output_shape)
        return ProbeReader(FreeProbes(self.probes, arch.input_shape), answers, self.width, self.depth, task.output_dim)
