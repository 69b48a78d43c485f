"""The parameters of a network as features over its hidden levels, for layers that are equivariant by construction.

Hidden neurons of one level may be permuted together (Navon et al. 2023; Zhou et al. 2023). So every weight and bias is
a tensor over some permutable axes, each of which is a level of neurons, and over positions that keep their places:
inputs, outputs, kernel elements. Those positions are folded into the channels. A linear map between two such tensors
is equivariant exactly when, for every set of levels that they share, it matches those levels one to one, averages over
the source's other levels and repeats over the target's others: 2^(shared levels) maps per pair of tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.networks.operations.joining import Add
from ..contract.network_checks import require_architecture
from .level_pooling import Levels


class ParameterBlock(NamedTuple):
    """One weight or bias, as features `[B, *levels, fixed]`.

    Arguments:
        levels: of its permutable axes, at most two: the neurons it leads to, then those it comes from.
        fixed: number of positions that keep their places, folded into the channels.
        at_border: has inputs or outputs among its fixed positions.
        split: its shape with neurons and what belongs to each of them apart, `[out, in, rest...]`.
        axes: of `split`, in the order that puts the permutable ones first.
    """

    levels: Levels
    fixed: int
    at_border: bool
    split: tuple[int, ...]
    axes: tuple[int, ...]


class WeightSpace:
    """What the weights and biases of an architecture are tensors over.

    Arguments:
        method: who asks, for the error text.
        permute_ends: inputs and outputs count as permutable too.

    Raises BadInput for residual edges, under which two levels move together.
    """

    def __init__(self, arch: Architecture, method: str, *, permute_ends: bool = False) -> None:
        if arch.beyond_chain is not None:
            raise BadInput(f"{method} takes plain MLPs and CNNs, not {arch}: it does not read {arch.beyond_chain}")
        if any(isinstance(operation, Add) for operation in arch.operations):
            raise BadInput(f"{method} takes MLPs and CNNs without residual edges, not {arch}: a graph method does")
        self.arch, self.method = arch, method
        last = len(arch.layers)
        self.sizes = [arch.input_shape[0], *(layer.weight_shape[0] for layer in arch.layers)]
        self.blocks: list[ParameterBlock] = []
        for tensor in arch.tensors:
            ends = [tensor.layer + 1, tensor.layer] if tensor.kind == "weight" else [tensor.layer + 1]
            sizes = [self.sizes[level] for level in ends]
            split = (*sizes, math.prod(tensor.shape) // math.prod(sizes))
            kept = [i for i, level in enumerate(ends) if permute_ends or 0 < level < last]
            moved = [i for i in range(len(split)) if i not in kept]
            self.blocks.append(
                ParameterBlock(
                    tuple(ends[i] for i in kept),
                    math.prod(split[i] for i in moved),
                    not permute_ends and (0 in ends or last in ends),
                    split,
                    (*kept, *moved),
                )
            )

    def features(self, networks: Networks) -> list[Tensor]:
        """Per weight and bias `[B, *levels, fixed]`. Raises BadInput for networks of another architecture."""
        require_architecture(networks, self.arch, self.method)
        features = []
        for tensor, block in zip(self.arch.tensors, self.blocks, strict=True):
            values = networks.params[:, tensor.start : tensor.stop].unflatten(1, block.split)
            values = values.permute(0, *(axis + 1 for axis in block.axes))
            features.append(values.flatten(1 + len(block.levels)))
        return features

    def params(self, features: Sequence[Tensor]) -> Tensor:
        """The inverse of `features`: `[B, P]`."""
        rows = []
        for block, values in zip(self.blocks, features, strict=True):
            moved = values.reshape(len(values), *(block.split[axis] for axis in block.axes))
            back = [block.axes.index(axis) + 1 for axis in range(len(block.axes))]
            rows.append(moved.permute(0, *back).flatten(1))
        return torch.cat(rows, 1)
