"""Which neurons are one: from what a network's operations declare to the places that move together.

Each level of neurons begins as a *space* of its own, free to be permuted (or to change signs, or scales). Ties make two
spaces one; where they meet partly, a space is cut into smaller ones; fixed axes take the freedom away. Bundles (heads,
groups of channels) are whole spaces that may change places: a candidate holds if exchanging two of them maps everything
else that was declared onto itself.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .architecture import Architecture
from .operations.wires import Axis, Bundle, Kind, Label, Tie, Wires, part_of


class Place(NamedTuple):
    """Where a group of neurons lies on one axis of one tensor.

    Arguments:
        tensor: number of the tensor, `axis` of its shape.
        positions: `[size, block]`, those of each neuron on the axis.
        power: of a neuron's factor, 1 where it is written and -1 where it is read.
        rows: first and last + 1 of the rows (of axis 0) that this is about; None for all.
        side_by_side: the positions are a stretch in order.
    """

    tensor: int
    axis: int
    positions: np.ndarray
    power: int
    rows: tuple[int, int] | None
    side_by_side: bool


class _Space:
    """Neurons that may still be exchanged; once cut or found to be others, `parts` says what it consists of."""

    def __init__(self, size: int, fixed: bool = False) -> None:
        self.size, self.fixed = size, fixed
        self.parts: list[_Piece] | None = None


class _Piece(NamedTuple):
    """All neurons of a space, `block` places each, with the power of their factors."""

    space: _Space
    block: int
    power: int

    @property
    def length(self) -> int:
        return self.space.size * self.block


class _Straddled(Exception):
    """A cut falls inside the block of one neuron."""


class _Spaces:
    """The spaces of a network under one kind of symmetry."""

    def __init__(self, wires: Wires) -> None:
        self.scales = wires.kind == "scale"
        self.roots = [_Space(size) for size in wires.sizes]
        for axis in wires.fixed:
            self.fix(axis)
        for event in wires.events:
            if isinstance(event, Tie):
                self.tie(event.a, event.b)

    def pieces(self, axis: Axis) -> list[_Piece]:
        """What an axis consists of, cut where it needs to be."""
        found: list[_Piece] = []
        for level, start, count, block, power in axis:
            while True:
                try:
                    found += self._cut(self.roots[level], start, count, block, power)
                    break
                except _Straddled:
                    self._dissolve(self.roots[level])
        return found

    def leaves(self) -> list[_Space]:
        """Every free space, in the order of the levels."""
        found = {}
        for root in self.roots:
            for piece in self._cut(root, 0, root.size, 1, 1):
                found[id(piece.space)] = piece.space
        return [space for space in found.values() if not space.fixed]

    def _cut(self, space: _Space, start: int, count: int, block: int, power: int) -> list[_Piece]:
        if space.parts is None:
            if count == space.size:
                return [_Piece(space, block, power)]
            bounds = sorted({0, start, start + count, space.size})
            space.parts = [_Piece(_Space(b - a, space.fixed), 1, 1) for a, b in pairwise(bounds)]
        found: list[_Piece] = []
        at = 0
        for part in space.parts:
            low, high = max(start - at, 0), min(start + count - at, part.length)
            if low < high:
                if low % part.block or high % part.block:
                    raise _Straddled
                first, last = low // part.block, high // part.block
                found += self._cut(part.space, first, last - first, part.block * block, part.power * power)
            at += part.length
        return found

    def _dissolve(self, space: _Space) -> None:
        """Fix a space and all that it consists of, and forget the blocks."""
        for part in space.parts or []:
            self._fix(part.space)
        space.fixed, space.parts = True, None

    def _fix(self, space: _Space) -> None:
        space.fixed = True
        for part in space.parts or []:
            self._fix(part.space)

    def fix(self, axis: Axis) -> None:
        """These neurons keep their places, signs or scales."""
        for piece in self.pieces(axis):
            piece.space.fixed = True

    def tie(self, a: Axis, b: Axis) -> None:
        """Neurons of two axes are the same: one pair of pieces after the other, until all are."""
        while (pair := self._misfit(a, b)) is not None:
            if not self._meet(*pair):
                self.fix(a)
                self.fix(b)
                return

    def _misfit(self, a: Axis, b: Axis) -> tuple[_Piece, _Piece] | None:
        """The first two pieces that begin at one place and are not the same."""
        for x, y in zip(self.pieces(a), self.pieces(b), strict=False):
            if x.length != y.length:
                return x, y
            same = x.space is y.space and (x.power == y.power or not self.scales)
            if not same and not (x.space.fixed and y.space.fixed):
                return x, y
        return None

    def _meet(self, x: _Piece, y: _Piece) -> bool:
        """Bring two pieces together; False where neurons of one would have to be cut."""
        if x.length != y.length:
            longer, length = (x, y.length) if x.length > y.length else (y, x.length)
            if length % longer.block:
                return False
            self._cut(longer.space, 0, length // longer.block, 1, 1)
        elif x.space is y.space or x.space.fixed or y.space.fixed:  # a scale that is its own inverse is 1
            x.space.fixed = y.space.fixed = True
        else:
            block = math.lcm(x.block, y.block)
            common = _Space(x.length // block)
            for piece in (x, y):
                piece.space.parts = [_Piece(common, block // piece.block, piece.power)]
        return True


class _Slice(NamedTuple):
    """The part of a labelled tensor whose rows all read one and the same axis."""

    tensor: int
    rows: tuple[int, int] | None
    axes: tuple[list[_Piece] | None, ...]


class _Layout:
    """All slices of a network's tensors and all its bundles, as pieces of spaces.

    Attributes:
        bundles: for each its elements; an element is a list of pieces per axis.
    """

    def __init__(self, arch: Architecture, kind: Kind) -> None:
        wires = arch.wiring(kind).wires
        numbers = {(tensor.operation, tensor.kind): number for number, tensor in enumerate(arch.tensors)}
        self.spaces = _Spaces(wires)
        cut = {event: self._elements(event) for event in wires.events if isinstance(event, Bundle)}
        labels = [(numbers[event.operation, event.role], event) for event in wires.events if isinstance(event, Label)]
        cuts = [(tensor, event, self._reads(event)) for tensor, event in labels]
        # All cuts are made by now: pieces are final.
        self.bundles = [
            [[self.spaces.pieces(axis) for axis in element] for element in elements] for elements in cut.values()
        ]
        self.slices: list[_Slice] = []
        for tensor, event, reads in cuts:
            rows = arch.tensors[tensor].shape[0] // event.groups
            for number, axes in enumerate(reads):
                place = None if event.groups == 1 else (number * rows, (number + 1) * rows)
                pieces = tuple(None if axis is None else self.spaces.pieces(axis) for axis in axes)
                self.slices.append(_Slice(tensor, place, pieces))

    def _elements(self, bundle: Bundle) -> list[list[Axis]]:
        """The parts of each element; none where a cut would go through a neuron, which fixes them all."""
        elements = [[part_of(axis, bundle.parts, number) for axis in bundle.axes] for number in range(bundle.parts)]
        whole = [[axis for axis in element if axis is not None] for element in elements]
        if any(len(element) < len(bundle.axes) for element in whole):
            for axis in bundle.axes:
                self.spaces.fix(axis)
            return []
        for element in whole:
            for axis in element:
                self.spaces.pieces(axis)
        return whole

    def _reads(self, label: Label) -> list[tuple[Axis | None, ...]]:
        """The axes of each of the label's slices."""
        if label.groups == 1:
            return [label.axes]
        found: list[tuple[Axis | None, ...]] = []
        for number in range(label.groups):
            axes = [None if axis is None else part_of(axis, label.groups, number) for axis in label.axes[:2]]
            found.append((*axes, *label.axes[2:]))
            for axis in axes:
                if axis is not None:
                    self.spaces.pieces(axis)
        return found


Swap = dict[int, _Space]  # by the id of a space, the one that it changes places with
Signature = tuple[tuple[tuple[int, int], ...], ...]  # of each axis its pieces: the space's id and the block


def _signature(axes: Iterable[Sequence[_Piece] | None], swap: Swap) -> Signature:
    """The pieces of each axis, once spaces have changed places."""
    return tuple(tuple((id(swap.get(id(p.space), p.space)), p.block) for p in pieces or ()) for pieces in axes)


def _unordered(signature: Signature) -> tuple[frozenset[tuple[tuple[int, int], int]], ...]:
    return tuple(frozenset(Counter(pieces).items()) for pieces in signature)


class _Exchanges:
    """Which elements of a layout's bundles may change places."""

    def __init__(self, layout: _Layout) -> None:
        self.bundles = layout.bundles
        self.slices = layout.slices
        self.known_slices = {(part.tensor, _signature(part.axes, {})) for part in layout.slices}
        self.known_elements = [{_unordered(_signature(e, {})) for e in elements} for elements in layout.bundles]
        self.slices_of: dict[int, set[int]] = defaultdict(set)
        for number, part in enumerate(layout.slices):
            for piece in (piece for pieces in part.axes for piece in pieces or ()):
                self.slices_of[id(piece.space)].add(number)
        self.elements_of: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for bundle, elements in enumerate(layout.bundles):
            for number, element in enumerate(elements):
                for piece in (piece for pieces in element for piece in pieces):
                    self.elements_of[id(piece.space)].add((bundle, number))

    def classes(self) -> Iterator[list[list[_Space]]]:
        """Elements that may change places, each as its spaces in order; every set of them once."""
        seen = set()
        for elements in self.bundles:
            classes: list[list[list[list[_Piece]]]] = []
            for element in elements:
                mine = next((found for found in classes if self._holds(found[0], element)), None)
                if mine is None:
                    classes.append([element])
                else:
                    mine.append(element)
            for found in classes:
                spaces = [list({id(p.space): p.space for axis in element for p in axis}.values()) for element in found]
                key = frozenset(frozenset(map(id, own)) for own in spaces)
                if len(found) > 1 and key not in seen:
                    seen.add(key)
                    yield spaces

    def _holds(self, a: list[list[_Piece]], b: list[list[_Piece]]) -> bool:
        swap = _swap(a, b)
        if swap is None:
            return False
        for number in {number for space in swap for number in self.slices_of[space]}:
            part = self.slices[number]
            before, after = _signature(part.axes, {}), _signature(part.axes, swap)
            if _unordered(before) != _unordered(after) and (part.tensor, after) not in self.known_slices:
                return False
        return all(
            _unordered(_signature(self.bundles[bundle][number], swap)) in self.known_elements[bundle]
            for bundle, number in {pair for space in swap for pair in self.elements_of[space]}
        )


def _swap(a: list[list[_Piece]], b: list[list[_Piece]]) -> Swap | None:
    """The exchange of two elements' spaces; None where they are fixed, unlike, or the same."""
    swap: Swap = {}
    for mine, other in zip(a, b, strict=True):
        if [(p.space.size, p.block) for p in mine] != [(p.space.size, p.block) for p in other]:
            return None
        for x, y in zip(mine, other, strict=True):
            if x.space.fixed or y.space.fixed:
                return None
            if (
                swap.setdefault(id(x.space), y.space) is not y.space
                or swap.setdefault(id(y.space), x.space) is not x.space
            ):
                return None
    return swap if any(number != id(space) for number, space in swap.items()) else None


Axes = dict[tuple[int, int, tuple[int, int] | None], list[tuple[np.ndarray, int]]]


def symmetric_places(arch: Architecture, kind: Kind) -> list[tuple[Place, ...]]:
    """For every group of neurons that `kind` may act on, where they lie: single ones level by level, then bundles."""
    layout = _Layout(arch, kind)
    axes: dict[int, Axes] = defaultdict(lambda: defaultdict(list))
    for part in layout.slices:
        for axis, pieces in enumerate(part.axes):
            at = part.rows[0] if part.rows is not None and axis == 0 else 0
            for piece in pieces or ():
                positions = np.arange(at, at + piece.length).reshape(piece.space.size, piece.block)
                rows = None if axis == 0 else part.rows
                axes[id(piece.space)][part.tensor, axis, rows].append((positions, piece.power))
                at += piece.length
    bundles = list(_Exchanges(layout).classes())
    bundled = {id(space) for elements in bundles for spaces in elements for space in spaces}
    groups = [
        tuple(_places(axes[id(space)]))
        for space in layout.spaces.leaves()
        if space.size > 1 or id(space) not in bundled
    ]
    for elements in bundles:
        found = []
        for key in dict.fromkeys(key for spaces in elements for space in spaces for key in axes[id(space)]):
            blocks = [
                np.concatenate(
                    [p.ravel() for space in spaces for p, _ in axes[id(space)].get(key, [])] or [np.empty(0, int)]
                )
                for spaces in elements
            ]
            if min(map(len, blocks)):  # else the rows that hold this part move as wholes
                found.append(_place(key, np.stack(blocks), 1))
        groups.append(tuple(found))
    return [group for group in groups if group]


def _places(axes: Axes) -> Iterator[Place]:
    for key, stretches in axes.items():
        for power in dict.fromkeys(power for _, power in stretches):
            yield _place(key, np.concatenate([p for p, q in stretches if q == power], 1), power)


def _place(key: tuple[int, int, tuple[int, int] | None], positions: np.ndarray, power: int) -> Place:
    flat = positions.ravel()
    side_by_side = bool((flat == np.arange(flat[0], flat[0] + len(flat))).all())
    return Place(key[0], key[1], positions, power, key[2], side_by_side)
