"""Neural Functional Networks (Zhou et al., NeurIPS 2023, arXiv:2302.14040): what surrounds the linear layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ...zoo.networks.networks import Networks
from ..contract.network_checks import of_one_layout
from ..contract.parameter_ranges import DropoutRate, PositiveFinite
from ..contract.task_view import TaskView
from ..layers.batch_norm import BatchNorm, BatchNorms
from ..layers.fourier_features import FourierFeatures
from ..layers.network_edit import NetworkEdit
from ..layers.tensor_normalisation import TensorNormalisation
from ..training.neural_method import NeuralMethod
from .level_pooling import insert_levels
from .nfn_linear import NFNLinear
from .weight_space import WeightSpace


class NFNMethod(NeuralMethod):
    """What NP-NFN and HNP-NFN have in common.

    The defaults are the paper's for INR classification, but for the optimiser (AdamW with AMSGrad instead of Adam);
    its 200,000 steps are 116 epochs of 55,000 networks. For dilation the paper takes `width=128, dropout=0, lr=1e-3,
    warmup_steps=1000` and 50,000 steps; for the accuracy of CNNs `width=16, fourier_features=0, dropout=0,
    head_dropout=0.5, lr=1e-3, batch_size=8, epochs=50, warmup_steps=0`.

    Fields:
        width, depth: channels and number of the equivariant layers.
        normalise: bring every weight and bias, the channels after every layer and the means that are read to mean 0
            and deviation 1. The paper does not; without it a few thousand steps teach little.
        fourier_features, fourier_sigma: random features of every parameter; 0 takes the parameter itself.
        bands, highest_frequency: of the code of inputs, outputs and layers; 0 bands leave it out.
        dropout: of whole channels of a weight or bias.
        head_width, head_dropout: of the MLP that reads the means.
    """

    tasks = ("inr-classification", "inr-dilation", "property")
    symmetries = ("permutation",)
    paper = "arXiv:2302.14040"
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout", "head_dropout"}
    permute_ends: ClassVar[bool]

    width: PositiveInt = 512
    depth: PositiveInt = 3
    normalise: bool = False
    fourier_features: NonNegativeInt = 256
    fourier_sigma: PositiveFinite = 3.0
    bands: NonNegativeInt = 0
    highest_frequency: PositiveFinite = 3.0
    dropout: DropoutRate = 0.1
    head_width: PositiveInt = 1000
    head_dropout: DropoutRate = 0.1
    epochs: int = 116
    batch_size: int = 32
    lr: float = 1e-4
    weight_decay: float = 0.0
    warmup_steps: int = 10_000

    def check(self, task: TaskView) -> None:
        """Refuse several architectures and residual edges. Raises BadInput."""
        super().check(task)
        WeightSpace(task.architectures[0], self.name, permute_ends=self.permute_ends)

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        networks = of_one_layout(task.splits["train"].groups)
        if task.output == "networks":
            return NFNEditor(self, networks)
        return NFNReader(self, networks, task.output_dim)


class PositionCode(nn.Module):
    """Tells layers apart, and every input and output: a sinusoidal code of its number, constant elsewhere.

    With it NP-NFNs, for which inputs and outputs are permutable, learn functions of networks whose ends keep their
    places. `bands` frequencies from 1 to `highest / 2`, sine, cosine and the number itself.
    """

    def __init__(self, space: WeightSpace, bands: int, highest: float) -> None:
        super().__init__()
        self.channels = 2 * bands + 1
        scales = math.pi * torch.linspace(1, highest / 2, bands)

        def code(count: int) -> Tensor:
            positions = torch.linspace(-1, 1, count).unsqueeze(-1)
            return torch.cat([(positions * scales).sin(), (positions * scales).cos(), positions], -1)

        last = len(space.sizes) - 1
        layers = code(last)
        ends = {0: code(space.sizes[0]), last: code(space.sizes[-1])}
        for number, (tensor, block) in enumerate(zip(space.arch.tensors, space.blocks, strict=True)):
            total = layers[tensor.layer].expand(*(space.sizes[level] for level in block.levels), block.fixed, -1)
            for level in set(block.levels) & set(ends):
                position = insert_levels(ends[level].unsqueeze(0), (level,), block.levels)
                total = total + position.squeeze(0).unsqueeze(-2)
            self.register_buffer(f"code_{number}", total.contiguous())

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """`[B, *levels, fixed, C]` with the code appended."""
        codes = [getattr(self, f"code_{number}") for number in range(len(features))]
        return [torch.cat([x, code.expand(*x.shape[:-1], -1)], -1) for x, code in zip(features, codes, strict=True)]


class NFN(nn.Module):
    """Input features and equivariant layers to `channels`, with ReLU and channel dropout between them."""

    def __init__(self, method: NFNMethod, networks: Networks, channels: Sequence[int]) -> None:
        super().__init__()
        self.space = space = WeightSpace(networks.arch, method.name, permute_ends=method.permute_ends)
        self.dropout = method.dropout
        self.normalise = TensorNormalisation(networks) if method.normalise else nn.Identity()
        self.fourier = FourierFeatures(1, method.fourier_features, method.fourier_sigma)
        self.code = PositionCode(space, method.bands, method.highest_frequency) if method.bands else None
        first = self.fourier.size + (self.code.channels if self.code else 0)
        self.layers = nn.ModuleList(NFNLinear(space, *pair) for pair in pairwise([first, *channels]))
        norms = [BatchNorms(n, len(space.blocks)) if method.normalise else nn.Identity() for n in channels[:-1]]
        self.norms = nn.ModuleList(norms)

    def forward(self, networks: Networks) -> list[Tensor]:
        """`[B, *levels, fixed * channels]` per weight and bias, for the last of the channels."""
        features = [self.fourier(x.unsqueeze(-1)) for x in self.space.features(self.normalise(networks))]
        if self.code is not None:
            features = self.code(features)
        features = [x.flatten(-2) for x in features]
        for layer, norm in zip(self.layers, self.norms, strict=False):
            features = [self.activate(x) for x in norm(layer(features))]
        last: list[Tensor] = self.layers[-1](features)
        return last

    def activate(self, x: Tensor) -> Tensor:
        """ReLU, and whole channels of a tensor dropped; not in place, which copies gradients where x is a view."""
        if self.training and self.dropout:
            kept = torch.rand(len(x), *[1] * (x.ndim - 2), x.shape[-1], device=x.device) >= self.dropout
            x = x * (kept / (1 - self.dropout))
        return x.relu()


class NFNReader(nn.Module):
    """NFN, means over all levels, and an MLP on them."""

    def __init__(self, method: NFNMethod, networks: Networks, output_dim: int) -> None:
        super().__init__()
        self.nfn = NFN(method, networks, [method.width] * method.depth)
        hidden, dropout = method.head_width, method.head_dropout
        pooled = method.width * sum(block.fixed for block in self.nfn.space.blocks)
        self.norm = BatchNorm(pooled) if method.normalise else nn.Identity()
        self.read = nn.Sequential(
            *(nn.Linear(pooled, hidden), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(hidden, output_dim),
        )

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        features = [self.nfn.activate(x) for x in self.nfn(networks)]
        means = [x.flatten(1, -2).mean(1) if x.ndim > 2 else x for x in features]
        outputs: Tensor = self.read(self.norm(torch.cat(means, 1)))
        return outputs


class NFNEditor(nn.Module):
    """NFN with one channel out: the change of every parameter, times a learned step size per tensor."""

    def __init__(self, method: NFNMethod, networks: Networks) -> None:
        super().__init__()
        self.nfn, self.edit = NFN(method, networks, [method.width] * method.depth + [1]), NetworkEdit(networks.arch)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        edited: Networks = self.edit(networks, self.nfn.space.params(self.nfn(networks)))
        return edited
