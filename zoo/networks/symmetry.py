"""The symmetries of an architecture: changes of the parameters that leave the function as it is.

Hidden neurons may be permuted (Hecht-Nielsen 1990); a neuron under an odd activation (sine, tanh) may change its sign;
a neuron under a positively homogeneous one (ReLU) may be scaled by any positive number. In each case the next layer
undoes it. Neurons that a residual edge adds up must move together and form one *group*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from .architecture import Activation, Add, Architecture, Conv2d, Flatten, Linear, Pool2d
from .evaluation import split_params

Kind = Literal["permutation", "sign", "scale"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ODD_ACTIVATIONS = {"sine", "tanh", "identity"}
HOMOGENEOUS_ACTIVATIONS = {"relu", "leaky-relu", "identity"}
MAX_SCALE = 4.0  # sampled scales are log-uniform in [1/4, 4]


@dataclass
class NeuronGroup:
    """Hidden neurons (or channels) that can be moved together.

    Arguments:
        size: how many neurons.
        producers: layers whose output rows belong to the group.
        consumers: (layer, block): layers whose input columns do, `block` columns per neuron (a flattened feature map).
        kinds: which symmetries hold.
    """

    size: int
    producers: list[int] = field(default_factory=list)
    consumers: list[tuple[int, int]] = field(default_factory=list)
    kinds: set[Kind] = field(default_factory=lambda: set(KINDS))


def neuron_groups(arch: Architecture, kind: Kind = "permutation") -> list[NeuronGroup]:
    """The groups of hidden neurons of `arch` on which the symmetry `kind` holds."""
    groups: list[NeuronGroup] = [NeuronGroup(arch.input_shape[0], kinds=set())]
    current = 0
    block = 1
    after: list[tuple[int, int]] = []  # (group, block) after each operation
    layer = 0
    for operation in arch.operations:
        match operation:
            case Linear() | Conv2d():
                groups[current].consumers.append((layer, block))
                groups.append(NeuronGroup(operation.weight_shape[0], producers=[layer]))
                current, block = len(groups) - 1, 1
                layer += 1
            case Activation(name=name):
                if name not in ODD_ACTIVATIONS:
                    groups[current].kinds.discard("sign")
                if name not in HOMOGENEOUS_ACTIVATIONS:
                    groups[current].kinds.discard("scale")
            case Pool2d(kind="max"):
                groups[current].kinds.discard("sign")
            case Flatten():
                block = arch.shapes[len(after)][0] // groups[current].size
            case Add(source=source):
                other = 0 if source < 0 else after[source][0]
                if other != current:
                    _merge(groups, other, current)
                    after = [(other if group == current else group, size) for group, size in after]
                    current = other
        after.append((current, block))
    groups[current].kinds = set()  # the outputs keep their places
    return [group for group in groups if kind in group.kinds]


def _merge(groups: list[NeuronGroup], kept: int, gone: int) -> None:
    groups[kept].producers += groups[gone].producers
    groups[kept].consumers += groups[gone].consumers
    groups[kept].kinds &= groups[gone].kinds
    groups[gone].kinds = set()


def sample(arch: Architecture, kind: Kind, batch: int, generator: torch.Generator) -> list[Tensor]:
    """Random elements of the symmetry, drawn for each of `batch` networks.

    Returns one tensor `[batch, size]` per group: index tensors for "permutation", factors for "sign" and "scale".
    """
    elements = []
    for group in neuron_groups(arch, kind):
        noise = torch.rand(batch, group.size, generator=generator)
        if kind == "permutation":
            elements.append(noise.argsort(1))
        elif kind == "sign":
            elements.append(torch.where(noise < 0.5, -1.0, 1.0))
        else:
            elements.append(MAX_SCALE ** (2 * noise - 1))
    return elements


def apply(arch: Architecture, params: Tensor, kind: Kind, elements: Sequence[Tensor]) -> Tensor:
    """Parameters `[B, P]` of the same functions as `params [B, P]`, changed by `elements` of a symmetry.

    Arguments:
        elements: one tensor `[B, size]` for each of `neuron_groups(arch, kind)`, as `sample` draws them.

    Raises ValueError for elements of other shapes.
    """
    moved = params.detach().clone()
    weights, biases = split_params(arch, moved)
    for group, element in zip(_checked(arch, len(params), kind, elements), elements, strict=True):
        produced = [t for layer in group.producers for t in (weights[layer], biases[layer]) if t is not None]
        consumed = [weights[layer].unflatten(2, (group.size, block)) for layer, block in group.consumers]
        if kind == "permutation":
            order = element.to(params.device)
            for axis, tensors in ((1, produced), (2, consumed)):
                for tensor in tensors:
                    tensor.copy_(tensor.take_along_dim(_expanded(order, tensor, axis), axis))
        else:
            factor = element.to(params)
            for tensor in produced:
                tensor.mul_(_expanded(factor, tensor, 1))
            for tensor in consumed:
                tensor.div_(_expanded(factor, tensor, 2))
    return moved


def _checked(arch: Architecture, batch: int, kind: Kind, elements: Sequence[Tensor]) -> list[NeuronGroup]:
    groups = neuron_groups(arch, kind)
    expected = [(batch, group.size) for group in groups]
    found = [tuple(element.shape) for element in elements]
    if found != expected:
        raise ValueError(f"{kind} of {arch} takes tensors of shapes {expected}, is given {found}")
    return groups


def _expanded(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """`values [B, size]` shaped so that `size` stands at `axis` of `like` and the other axes broadcast."""
    shape = [values.shape[0]] + [1] * (like.ndim - 1)
    shape[axis] = values.shape[1]
    return values.view(shape)
