"""Nodes of an ONNX graph that read constants alone: the arithmetic of shapes, masks, and weights that are moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...reading.state_dict_files import MAX_PARAMS
from ..values import MAX_PLACES
from .onnx_files import onnx_package

Arrays = Sequence[np.ndarray]
Attributes = dict[str, Any]


def folded(op: str, inputs: Arrays, attributes: Attributes) -> np.ndarray:
    """What a node gives. Raises ValueError for an operation that no constant needs, and for one too large."""
    if op not in FOLDS:
        raise ValueError("computes a constant, which is not done here: fold the constants when the network is exported")
    return np.asarray(FOLDS[op](inputs, attributes))


def squeezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """A shape without these axes of length one, or without any."""
    found = [i for i, size in enumerate(shape) if size == 1] if axes is None else [axis % len(shape) for axis in axes]
    return tuple(size for i, size in enumerate(shape) if i not in found)


def unsqueezed(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """A shape with these axes of length one."""
    found = list(shape)
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        found.insert(axis, 1)
    return tuple(found)


def reshaped(shape: Sequence[int], target: Sequence[int], *, keep_zero: bool = False) -> tuple[int, ...]:
    """The target of a reshape, 0 read as the axis of `shape` and -1 as what is left. Raises ValueError."""
    found = [shape[i] if size == 0 and not keep_zero and i < len(shape) else size for i, size in enumerate(target)]
    if found.count(-1) == 1:
        rest = -math.prod(found)
        found[found.index(-1)] = math.prod(shape) // rest if rest > 0 else 0
    if any(size < 0 for size in found) or math.prod(found) != math.prod(shape):
        raise ValueError(f"reshapes {list(shape)} to {list(target)}")
    return tuple(found)


def flattened(shape: Sequence[int], axis: int) -> tuple[int, int]:
    """A shape of two axes, split before `axis`."""
    axis = axis + len(shape) if axis < 0 else axis
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def shape_of(shape: Sequence[int], attributes: Attributes) -> np.ndarray:
    """What the operation Shape gives: since opset 15 also some of the axes."""
    return np.array(shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def axes_of(inputs: Sequence[Any], attributes: Attributes) -> list[int] | None:
    """The axes that a node names, as an attribute or, since opset 13, as its second input."""
    if "axes" in attributes:
        return [int(axis) for axis in attributes["axes"]]
    return [int(axis) for axis in np.ravel(inputs[1])] if len(inputs) > 1 and inputs[1] is not None else None


def slices_of(inputs: Sequence[Any], attributes: Attributes) -> list[tuple[int, slice]]:
    """The axes that the operation Slice cuts, and where."""
    given = [np.ravel(values).tolist() for values in inputs[1:]] or [attributes["starts"], attributes["ends"]]
    starts, ends = given[0], given[1]
    axes = given[2] if len(given) > 2 else attributes.get("axes", range(len(starts)))
    steps = given[3] if len(given) > 3 else [1] * len(starts)
    return [
        (axis, slice(start, end if end > -(2**31) else None, step))
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    ]


def _elementwise(
    function: Callable[[Any, Any], Any], dtype: type | None = None
) -> Callable[[Arrays, Attributes], np.ndarray]:
    """Of two; `dtype` where it is not that of the first."""

    def apply(inputs: Arrays, attributes: Attributes) -> np.ndarray:
        a, b = inputs
        _check(math.prod(np.broadcast_shapes(a.shape, b.shape)))
        with np.errstate(all="ignore"):
            return np.asarray(function(a, b), dtype or a.dtype)

    return apply


def _divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "i":
        if (b == 0).any():
            raise ValueError("divides by zero")
        return np.asarray(a // b)
    return np.asarray(a / b)


def _remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if (b == 0).any():
        raise ValueError("divides by zero")
    return np.asarray(np.mod(a, b))


def _root(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    _check(inputs[0].size)
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(inputs[0]), inputs[0].dtype)


def _gather(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    data, places = inputs
    _check(places.size * (data.size // max(1, data.shape[attributes.get("axis", 0)])))
    found: np.ndarray = np.take(data, places, axis=attributes.get("axis", 0))
    return found


def _gather_elements(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    _check(inputs[1].size)
    return np.take_along_axis(inputs[0], inputs[1].astype(np.int64), attributes.get("axis", 0))


def _full(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    shape = tuple(int(size) for size in inputs[0].ravel())
    if any(size < 0 for size in shape):
        raise ValueError(f"fills {list(shape)}")
    _check(math.prod(shape), MAX_PARAMS)  # which takes no memory yet
    return np.broadcast_to(np.ravel(attributes.get("value", np.zeros(1, np.float32)))[0], shape)


def _cast(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    dtype = np.dtype(onnx_package().helper.tensor_dtype_to_np_dtype(attributes["to"]))
    if dtype.kind not in "fib":
        raise ValueError(f"casts to {dtype}")
    _check(inputs[0].size)
    with np.errstate(all="ignore"):
        return inputs[0].astype(dtype)


def _where(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    _check(math.prod(np.broadcast_shapes(*(values.shape for values in inputs))))
    found: np.ndarray = np.where(inputs[0], inputs[1], inputs[2])
    return found


def _expand(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(size) for size in inputs[1].ravel()))
    _check(math.prod(shape))
    return np.broadcast_to(inputs[0], shape)


def _triangle(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    _check(inputs[0].size)
    if inputs[0].ndim < 2:
        raise ValueError(f"takes a triangle of {list(inputs[0].shape)}")
    diagonal = int(inputs[1].flat[0]) if len(inputs) > 1 else 0
    return np.triu(inputs[0], diagonal) if attributes.get("upper", 1) else np.tril(inputs[0], diagonal)


def _range(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    start, limit, step = (values.flat[0] for values in inputs)
    if step == 0:
        raise ValueError("counts in steps of zero")
    _check(math.ceil((float(limit) - float(start)) / float(step)))
    found: np.ndarray = np.arange(start, limit, step).astype(inputs[0].dtype)
    return found


def _slice(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    data = inputs[0]
    cut = [slice(None)] * data.ndim
    for axis, places in slices_of(inputs, attributes):
        cut[axis] = places
    found: np.ndarray = data[tuple(cut)]
    return found


def _concat(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    _check(sum(values.size for values in inputs))
    return np.concatenate(inputs, attributes["axis"])


def _reshape(inputs: Arrays, attributes: Attributes) -> np.ndarray:
    target = [int(size) for size in inputs[1].ravel()]
    return inputs[0].reshape(reshaped(inputs[0].shape, target, keep_zero=bool(attributes.get("allowzero"))))


def _check(size: int, most: int = MAX_PLACES) -> None:
    if size > most:
        raise ValueError(f"makes a constant of {size:,} numbers, more than {most:,}")


FOLDS: dict[str, Callable[[Arrays, Attributes], Any]] = {
    "Add": _elementwise(np.add),
    "And": _elementwise(np.logical_and),
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _full,
    "Div": _elementwise(_divided),
    "Equal": _elementwise(np.equal, bool),
    "Expand": _expand,
    "Flatten": lambda inputs, attributes: inputs[0].reshape(flattened(inputs[0].shape, attributes.get("axis", 1))),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Greater": _elementwise(np.greater, bool),
    "GreaterOrEqual": _elementwise(np.greater_equal, bool),
    "Identity": lambda inputs, attributes: inputs[0],
    "Less": _elementwise(np.less, bool),
    "LessOrEqual": _elementwise(np.less_equal, bool),
    "Mod": _elementwise(_remainder),
    "Mul": _elementwise(np.multiply),
    "Neg": lambda inputs, attributes: -inputs[0],
    "Not": lambda inputs, attributes: inputs[0] == 0,
    "Pow": _elementwise(np.power),
    "Range": _range,
    "Reshape": _reshape,
    "Shape": lambda inputs, attributes: shape_of(inputs[0].shape, attributes),
    "Slice": _slice,
    "Sqrt": _root,
    "Squeeze": lambda inputs, attributes: inputs[0].reshape(squeezed(inputs[0].shape, axes_of(inputs, attributes))),
    "Sub": _elementwise(np.subtract),
    "Transpose": lambda inputs, attributes: inputs[0].transpose(attributes.get("perm")),
    "Trilu": _triangle,
    "Unsqueeze": lambda inputs, attributes: inputs[0].reshape(
        unsqueezed(inputs[0].shape, axes_of(inputs, attributes) or [])
    ),
    "Where": _where,
}
