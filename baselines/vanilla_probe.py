"""Vanilla probing: free probe points and an MLP, ProbeGen (Kahana et al., ICLR 2025) without its generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..methods.contract.task_view import TaskView
from ..methods.probegen import ProbeGen


class FreeProbes(nn.Module):
    """k learned inputs `[k, *input_shape]`, uniform in [-1, 1] at first."""

    def __init__(self, probes: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.inputs = nn.Parameter(2 * torch.rand(probes, *input_shape) - 1)

    def forward(self) -> Tensor:
        """`[k, *input_shape]`."""
        return self.inputs


class VanillaProbe(ProbeGen):
    """Every network's outputs on learned inputs, read by an MLP; fields and recipe are ProbeGen's."""

    name = "vanilla-probe"

    def build(self, task: TaskView) -> nn.Module:
        """ProbeGen's reader with free probes instead of generated ones."""
        reader = super().build(task)
        reader.probes = FreeProbes(self.probes, task.architectures[0].input_shape)
        return reader
