"""Operations of torch that only move numbers: cut or joined, reshaped, their axes in another order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..attention_scores import Scores
from ..values import Value
from .torch_calls import Call, Parameter


def _cat(call: Call) -> Value:
    first, *rest = call.arguments["tensors"]
    if isinstance(first, Parameter) and len(rest) == 1 and call.builder.axis(rest[0], call.arguments["dim"]) == 0:
        return call.builder.class_token(rest[0], first.values)
    if not all(isinstance(value, Value) for value in (first, *rest)):
        raise ValueError("joins a parameter to a value: expected one token before others")
    return call.builder.concat([first, *rest], call.builder.axis(first, call.arguments["dim"]))


def _select(call: Call) -> Value:
    value = call.value()
    axis = call.builder.axis(value, call.arguments["dim"])
    return call.builder.part(value, axis, call.arguments["index"] % value.shape[axis])


def _slice(call: Call) -> Value:
    value, axis = call.value(), call.arguments["dim"]
    places = slice(call.arguments["start"], call.arguments["end"], call.arguments["step"])
    length = call.builder.full(value)[axis]
    if len(range(length)[places]) == length:
        return value
    axis = call.builder.axis(value, axis)
    return call.builder.part(value, axis, slice(*places.indices(value.shape[axis])))


def _split(call: Call) -> list[Value]:
    value = call.value()
    axis = call.builder.axis(value, call.arguments["dim"])
    length, given = value.shape[axis], call.arguments.get("split_size", call.arguments.get("split_sizes"))
    if "chunks" in call.arguments:
        given = -(-length // call.arguments["chunks"])
    sizes = [given] * -(-length // given) if isinstance(given, int) else given
    ends = np.minimum(np.cumsum(sizes), length).tolist()
    return [
        call.builder.part(value, axis, slice(start, end, 1)) for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _unbind(call: Call) -> list[Value]:
    value = call.value()
    axis = call.builder.axis(value, call.arguments["dim"])
    return [call.builder.part(value, axis, place) for place in range(value.shape[axis])]


def _expand(call: Call) -> Value:
    value = call.value()
    if call.builder.full(value) != call.shape:
        raise ValueError(f"repeats {list(call.builder.full(value))} to {list(call.shape)}")
    return value


def _view(call: Call) -> Value:
    return call.builder.viewed(call.value(), call.shape)


def _permute(call: Call) -> Value:
    value = call.value()
    rank = len(call.builder.full(value))
    return call.builder.moved(value, [axis % rank for axis in call.arguments["dims"]])


def _transpose(call: Call) -> Value:
    value = call.value()
    axes = list(range(len(call.builder.full(value))))
    a, b = call.arguments["dim0"], call.arguments["dim1"]
    axes[a], axes[b] = axes[b], axes[a]
    return call.builder.moved(value, axes)


def _same(call: Call) -> Value | Scores:
    given = call.arguments.get("input", call.arguments.get("self"))
    return given if isinstance(given, Scores) else call.value()


MOVES: dict[str, Callable[[Call], Value | Scores | list[Value]]] = {
    "_unsafe_view": _view,
    "alias": _same,
    "cat": _cat,
    "chunk": _split,
    "clone": _same,
    "contiguous": _same,
    "detach": _same,
    "dropout": _same,
    "expand": _expand,
    "feature_dropout": _same,
    "flatten": _view,
    "permute": _permute,
    "reshape": _view,
    "select": _select,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
    "squeeze": _view,
    "transpose": _transpose,
    "unbind": _unbind,
    "unsqueeze": _view,
    "view": _view,
}
