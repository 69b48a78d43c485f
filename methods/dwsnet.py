"""DWSNet: deep weight-space networks (Navon et al., ICML 2023, arXiv:2301.12780).

An equivariant layer is a sum over all ordered pairs of tensors (source, target), each pair with a map of its own:
    no level of neurons in common   the source pooled over everything, a linear map, repeated over the target;
    one level in common             the source pooled to that level, a *set layer* over its neurons (self-attention in
                                    the published models, DeepSets as the linear kind), repeated over the target;
    both levels in common           four linear maps: element, pooled rows, pooled columns, pooled all.
The reference runs a module per pair, 36 in a layer for three-layer networks. Here set layers of equal size run as one
batched product, and the sources of a target without common levels as one linear map.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ..runtime.errors import BadInput
from ..zoo.networks.networks import Networks
from .contract.network_checks import of_one_layout
from .contract.parameter_ranges import DropoutRate
from .contract.task_view import TaskView
from .layers.axis_extrema import amax
from .layers.batch_norm import BatchNorms
from .layers.dropout import Dropout
from .layers.network_edit import NetworkEdit
from .layers.tensor_normalisation import TensorNormalisation
from .spaces.level_pooling import Levels, Pooling, insert_levels, level_subsets, matrix_mix, pool_to_subsets
from .spaces.weight_space import WeightSpace
from .training.augmentation import NAVON
from .training.neural_method import NeuralMethod

SetLayer = Literal["attention", "deepsets"]
SetPair = tuple[int, int, int]  # source, target, the level in common
MAX_NEURONS_OF_KEPT_ATTENTION = 256  # attention weights `[n, n]` of more neurons are too large to be kept


def xavier(fan_in: int, fan_out: int, shape: Sequence[int]) -> nn.Parameter:
    """The reference's Xavier normal with gain sqrt(2 fan_in / fan_out)."""
    deviation = math.sqrt(2 / (fan_in + fan_out)) * math.sqrt(2 * fan_in / fan_out)
    return nn.Parameter(deviation * torch.randn(*shape))


def small_uniform(*shape: int) -> nn.Parameter:
    """The reference's biases, uniform in [-1e-4, 1e-4]."""
    return nn.Parameter(1e-4 * (2 * torch.rand(*shape) - 1))


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention of `[..., n, channels]` to itself. Heads have 4 to 8 channels here: with so few, torch's fused kernel,
    which does not keep the `[n, n]` weights, takes two to three times as long on CPUs."""
    if q.shape[-2] > MAX_NEURONS_OF_KEPT_ATTENTION:
        return nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return (scale * q @ k.mT).softmax(-1) @ v


class SetAttention(nn.Module):
    """Self-attention blocks (SAB of the Set Transformer, Lee et al. 2019), one per pair, without LayerNorm."""

    def __init__(self, pairs: int, n_in: int, n_out: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.qkv_bias = xavier(n_in, n_out, (pairs, n_in, 3 * n_out)), small_uniform(pairs, 1, 3 * n_out)
        self.out, self.out_bias = xavier(n_out, n_out, (pairs, n_out, n_out)), small_uniform(pairs, 1, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """`[pairs, B, n, n_in]` to `[pairs, B, n, n_out]`."""
        mapped = torch.baddbmm(self.qkv_bias, x.flatten(1, 2), self.qkv).unflatten(1, x.shape[1:3])
        split = mapped.unflatten(-1, (3, self.heads, self.out.shape[1] // self.heads)).flatten(0, 1)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        attended = q + attention(q, k, v, self.out.shape[1] ** -0.5)
        attended = attended.transpose(1, 2).flatten(2).unflatten(0, x.shape[:2]).flatten(1, 2)
        change = torch.baddbmm(self.out_bias, attended, self.out).relu()
        updated: Tensor = (attended + change).unflatten(1, x.shape[1:3])
        return updated


class DeepSets(nn.Module):
    """x Gamma + b - pool(x) Lambda, one per pair (Zaheer et al. 2017)."""

    def __init__(self, pairs: int, n_in: int, n_out: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling
        self.gamma, self.bias = xavier(n_in, n_out, (pairs, n_in, n_out)), small_uniform(pairs, 1, n_out)
        self.lam = xavier(n_in, n_out, (pairs, n_in, n_out))

    def forward(self, x: Tensor) -> Tensor:
        """`[pairs, B, n, n_in]` to `[pairs, B, n, n_out]`."""
        pooled = x.mean(2) if self.pooling == "mean" else amax(x, 2)
        each: Tensor = torch.baddbmm(self.bias, x.flatten(1, 2), self.gamma).unflatten(1, x.shape[1:3])
        return each - torch.bmm(pooled, self.lam).unsqueeze(2)


class JoinedLinear(nn.Module):
    """The sum of linear maps of several sources, as one product; each has a bias, as in the reference."""

    def __init__(self, n_in: Sequence[int], n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.cat([xavier(n, n_out, (n, n_out)).detach() for n in n_in]))
        self.bias = small_uniform(len(n_in), n_out)

    def forward(self, sources: Sequence[Tensor]) -> Tensor:
        """The sum of the maps of `[B, n]` for every n in n_in, `[B, n_out]`."""
        return torch.cat(list(sources), -1) @ self.weight + self.bias.sum(0)


class MatrixMaps(nn.Module):
    """A matrix between two hidden levels onto itself: maps of element, pooled rows, pooled columns and pooled all."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight, self.bias = xavier(n_in, n_out, (4, n_in, n_out)), small_uniform(4, n_out)

    def forward(
        self, levels: Levels, pooled: dict[Levels, Tensor], terms: dict[Levels, list[Tensor]], share: float
    ) -> Tensor:
        """`share` times the sum of the four maps and of all other terms, `[B, *levels, n_out]`.

        Arguments:
            pooled: the matrix pooled to every subset of its levels.
            terms: what other tensors add, by the levels that it has.
        """
        row, column = levels[:1], levels[1:]
        to_rows, to_columns, to_all = self.weight[1:] / 4
        rows = total([*terms[row], pooled[row] @ to_rows])
        columns = total([*terms[column], pooled[column] @ to_columns])
        overall = total([*terms[()], pooled[()] @ to_all, self.bias.sum(0) / 4])
        return matrix_mix(
            pooled[levels],
            (share / 4 * self.weight[0]).T,
            insert_levels(share * rows, row, levels) + insert_levels(share * overall, (), levels),
            insert_levels(share * columns, column, levels),
        )


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of at least one tensor."""
    return functools.reduce(torch.add, terms)


class DWSLayer(nn.Module):
    """One equivariant layer from n_in to n_out channels; the other arguments are fields of `DWSNet`."""

    def __init__(
        self, space: WeightSpace, n_in: int, n_out: int, *, set_layer: SetLayer, heads: int, pooling: Pooling
    ) -> None:
        super().__init__()
        self.blocks, self.pooling = space.blocks, pooling
        groups: dict[tuple[int, int, int], list[SetPair]] = {}
        apart: dict[int, list[int]] = {}
        self.matrices = nn.ModuleDict()
        for s, source in enumerate(space.blocks):
            for t, target in enumerate(space.blocks):
                common = set(source.levels) & set(target.levels)
                if len(common) == 2:
                    self.matrices[str(t)] = MatrixMaps(source.fixed * n_in, target.fixed * n_out)
                elif common:
                    (level,) = common
                    size = space.sizes[level], source.fixed * n_in, target.fixed * n_out
                    groups.setdefault(size, []).append((s, t, level))
                else:
                    apart.setdefault(t, []).append(s)
        self.groups, self.apart = list(groups.values()), apart
        self.sets = nn.ModuleList(
            SetAttention(len(pairs), fan_in, fan_out, heads)
            if set_layer == "attention"
            else DeepSets(len(pairs), fan_in, fan_out, pooling)
            for (_, fan_in, fan_out), pairs in groups.items()
        )
        self.joined = nn.ModuleDict(
            {
                str(t): JoinedLinear([space.blocks[s].fixed * n_in for s in sources], space.blocks[t].fixed * n_out)
                for t, sources in apart.items()
            }
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """`[B, *levels, fixed * n_in]` per weight and bias to `[B, *levels, fixed * n_out]`."""
        pooled = [
            pool_to_subsets(x, block.levels, self.pooling) for x, block in zip(features, self.blocks, strict=True)
        ]
        terms: list[dict[Levels, list[Tensor]]] = [{part: [] for part in level_subsets(b.levels)} for b in self.blocks]
        for pairs, sets in zip(self.groups, self.sets, strict=True):
            outputs = sets(torch.stack([pooled[s][level,] for s, _, level in pairs])).unbind()
            for (_, t, level), output in zip(pairs, outputs, strict=True):
                terms[t][level,].append(output)
        for t, sources in self.apart.items():
            terms[t][()].append(self.joined[str(t)]([pooled[s][()] for s in sources]))
        return [self.add_up(t, pooled[t], terms[t]) for t in range(len(self.blocks))]

    def add_up(self, t: int, pooled: dict[Levels, Tensor], terms: dict[Levels, list[Tensor]]) -> Tensor:
        """All terms of target t, its own pooled features included, over the number of tensors."""
        levels, share = self.blocks[t].levels, 1 / len(self.blocks)
        if len(levels) == 2:
            mixed: Tensor = self.matrices[str(t)](levels, pooled, terms, share)
            return mixed
        return share * total(insert_levels(total(found), part, levels) for part, found in terms.items() if found)


class DWS(nn.Module):
    """`depth` equivariant layers, BatchNorm per tensor and ReLU between them; the last has one attention head."""

    def __init__(self, method: DWSNet, networks: Networks, n_out: int) -> None:
        super().__init__()
        self.space = WeightSpace(networks.arch, method.name)
        self.normalise = TensorNormalisation(networks)
        widths = [1] + [method.width] * (method.depth - 1) + [n_out]
        heads = [method.heads] * (method.depth - 1) + [1]
        self.layers = nn.ModuleList(
            DWSLayer(self.space, *pair, set_layer=method.set_layer, heads=h, pooling=method.pooling)
            for pair, h in zip(pairwise(widths), heads, strict=True)
        )
        self.norms = nn.ModuleList(BatchNorms(method.width, len(self.space.blocks)) for _ in self.layers[1:])
        self.dropout = Dropout(method.dropout)

    def forward(self, networks: Networks) -> list[Tensor]:
        """`[B, *levels, fixed * n_out]` per weight and bias."""
        features: list[Tensor] = self.layers[0](self.space.features(self.normalise(networks)))
        for layer, norms in zip(self.layers[1:], self.norms, strict=True):
            features = layer([self.dropout(x.relu()) for x in norms(features)])
        return features


class DWSReader(nn.Module):
    """The largest value over the hidden neurons, inputs and outputs kept apart, and one linear map."""

    def __init__(self, method: DWSNet, networks: Networks, output_dim: int) -> None:
        super().__init__()
        self.dws = DWS(method, networks, method.width)
        self.read = nn.Linear(method.width * sum(block.fixed for block in self.dws.space.blocks), output_dim)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, output_dim]`."""
        features = [self.dws.dropout(x.relu()) for x in self.dws(networks)]
        logits: Tensor = self.read(torch.cat([amax(x.flatten(1, -2), 1) if x.ndim > 2 else x for x in features], 1))
        return logits


class DWSEditor(nn.Module):
    """One channel out: the change of every parameter, times a learned step size per tensor.

    The last layer starts 100 times smaller, or the first steps would destroy the networks. (The authors scale all
    layers of their equivariant model by 1e-4, which BatchNorm undoes in all but the last.)
    """

    def __init__(self, method: DWSNet, networks: Networks) -> None:
        super().__init__()
        self.dws, self.edit = DWS(method, networks, 1), NetworkEdit(networks.arch)
        with torch.no_grad():
            for parameter in self.dws.layers[-1].parameters():
                parameter.mul_(0.01)

    def forward(self, networks: Networks) -> Networks:
        """The edited networks."""
        edited: Networks = self.edit(networks, self.dws.space.params(self.dws(networks)))
        return edited


class DWSNet(NeuralMethod):
    """Layers equivariant to the order of hidden neurons, a map for every pair of weights and biases.

    552,650 parameters at 2-32-32-1 and ten classes, as the authors' code. The recipe is the paper's for MNIST INRs,
    but for the normalisation: theirs is of every single parameter, which depends on the order of the neurons; here a
    tensor has one mean and one deviation.

    Fields:
        width, depth: channels and number of the equivariant layers.
        set_layer: "attention" as published, or "deepsets", which with mean pooling spans all equivariant linear maps.
        heads: of the attention; width must be a multiple.
        pooling: over the neurons of levels that a source and its target do not share.
    """

    name = "dwsnet"
    tasks = ("inr-classification", "inr-dilation", "property")
    symmetries = ("permutation",)
    paper = "arXiv:2301.12780"
    one_architecture = True
    recipe_fields = NeuralMethod.recipe_fields | {"dropout"}

    width: PositiveInt = 32
    depth: PositiveInt = 5
    set_layer: SetLayer = "attention"
    heads: PositiveInt = 8
    pooling: Pooling = "max"
    dropout: DropoutRate = 0.0
    epochs: int = 100
    batch_size: int = 512
    lr: float = 5e-3
    weight_decay: float = 5e-4
    augment: tuple[str, ...] = NAVON

    def check(self, task: TaskView) -> None:
        """Refuse several architectures, residual edges and heads that do not divide the width. Raises BadInput."""
        super().check(task)
        WeightSpace(task.architectures[0], self.name)
        if self.width % self.heads and self.set_layer == "attention":
            raise BadInput(f"dwsnet: width {self.width} is no multiple of heads {self.heads}: change one of them")

    def build(self, task: TaskView) -> nn.Module:
        """The reader, for editing the editor."""
        networks = of_one_layout(task.splits["train"].groups)
        if task.output == "networks":
            return DWSEditor(self, networks)
        return DWSReader(self, networks, task.output_dim)
