"""Operations that only rearrange or join values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from .operation import INPUT, PREVIOUS, BaseOperation, Shape, neuron_axis
from .wires import MAX_SEGMENTS, Axis, Wires, chained, in_blocks

if TYPE_CHECKING:
    from torch import Tensor

MANY = 1_000_000  # inputs: no limit


class Flatten(BaseOperation):
    """All values in one row, channel by channel; of tokens, token by token."""

    op: Literal["flatten"] = "flatten"

    @property
    def in_chain(self) -> bool:
        """Yes."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(values,)`. Raises ValueError for more tokens than `MAX_SEGMENTS`."""
        (shape,) = shapes
        if len(shape) == 2 and shape[0] > MAX_SEGMENTS:
            raise ValueError(f"flatten takes at most {MAX_SEGMENTS:,} tokens, is given {shape}")
        return (math.prod(shape),)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, values]`."""
        return inputs[0].flatten(2)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """A channel's positions side by side, or the features of every token."""
        (shape,) = wires.shapes
        if len(shape) == 2:
            return chained(*[inputs[0]] * shape[0])
        return in_blocks(inputs[0], math.prod(shape[1:]))


class Add(BaseOperation):
    """The sum of two or more values of one shape: a residual edge.

    The JSON of an older residual edge names the second summand by its place, {"op": "add", "source": 1}, with -1 for
    the network's input; the first is the operation before.
    """

    arity: ClassVar[tuple[int, int]] = (2, MANY)

    op: Literal["add"] = "add"

    @model_validator(mode="before")
    @classmethod
    def _of_source(cls, data: Any) -> Any:
        if isinstance(data, dict) and "source" in data:
            data = dict(data)
            source = data.pop("source")
            if data.get("inputs") or isinstance(source, bool) or not isinstance(source, int) or source < -1:
                raise ValueError(f"add takes a source of -1 or more, and no other inputs, not {source!r}")
            data["inputs"] = (PREVIOUS, INPUT if source < 0 else str(source))
        return data

    @model_serializer(mode="wrap")
    def _to_source(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = {"op": self.op}
        if self.in_chain:
            data["source"] = -1 if self.inputs[1] == INPUT else int(self.inputs[1])
        else:
            data["inputs"] = list(self.inputs)
        return data if self.id is None else data | {"id": self.id}

    @property
    def in_chain(self) -> bool:
        """Where it adds one earlier operation to the one before."""
        return (
            len(self.inputs) == 2
            and self.inputs[0] == PREVIOUS
            and (self.inputs[1] == INPUT or self.inputs[1].isdigit())
        )

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape stays. Raises ValueError for summands of different shapes."""
        for other in shapes[1:]:
            if other != shapes[0]:
                raise ValueError(f"add of {shapes[0]} and {other}")
        return shapes[0]

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Neurons that are added up are the same."""
        for other in inputs[1:]:
            wires.tie(inputs[0], other)
        return inputs[0]


class Concat(BaseOperation):
    """Channels of images, or features, side by side."""

    arity: ClassVar[tuple[int, int]] = (2, MANY)

    op: Literal["concat"] = "concat"

    def output_shape(self, *shapes: Shape) -> Shape:
        """The sum of the channels or features. Raises ValueError where other axes differ."""
        axis = neuron_axis(shapes[0])
        for other in shapes[1:]:
            if len(other) != len(shapes[0]) or any(
                a != b for i, (a, b) in enumerate(zip(shapes[0], other, strict=True)) if i != axis
            ):
                raise ValueError(f"concat of {shapes[0]} and {other}")
        return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """Joined along channels or features."""
        import torch

        return torch.cat(inputs, 2 if inputs[0].ndim == 5 else -1)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """One after the other."""
        return chained(*inputs)


Joining = Flatten | Add | Concat
