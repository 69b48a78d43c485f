"""Which neurons are one: what a network's operations tie together, cut into the largest pieces that move as they like.

Each level of neurons begins as a *space* of its own, free to be permuted (or to change signs, or scales). Ties make two
spaces one; where they meet partly, a space is cut into smaller ones; fixed axes take the freedom away.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from .operations.wires import Axis, Tie, Wires


class Space:
    """Neurons that may still be exchanged; once cut or found to be others, `parts` says what it consists of."""

    def __init__(self, size: int, fixed: bool = False) -> None:
        self.size, self.fixed = size, fixed
        self.parts: list[Piece] | None = None


class Piece(NamedTuple):
    """All neurons of a space, `block` places each, with the power of their factors."""

    space: Space
    block: int
    power: int

    @property
    def length(self) -> int:
        """Places that it takes up."""
        return self.space.size * self.block


class _Straddled(Exception):
    """A cut falls inside the block of one neuron."""


class Spaces:
    """The spaces of a network under one kind of symmetry."""

    def __init__(self, wires: Wires) -> None:
        self.scales = wires.kind == "scale"
        self.roots = [Space(size) for size in wires.sizes]
        for axis in wires.fixed:
            self.fix(axis)
        for event in wires.events:
            if isinstance(event, Tie):
                self.tie(event.a, event.b)

    def pieces(self, axis: Axis) -> list[Piece]:
        """What an axis consists of, cut where it needs to be."""
        found: list[Piece] = []
        for level, start, count, block, power in axis:
            while True:
                try:
                    found += self._cut(self.roots[level], start, count, block, power)
                    break
                except _Straddled:
                    self._dissolve(self.roots[level])
        return found

    def leaves(self) -> list[Space]:
        """Every free space, in the order of the levels."""
        found = {}
        for root in self.roots:
            for piece in self._cut(root, 0, root.size, 1, 1):
                found[id(piece.space)] = piece.space
        return [space for space in found.values() if not space.fixed]

    def _cut(self, space: Space, start: int, count: int, block: int, power: int) -> list[Piece]:
        if space.parts is None:
            if count == space.size:
                return [Piece(space, block, power)]
            bounds = sorted({0, start, start + count, space.size})
            space.parts = [Piece(Space(b - a, space.fixed), 1, 1) for a, b in pairwise(bounds)]
        found: list[Piece] = []
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

    def _dissolve(self, space: Space) -> None:
        """Fix a space and all that it consists of, and forget the blocks."""
        for part in space.parts or []:
            self._fix(part.space)
        space.fixed, space.parts = True, None

    def _fix(self, space: Space) -> None:
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

    def _misfit(self, a: Axis, b: Axis) -> tuple[Piece, Piece] | None:
        """The first two pieces that begin at one place and are not the same."""
        for x, y in zip(self.pieces(a), self.pieces(b), strict=False):
            if x.length != y.length:
                return x, y
            same = x.space is y.space and (x.power == y.power or not self.scales)
            if not same and not (x.space.fixed and y.space.fixed):
                return x, y
        return None

    def _meet(self, x: Piece, y: Piece) -> bool:
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
            common = Space(x.length // block)
            for piece in (x, y):
                piece.space.parts = [Piece(common, block // piece.block, piece.power)]
        return True
