"""The linear layers of Neural Functional Networks (Zhou et al., NeurIPS 2023, arXiv:2302.14040).

One rule makes those of both kinds: for every set of levels that a tensor has, it gathers the means, over all other
levels, of all tensors that have them too, maps them linearly and repeats the result over its remaining levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .level_pooling import Levels, level_subsets, matrix_mix, pool_to_subsets
from .weight_space import ParameterBlock, WeightSpace


class NFNLinear(nn.Module):
    """An equivariant linear layer on features `[B, *levels, fixed * channels]`.

    It is the paper's HNP-equivariant layer where inputs and outputs keep their places, else its NP-equivariant one. It
    spans all equivariant maps. Two details are those of the authors' code, redundant but part of its parameter count:
    an input or output tensor is gathered position by position, and also as the mean over its positions, once for the
    global terms and once for the rows and columns of the matrices between hidden levels. Two differ. Theirs lacks the
    map from the last hidden bias to the last weights, without which the span is not full; it also feeds the redundant
    means to the last hidden bias, and ours does not. With one output the count is the same.
    """

    def __init__(self, space: WeightSpace, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.blocks, self.channels_in = space.blocks, channels_in
        self.targets = nn.ModuleList()
        for target in space.blocks:
            maps = []
            for levels in level_subsets(target.levels):
                with_means = needs_means(target, levels)
                sources = [source for source in space.blocks if set(levels) <= set(source.levels)]
                positions = sum(source.fixed + (with_means and source.at_border) for source in sources)
                maps.append(nn.Linear(positions * channels_in, target.fixed * channels_out))
            self.targets.append(TargetMaps(target.levels, maps))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """`[B, *levels, fixed * channels_in]` per weight and bias to `[B, *levels, fixed * channels_out]`."""
        pooled = [pool_to_subsets(x, block.levels, "mean") for x, block in zip(features, self.blocks, strict=True)]
        gathered: dict[tuple[Levels, bool], Tensor] = {}
        outputs = []
        for block, target in zip(self.blocks, self.targets, strict=True):
            wanted = [(levels, needs_means(block, levels)) for levels in level_subsets(block.levels)]
            for levels, with_means in set(wanted) - set(gathered):
                gathered[levels, with_means] = self.gather(pooled, levels, with_means)
            outputs.append(target([gathered[key] for key in wanted]))
        return outputs

    def gather(self, pooled: list[dict[Levels, Tensor]], levels: Levels, with_means: bool) -> Tensor:
        """The means, over all other levels, of all tensors that have `levels`, `[B, *levels, positions * channels]`."""
        parts = []
        for source, means in zip(self.blocks, pooled, strict=True):
            if levels in means:
                parts.append(means[levels])
                if with_means and source.at_border:
                    parts.append(means[levels].unflatten(-1, (source.fixed, self.channels_in)).mean(-2))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


class TargetMaps(nn.Module):
    """The maps of one weight or bias, a linear one for every subset of its levels."""

    def __init__(self, levels: Levels, maps: list[nn.Linear]) -> None:
        super().__init__()
        self.levels, self.maps = levels, nn.ModuleList(maps)
        bound = 1 / math.sqrt(sum(linear.in_features for linear in maps))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, gathered: list[Tensor]) -> Tensor:
        """`[B, *levels, fixed * channels]` from what was gathered for every subset of the levels, larger ones first."""
        if len(self.levels) < 2:
            terms: list[Tensor] = [linear(x) for linear, x in zip(self.maps, gathered, strict=True)]
            return terms[0] + terms[1].unsqueeze(1) if self.levels else terms[0]
        matrix, rows, columns, overall = self.maps
        assert isinstance(matrix, nn.Linear)
        x, for_rows, for_columns, for_all = gathered
        spread = (overall(for_all) + matrix.bias).unsqueeze(1) + rows(for_rows)
        return matrix_mix(x, matrix.weight, spread.unsqueeze(2), columns(for_columns).unsqueeze(1))


def needs_means(target: ParameterBlock, levels: Levels) -> bool:
    """Whether a target's map of `levels` also reads the means over inputs and outputs, see `NFNLinear`."""
    return not levels or len(target.levels) == 2
