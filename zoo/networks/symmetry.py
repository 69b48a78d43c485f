"""The symmetries of an architecture: changes of the parameters that leave the function as it is.

Hidden neurons may be permuted (Hecht-Nielsen 1990); a neuron under an odd activation (sine, tanh) may change its sign;
a neuron under a positively homogeneous one (ReLU) may be scaled by any positive number. In each case what reads the
neuron undoes it. Neurons that are tied together, as by a residual stream, must move together and form one *group*.

Groups are derived from what operations declare of their wiring (`neuron_places`), for any graph of them. Not among them
are exchanges between tensors (of two branches alike), and what only a sum of matrices would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .architecture import Architecture
from .neuron_places import Place, symmetric_places
from .operations.layers import Conv2d, Linear
from .operations.wires import KINDS as KINDS
from .operations.wires import Kind as Kind

MAX_SCALE = 4.0  # sampled scales are log-uniform in [1/4, 4]


@dataclass(frozen=True)
class NeuronGroup:
    """Hidden neurons (or channels, or whole heads) that can change places, or that have a sign or a scale each.

    Arguments:
        size: how many.
        places: where in the tensors they lie.
        producers: linear and convolutional layers, by their number, whose output rows belong to the group alone.
        consumers: (layer, block): layers whose input columns do, `block` columns per neuron (a flattened feature map).
    """

    size: int
    places: tuple[Place, ...]
    producers: tuple[int, ...]
    consumers: tuple[tuple[int, int], ...]


def neuron_groups(arch: Architecture, kind: Kind = "permutation") -> list[NeuronGroup]:
    """The groups of hidden neurons of `arch` on which the symmetry `kind` holds, in the order of the layers."""
    return list(_groups(arch, kind))


@lru_cache(maxsize=256)
def _groups(arch: Architecture, kind: Kind) -> tuple[NeuronGroup, ...]:
    groups = []
    for places in symmetric_places(arch, kind):
        producers, consumers = [], []
        for place in places:
            tensor = arch.tensors[place.tensor]
            if tensor.kind != "weight" or not isinstance(arch.operations[tensor.operation], Linear | Conv2d):
                continue
            size, block = place.positions.shape
            if size * block == tensor.shape[place.axis] and place.rows is None:
                if place.axis == 0:
                    producers.append(tensor.layer)
                else:
                    consumers.append((tensor.layer, block))
        groups.append(NeuronGroup(len(places[0].positions), places, tuple(producers), tuple(consumers)))
    return tuple(groups)


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
    for group, element in zip(_checked(arch, len(params), kind, elements), elements, strict=True):
        for place in group.places:
            tensor = arch.tensors[place.tensor]
            values = moved[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
            if place.rows is not None:
                values = values[:, slice(*place.rows)]
            _change(values, place, kind, element)
    return moved


def _change(values: Tensor, place: Place, kind: Kind, element: Tensor) -> None:
    """Change `values [B, *shape]` in place along the axis of `place`, by `element [B, size]`."""
    axis, (size, block) = place.axis + 1, place.positions.shape
    positions = torch.from_numpy(place.positions.ravel()).to(values.device)
    if place.side_by_side:
        part = values.narrow(axis, int(place.positions[0, 0]), size * block).unflatten(axis, (size, block))
    else:
        part = values.index_select(axis, positions).unflatten(axis, (size, block))
    shaped = element.to(values.device).view(len(element), *[1] * (axis - 1), size, *[1] * (part.ndim - axis - 1))
    if kind == "permutation":
        part.copy_(part.take_along_dim(shaped, axis))
    elif place.power > 0:
        part.mul_(shaped.to(values))
    else:
        part.div_(shaped.to(values))
    if not place.side_by_side:
        values.index_copy_(axis, positions, part.flatten(axis, axis + 1))


def _checked(arch: Architecture, batch: int, kind: Kind, elements: Sequence[Tensor]) -> list[NeuronGroup]:
    groups = neuron_groups(arch, kind)
    expected = [(batch, group.size) for group in groups]
    found = [tuple(element.shape) for element in elements]
    if found != expected:
        raise ValueError(f"{kind} of {arch} takes tensors of shapes {expected}, is given {found}")
    return groups
