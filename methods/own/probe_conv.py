"""Learned probes, read by convolutions between points; ours.

An INR is run at a few learned points of its domain, and its outputs there are read as a convolutional network reads
pixels, but without a grid: every layer has points of its own, half as many as the one below, and a feature at a point
is a linear map of its *taps*, which lie around it at learned offsets, the same for all points of a layer, as the kernel
points of KPConv do (Thomas et al. 2019, arXiv:1904.08889). The value at a tap z is a mean of the features x_p of the
points p below,
    y_q = W [v(q + o_1), ..., v(q + o_K)],   v(z) = sum_p s_p(z) x_p,   s_p(z) ~ exp(-|z - p|^2 / 2 r^2),
where the s_p and one constant, for taps far from every point, add up to 1. Points, offsets o and radii r are the same
for all networks, so that s is computed once for a batch. Only the function is seen: the order, signs and scales of
neurons cannot matter. ProbeGen's MLP reads the same outputs; here near points are read together, everywhere alike.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ..contract.network_checks import require_probeable
from ..contract.parameter_ranges import DropoutRate
from ..contract.task_view import TaskView
from ..training.neural_method import NeuralMethod

MOST_INPUTS = 3  # a layer has 3^d taps
RADIUS = 0.6  # r at first, in mean distances between points
NOWHERE = -4.0  # logarithm of the constant: the share of a point sqrt(8) radii away
NOTHING = -40.0  # logarithm of a share, before the sum to 1, that adds nothing in float32
HEAD_WIDTH = 128


def scattered(count: int, dimensions: int) -> Tensor:
    """Points `[count, dimensions]` that cover [-1, 1]^d evenly: a Sobol sequence, scrambled by torch's random state."""
    sobol = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=int(torch.randint(2**31, ())))
    return 2 * sobol.draw(count) - 1


class PointConvolution(nn.Module):
    """Features at N points to features at Q others.

    Arguments:
        spacing: mean distance of the N points.
        dimensions: d of all points.
        channels_in, channels_out: of a feature.
    """

    def __init__(self, spacing: float, dimensions: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        offsets = torch.cartesian_prod(*[torch.tensor([-spacing, 0.0, spacing])] * dimensions)
        self.offsets = nn.Parameter(offsets.reshape(-1, dimensions))
        self.log_radius = nn.Parameter(torch.tensor(RADIUS * spacing).log())
        self.combine = nn.Linear(len(self.offsets) * channels_in, channels_out)
        self.norm = nn.GroupNorm(1, channels_out)  # over all points and channels of a network

    def shares(self, below: Tensor, points: Tensor) -> Tensor:
        """s `[Q * K, N]`: what each tap around `points [Q, d]` takes of each of the points `below [N, d]`."""
        taps = (points[:, None] + self.offsets).flatten(0, 1)
        distances = (taps[:, None] - below).square().sum(-1)
        exponents = -distances / (2 * (2 * self.log_radius).exp())
        # Shares of 1e-38 and less would be denormal, which makes the products of a CPU up to twenty times slower.
        exponents = exponents.masked_fill(exponents < NOTHING, -math.inf)
        return nn.functional.pad(exponents, (0, 1), value=NOWHERE).softmax(1)[:, :-1]

    def forward(self, x: Tensor, below: Tensor, points: Tensor) -> Tensor:
        """Features `[B, Q, channels_out]` at `points [Q, d]` from `x [B, N, channels_in]` at `below [N, d]`."""
        taps = self.shares(below, points) @ x.transpose(0, 1).flatten(1)  # one product for all networks
        taps = taps.view(len(points), len(self.offsets), *x[:, 0].shape).permute(2, 0, 1, 3).flatten(2)
        features: Tensor = nn.functional.gelu(self.norm(self.combine(taps).mT).mT)
        return features


class PointReader(nn.Module):
    """The probes, the convolutions, and two dense layers on the features of the last points."""

    def __init__(
        self, arch: Architecture, probes: int, levels: int, width: int, dropout: float, output_dim: int
    ) -> None:
        super().__init__()
        (dimensions,) = arch.input_shape
        counts = [max(probes >> level, 1) for level in range(levels + 1)]
        channels = [math.prod(arch.output_shape), *(width << level for level in range(levels))]
        self.points = nn.ParameterList(scattered(count, dimensions) for count in counts)  # the first are the probes
        self.convolutions = nn.ModuleList(
            PointConvolution(2 / below ** (1 / dimensions), dimensions, *ends)
            for below, ends in zip(counts, pairwise(channels), strict=False)
        )
        self.read = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(counts[-1] * channels[-1], HEAD_WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(HEAD_WIDTH, output_dim),
        )

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        x = networks.forward(self.points[0]).flatten(2)
        for convolution, (below, points) in zip(self.convolutions, pairwise(self.points), strict=True):
            x = convolution(x, below, points)
        outputs: Tensor = self.read(x)
        return outputs


class ProbeConv(NeuralMethod):
    """Outputs at learned points, read by convolutions between points.

    For networks of one to three inputs, coordinates as those of INRs.

    Fields:
        probes: how many points every network is run at.
        levels: convolutions, each with half the points of the one below.
        width: channels of the first, doubled by each further one.
        learned_points: False leaves points where they lie at first: evenly scattered.
        dropout: before both dense layers.
    """

    name = "probe-conv"
    any_operation = True
    tasks = ("inr-classification", "property")
    symmetries = ("permutation", "sign", "scale")
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    probes: PositiveInt = 128
    levels: PositiveInt = 3
    width: PositiveInt = 16
    learned_points: bool = True
    dropout: DropoutRate = 0.2
    epochs: int = 30
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"

    def check(self, task: TaskView) -> None:
        """Refuse networks of different inputs or outputs, and whose inputs are no coordinates. Raises BadInput."""
        super().check(task)
        require_probeable(task.architectures, self.name, equal_outputs=True)
        shape = task.architectures[0].input_shape
        if len(shape) > 1 or shape[0] > MOST_INPUTS:
            raise BadInput(
                f"{self.name} reads networks of one to three coordinates, this zoo's take inputs of shape {shape}: "
                "try probegen"
            )

    def build(self, task: TaskView) -> nn.Module:
        """The reader for the inputs and outputs that all networks share."""
        arch = task.architectures[0]
        reader = PointReader(arch, self.probes, self.levels, self.width, self.dropout, task.output_dim)
        reader.points.requires_grad_(self.learned_points)
        return reader
