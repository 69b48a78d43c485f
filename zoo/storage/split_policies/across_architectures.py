"""Splits across architectures: tested on deeper ones, on wider ones, or on other families than were learned from.

Which ones are tested follows from the architectures of a zoo alone, never from its networks or their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ....runtime.errors import BadInput
from ...networks.architecture import Architecture
from ...networks.operations.elementwise import Activation
from ...networks.operations.layers import Conv2d, Linear
from ...networks.operations.operation import neuron_axis

FEWEST = {"test": 0.2, "val": 0.1}  # of the architectures; what is left is learned from
SEED = 0


def depth(arch: Architecture) -> int:
    """The most linear and convolutional layers on a way from the input to the output."""
    passed = {-1: 0}
    for index, (operation, sources) in enumerate(zip(arch.operations, arch.sources, strict=True)):
        passed[index] = max(passed[source] for source in sources) + isinstance(operation, Linear | Conv2d)
    return passed[len(arch.operations) - 1]


def width(arch: Architecture) -> int:
    """The most neurons (features, channels) of a hidden linear or convolutional layer; 0 without any."""
    layers = zip(arch.operations, arch.shapes, strict=True)
    sizes = [shape[neuron_axis(shape)] for operation, shape in layers if isinstance(operation, Linear | Conv2d)]
    return max(sizes[:-1], default=0)


def family(arch: Architecture) -> tuple[str, ...]:
    """The operations that it is made of, activations by their names; how many there are does not matter."""
    return tuple(sorted({op.name if isinstance(op, Activation) else op.op for op in arch.operations}))


def _ascending(values: set[Any]) -> list[Any]:
    return sorted(values)


def _drawn(values: set[Any]) -> list[Any]:
    names = sorted(values)
    return [names[place] for place in np.random.default_rng(SEED).permutation(len(names))]


ACROSS_ARCHITECTURES: dict[str, tuple[Callable[[Architecture], Any], Callable[[set[Any]], Sequence[Any]]]] = {
    "across-depths": (depth, _ascending),
    "across-widths": (width, _ascending),
    "across-families": (family, _drawn),
}


def architectures_of(policy: str, architectures: Mapping[str, Architecture], zoo: str) -> dict[str, list[str]]:
    """The names of the architectures in the splits train, val and test.

    The values of a trait are put in order: depths and widths ascending, families as drawn from a fixed seed. From the
    end as many as hold a fifth of the architectures are tested, those before that hold a tenth are validated on.

    Arguments:
        policy: a key of `ACROSS_ARCHITECTURES`.
        zoo: its name, for the message.

    Raises BadInput where that leaves nothing to learn from.
    """
    trait, order = ACROSS_ARCHITECTURES[policy]
    found = {name: trait(arch) for name, arch in architectures.items()}
    values = list(order(set(found.values())))
    number, parts = len(values), dict[str, list[str]]()
    for split, share in FEWEST.items():
        parts[split] = []
        while values and len(parts[split]) < share * len(found):
            value = values.pop()
            parts[split] += [name for name, its in found.items() if its == value]
    parts["train"] = [name for name, its in found.items() if its in values]
    if not all(parts.values()):
        what = policy.removeprefix("across-")
        raise BadInput(
            f"zoo {zoo} has {number} {what} of architectures: {policy} takes three at least, and enough for train"
        )
    return {split: parts[split] for split in ("train", "val", "test")}
