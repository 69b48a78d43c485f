"""How neurons are wired: which axis of which tensor, and which part of which value, runs over which neurons.

Every operation that makes new neurons (or channels) opens a *level* of them. The neurons of a value, and those that an
axis of a tensor runs over, are an `Axis`: stretches of levels, one after the other. `Wires` is handed from operation to
operation and keeps what they declare; symmetries, fingerprints and graphs are derived from that alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Kind = Literal["permutation", "sign", "scale"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_SEGMENTS = 10_000  # of one axis: more are no network, but a claim that would fill the memory


class Segment(NamedTuple):
    """Neurons `start` to `start + neurons` of a level, `block` places each.

    `power` is that to which a neuron's factor (a sign or a scale) multiplies what lies there: 1 or -1.
    """

    level: int
    start: int
    neurons: int
    block: int = 1
    power: int = 1


Axis = tuple[Segment, ...]


def inverse(axis: Axis) -> Axis:
    """The same neurons, read instead of written: what lies there is divided by their factors."""
    return tuple(segment._replace(power=-segment.power) for segment in axis)


def in_blocks(axis: Axis, block: int) -> Axis:
    """Every place of the axis, `block` times side by side, as a flattened feature map has them."""
    return tuple(segment._replace(block=segment.block * block) for segment in axis)


def chained(*axes: Axis) -> Axis:
    """One axis after the other. Raises ValueError for more than `MAX_SEGMENTS` stretches."""
    if sum(map(len, axes)) > MAX_SEGMENTS:
        raise ValueError(f"more than {MAX_SEGMENTS:,} stretches of neurons side by side")
    return tuple(segment for axis in axes for segment in axis)


def part_of(axis: Axis, count: int, number: int) -> Axis | None:
    """Part `number` of an axis that is cut into `count` equal ones; None if that cuts a neuron's block."""
    length = sum(segment.neurons * segment.block for segment in axis) // count
    start, stop, at = number * length, (number + 1) * length, 0
    found: list[Segment] = []
    for segment in axis:
        low, high = max(start - at, 0), min(stop - at, segment.neurons * segment.block)
        if low < high:
            if low % segment.block or high % segment.block:
                return None
            first, last = low // segment.block, high // segment.block
            found.append(segment._replace(start=segment.start + first, neurons=last - first))
        at += segment.neurons * segment.block
    return tuple(found)


class Label(NamedTuple):
    """The neurons that the axes of a tensor run over, None for axes that keep their places.

    Arguments:
        operation: place of the operation whose tensor it is, `role` the tensor's name in it.
        axes: those that are written have power 1, those that are read -1.
        groups: the first axis and the second are cut into as many equal parts, and part j of the first reads part j of
            the second: a grouped convolution's weight, whose second axis is as long as one part.
    """

    operation: int
    role: str
    axes: tuple[Axis | None, ...]
    groups: int = 1


class Tie(NamedTuple):
    """Two axes of equal length whose neurons are the same, one by one: `a` takes in `b`."""

    operation: int
    a: Axis
    b: Axis


class Bundle(NamedTuple):
    """Axes cut into `parts` equal parts, of which the whole parts j of all axes may change places with parts k."""

    operation: int
    parts: int
    axes: tuple[Axis, ...]


class Wires:
    """What the operations of a network declare, in their order.

    Arguments:
        kind: of the symmetry whose elements the neurons have: their place, their sign or their scale. Where a
            normalisation's own weights undo a factor, its outputs are a new level for signs and scales.

    Attributes:
        operation: place of the operation that is being wired, `shapes` those of its inputs.
        sizes: neurons per level.
        named: levels whose neurons are told apart by their place: inputs and vocabularies.
        events: what was declared.
        fixed: axes whose neurons have no such symmetry.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.operation = -1
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.sizes: list[int] = []
        self.named: set[int] = set()
        self.events: list[Label | Tie | Bundle] = []
        self.fixed: list[Axis] = []

    def new(self, size: int) -> Axis:
        """A new level."""
        self.sizes.append(size)
        return (Segment(len(self.sizes) - 1, 0, size),)

    def new_named(self, size: int) -> Axis:
        """A new level whose neurons keep their places."""
        axis = self.new(size)
        self.named.add(axis[0].level)
        self.fix(axis)
        return axis

    def label(self, role: str, *axes: Axis | None, groups: int = 1) -> None:
        """Say what the axes of a tensor of this operation run over."""
        self.events.append(Label(self.operation, role, axes, groups))

    def tie(self, a: Axis, b: Axis) -> None:
        """The neurons of two axes are the same."""
        self.events.append(Tie(self.operation, a, b))

    def bundle(self, parts: int, *axes: Axis) -> None:
        """The `parts` parts of these axes may change places as wholes."""
        self.events.append(Bundle(self.operation, parts, axes))

    def fix(self, axis: Axis) -> None:
        """These neurons have no symmetry of this kind."""
        self.fixed.append(axis)
