"""Operations of ONNX that only move numbers: cut or joined, reshaped, their axes in another order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..attention_scores import Scores
from ..values import Value
from .onnx_constants import axes_of, flattened, reshaped, slices_of, squeezed, unsqueezed
from .onnx_steps import Step


def _concat(step: Step) -> Value:
    if isinstance(step.inputs[0], np.ndarray) and len(step.inputs) == 2:
        value = step.value(1)
        if step.builder.axis(value, step.attributes["axis"]) == 0:
            return step.builder.class_token(value, step.constant(0))
    values = [step.value(number) for number in range(len(step.inputs))]
    return step.builder.concat(values, step.builder.axis(values[0], step.attributes["axis"]))


def _flatten(step: Step) -> Value:
    x, axis = step.value(), step.attributes.get("axis", 1)
    return step.builder.viewed(x, flattened(step.builder.full(x), axis))


def _reshape(step: Step) -> Value:
    x, target = step.value(), [int(size) for size in step.constant(1).ravel()]
    return step.builder.viewed(
        x, reshaped(step.builder.full(x), target, keep_zero=bool(step.attributes.get("allowzero")))
    )


def _squeeze(step: Step) -> Value:
    return step.builder.viewed(
        step.value(), squeezed(step.builder.full(step.value()), axes_of(step.inputs, step.attributes))
    )


def _unsqueeze(step: Step) -> Value:
    return step.builder.viewed(
        step.value(), unsqueezed(step.builder.full(step.value()), axes_of(step.inputs, step.attributes) or [])
    )


def _transpose(step: Step) -> Value:
    x = step.value()
    return step.builder.moved(x, step.attributes.get("perm", range(len(step.builder.full(x)))[::-1]))


def _same(step: Step) -> Value | Scores:
    return step.inputs[0] if isinstance(step.inputs[0], Scores) else step.value()


def _dropout(step: Step) -> Value | Scores:
    if len(step.inputs) > 2 and step.inputs[2] is not None and step.constant(2).any():
        raise ValueError("drops values at random (training_mode)")
    return _same(step)


def _cast(step: Step) -> Value | Scores:
    if step.attributes.get("to") not in (1, 10, 11, 16):  # float, float16, double, bfloat16
        raise ValueError("rounds to whole numbers")
    return _same(step)


def _pad(step: Step) -> Value:
    pads = step.constant(1) if len(step.inputs) > 1 else np.asarray(step.attributes.get("pads", 1))
    if pads.any():
        raise ValueError(f"pads by {pads.tolist()}, apart from a convolution or pooling")
    return step.value()


def _gather(step: Step) -> Value:
    data = step.inputs[0]
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or step.attributes.get("axis", 0) != 0:
            raise ValueError(f"takes parts of a constant {list(data.shape)}: expected rows of a table")
        return step.builder.embedding(step.value(1), data)
    x, number = step.value(), step.constant(1)
    axis = step.builder.axis(x, step.attributes.get("axis", 0))
    if number.size != 1:
        raise ValueError(f"takes parts of {list(x.shape)}: one place alone")
    place = int(number.flat[0])
    if number.ndim:
        return _kept(step, x, axis, place)
    return step.builder.part(x, axis, place)


def _kept(step: Step, x: Value, axis: int, place: int) -> Value:
    """One place of an axis, which stays, of length one."""
    found = step.builder.part(x, axis, place)
    return found.reshaped((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.batched)


def _slice(step: Step) -> Value:
    x = step.value()
    for axis, places in slices_of([x, *(step.constant(i) for i in range(1, len(step.inputs)))], step.attributes):
        if axis % len(step.builder.full(x)) or not x.batched or places.indices(1) != (0, 1, 1):
            axis = step.builder.axis(x, axis)
            start, stop, stride = places.indices(x.shape[axis])
            x = step.builder.part(x, axis, slice(start, stop, stride))
    return x


def _split(step: Step) -> list[Value]:
    x = step.value()
    axis = step.builder.axis(x, step.attributes.get("axis", 0))
    length, count = x.shape[axis], step.results
    sizes = [-(-length // count)] * count
    given = step.constant(1).tolist() if len(step.inputs) > 1 else step.attributes.get("split", sizes)
    ends = np.cumsum(given).tolist()
    return [
        step.builder.part(x, axis, slice(max(0, end - size), end, 1)) for size, end in zip(given, ends, strict=True)
    ]


MOVES: dict[str, Callable[[Step], Value | Scores | list[Value]]] = {
    "Cast": _cast,
    "Concat": _concat,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": _same,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
