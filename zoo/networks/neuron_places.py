"""Where neurons lie that may be exchanged: single ones of a space, and bundles of spaces (heads, groups of channels).

A bundle is a candidate: two of its parts may change places if exchanging their spaces maps everything else that was
declared onto itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .architecture import Architecture
from .operations.wires import Axis, Bundle, Kind, Label, part_of
from .spaces import Piece, Space, Spaces


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


class _Slice(NamedTuple):
    """The part of a labelled tensor whose rows all read one and the same axis."""

    tensor: int
    rows: tuple[int, int] | None
    axes: tuple[list[Piece] | None, ...]


class _Layout:
    """All slices of a network's tensors and all its bundles, as pieces of spaces.

    Attributes:
        bundles: for each its elements; an element is a list of pieces per axis.
    """

    def __init__(self, arch: Architecture, kind: Kind) -> None:
        wires = arch.wiring(kind).wires
        numbers = {(tensor.operation, tensor.kind): number for number, tensor in enumerate(arch.tensors)}
        self.spaces = Spaces(wires)
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


Swap = dict[int, Space]  # by the id of a space, the one that it changes places with
Signature = tuple[tuple[tuple[int, int], ...], ...]  # of each axis its pieces: the space's id and the block


def _signature(axes: Iterable[Sequence[Piece] | None], swap: Swap) -> Signature:
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

    def classes(self) -> Iterator[list[list[Space]]]:
        """Elements that may change places, each as its spaces in order; every set of them once."""
        seen = set()
        for elements in self.bundles:
            classes: list[list[list[list[Piece]]]] = []
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

    def _holds(self, a: list[list[Piece]], b: list[list[Piece]]) -> bool:
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


def _swap(a: list[list[Piece]], b: list[list[Piece]]) -> Swap | None:
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
