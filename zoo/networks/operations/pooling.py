"""Pooling over positions of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from .operation import BaseOperation, Shape
from .wires import Axis, Wires

if TYPE_CHECKING:
    from torch import Tensor


class Pool2d(BaseOperation):
    """The maximum or mean of squares of `kernel_size`; incomplete ones at the edge are left out.

    Fields:
        stride: from square to square; without one they lie side by side.
        padding: around the image, at most half the kernel: zeros that the mean counts, nothing for the maximum.
    """

    later_fields = frozenset(("stride", "padding"))

    op: Literal["pool2d"] = "pool2d"
    kind: Literal["max", "avg"] = "max"
    kernel_size: PositiveInt = 2
    stride: PositiveInt | None = None
    padding: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _padding_fits(self) -> Pool2d:
        if 2 * self.padding > self.kernel_size:
            raise ValueError(f"pool2d pads by at most half its kernel of {self.kernel_size}, not by {self.padding}")
        return self

    @property
    def in_chain(self) -> bool:
        """Yes."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(channels, height, width)`. Raises ValueError for what is no image or smaller than the kernel."""
        (shape,) = shapes
        if len(shape) != 3 or min(shape[1:]) + 2 * self.padding < self.kernel_size:
            raise ValueError(f"pool2d of {self.kernel_size} takes (channels, height, width), is given {shape}")
        stride = self.stride or self.kernel_size
        height, width = ((size + 2 * self.padding - self.kernel_size) // stride + 1 for size in shape[1:])
        return (shape[0], height, width)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, channels, height, width]`."""
        from torch.nn import functional as F

        (x,) = inputs
        pool = F.max_pool2d if self.kind == "max" else F.avg_pool2d
        pooled: Tensor = pool(x.flatten(0, 1), self.kernel_size, self.stride, self.padding)
        found: Tensor = pooled.unflatten(0, x.shape[:2])
        return found

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """A maximum is not odd."""
        if self.kind == "max" and wires.kind == "sign":
            wires.fix(inputs[0])
        return inputs[0]


class GlobalAvgPool2d(BaseOperation):
    """The mean over all positions: `[channels, height, width]` to `[channels]`."""

    op: Literal["global-avg-pool2d"] = "global-avg-pool2d"

    @property
    def in_chain(self) -> bool:
        """Yes."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(channels,)`. Raises ValueError for what is no image."""
        (shape,) = shapes
        if len(shape) != 3:
            raise ValueError(f"global-avg-pool2d takes (channels, height, width), is given {shape}")
        return (shape[0],)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, channels]`."""
        return inputs[0].mean((-2, -1))


Pooling = Pool2d | GlobalAvgPool2d
