"""`Value`: what a node of another framework's graph computes, and how its numbers lie among those of our operation.

Views cost no operation: a reshape renames places, a transpose reorders them, and constants that multiply or add wait
until an operation reads the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ...networks.operations.operation import Shape

MAX_PLACES = 10**7  # numbers of one value; above, its places are not listed one by one
ONE, ZERO = np.ones(()), np.zeros(())
INPUT = -1  # the node of the network's input


@dataclass(frozen=True)
class Batch:
    """The first axis of values: how long the file says it is, and whether it leaves that open (then 1 is said)."""

    size: int
    open: bool


@dataclass(frozen=True, eq=False)
class Value:
    """A value for one input of the network.

    Arguments:
        node: that computes it.
        shape: in the other framework, without the batch axis.
        batched: whether a batch axis comes first there.
        order: of every place its place in the node's output, `[*shape]`; None where they are the same, row by row.
        scale, shift: what the output is still to be multiplied by, and then to be added; broadcast to `shape`.
    """

    node: int
    shape: Shape
    batched: bool = True
    order: np.ndarray | None = None
    scale: np.ndarray = field(default_factory=lambda: ONE)
    shift: np.ndarray = field(default_factory=lambda: ZERO)

    @property
    def places(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def plain(self) -> bool:
        """Whether nothing waits to be multiplied or added."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    @property
    def core(self) -> Shape:
        """The shape without axes of length one at its front; at least one axis."""
        shape = self.shape
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
        return shape

    @property
    def rows(self) -> Shape:
        """The last axis, and before it those that are longer than one."""
        return (*(size for size in self.shape[:-1] if size > 1), *self.shape[-1:])

    def reshaped(self, shape: Shape, batched: bool = True) -> Value:
        """The same numbers in another shape. Raises ValueError for another number of them."""
        if math.prod(shape) != self.places:
            raise ValueError(f"{self.shape} has {self.places:,} places, {shape} has {math.prod(shape):,}")
        return replace(
            self,
            shape=shape,
            batched=batched,
            order=None if self.order is None else self.order.reshape(shape),
            scale=self._spread(self.scale, shape),
            shift=self._spread(self.shift, shape),
        )

    def transposed(self, axes: tuple[int, ...]) -> Value:
        """Axes in another order. Raises ValueError for a value of more than `MAX_PLACES`."""
        shape = tuple(self.shape[axis] for axis in axes)
        if [axis for axis in axes if self.shape[axis] > 1] == [i for i, size in enumerate(self.shape) if size > 1]:
            return self.reshaped(shape, self.batched)
        order = self.listed()
        moved = (np.broadcast_to(values, self.shape).transpose(axes) for values in (self.scale, self.shift))
        scale, shift = (values.flat[0] if uniform(values) else values for values in moved)
        return replace(
            self,
            shape=shape,
            order=in_order(order.transpose(axes)),
            scale=np.asarray(scale),
            shift=np.asarray(shift),
        )

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> Value:
        """Multiplied, then added to. Raises ValueError for numbers that would make it larger."""
        for values in (scale, shift):
            if not fits(values, self.shape):
                raise ValueError(f"numbers {values.shape} do not fit a value {self.shape}")
        with np.errstate(all="ignore"):  # what is not finite is refused with the weights
            return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift)

    def listed(self) -> np.ndarray:
        """`order`, also where it is row by row. Raises ValueError for a value of more than `MAX_PLACES`."""
        if self.order is not None:
            return self.order
        if self.places > MAX_PLACES:
            raise ValueError(f"{self.shape} has {self.places:,} places, more than {MAX_PLACES:,}")
        return np.arange(self.places).reshape(self.shape)

    def _spread(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        if uniform(values):
            return np.asarray(values.flat[0])
        if self.places > MAX_PLACES:
            raise ValueError(f"{self.shape} has {self.places:,} places, more than {MAX_PLACES:,}")
        return np.broadcast_to(values, self.shape).reshape(shape)


def fits(numbers: np.ndarray, shape: Shape) -> bool:
    """Whether an array can be broadcast to a shape."""
    return numbers.ndim <= len(shape) and all(
        given in (1, size) for given, size in zip(numbers.shape[::-1], shape[::-1], strict=False)
    )


def uniform(values: np.ndarray) -> bool:
    """Whether all are one number."""
    return bool(values.size == 1 or (values == values.flat[0]).all())


def in_order(order: np.ndarray) -> np.ndarray | None:
    """None for places that are in their order, row by row."""
    return None if np.array_equal(order.ravel(), np.arange(order.size)) else order
