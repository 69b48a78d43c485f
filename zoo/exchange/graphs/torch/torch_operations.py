"""Operations of torch, as `torch.export` traces them, as operations of this project's: by name in `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ..attention_scores import Scores, scores
from ..values import ONE, ZERO, Value
from .torch_calls import Call, Parameter
from .torch_moves import MOVES


def _linear(call: Call) -> Value:
    weight, bias = call.tensors("weight", "bias")
    assert weight is not None
    name = call.module(weight="weight", bias="bias") or call.packed(weight="weight", bias="bias")
    return call.builder.linear(call.value(), weight, bias, id=name)


def _matmul(call: Call) -> Value | Scores:
    first, second = (call.arguments[name] for name in call.arguments)
    if isinstance(first, Scores):
        return first.attend(call.builder, call.value("mat2" if "mat2" in call.arguments else "other"))
    if isinstance(first, Value) and isinstance(second, Value):
        return scores(first, second)
    if not isinstance(first, Value) or not isinstance(second, Parameter):
        raise ValueError("multiplies what is no value by what is no parameter")
    return call.builder.linear(first, second.values.T, None)


def _baddbmm(call: Call) -> Scores:
    first, second, added = (call.arguments[name] for name in ("batch1", "batch2", "self"))
    if not isinstance(first, Value) or not isinstance(second, Value):
        raise ValueError("multiplies what is no value by what is no value")
    found = scores(first, second).scaled(np.asarray(float(call.arguments["alpha"])))
    return found.masked(float(call.arguments["beta"]) * call.constant(added, found))


def _conv2d(call: Call) -> Value:
    weight, bias = call.tensors("weight", "bias")
    assert weight is not None
    if isinstance(call.arguments["padding"], str):
        raise ValueError(f"pads by name, {call.arguments['padding']}: say a number")
    return call.builder.conv2d(
        call.value(),
        weight,
        bias,
        stride=call.one("stride"),
        padding=call.one("padding"),
        dilation=call.one("dilation"),
        groups=call.arguments["groups"],
        id=call.module(weight="weight", bias="bias"),
    )


def _batch_norm(call: Call) -> Value:
    if call.arguments.get("training") or call.arguments["running_mean"] is None:
        raise ValueError("normalises by the statistics of its batch, not by stored ones")
    *given, mean, variance = call.tensors("weight", "bias", "running_mean", "running_var")
    assert mean is not None
    assert variance is not None
    tensors = [*_scales(given, mean.shape), mean, variance]
    name = call.module(weight="weight", bias="bias", running_mean="running_mean", running_var="running_var")
    return call.builder.batch_norm(call.value(), tensors, call.arguments["eps"], id=name)


def _layer_norm(call: Call) -> Value:
    shape = tuple(call.arguments["normalized_shape"])
    if len(shape) != 1:
        raise ValueError(f"normalises over {len(shape)} axes, expected the last one")
    tensors = _scales(call.tensors("weight", "bias"), shape)
    return call.builder.layer_norm(
        call.value(), tensors, call.arguments["eps"], id=call.module(weight="weight", bias="bias")
    )


def _group_norm(call: Call) -> Value:
    value = call.value()
    tensors = _scales(call.tensors("weight", "bias"), value.shape[:1])
    name = call.module(weight="weight", bias="bias")
    return call.builder.group_norm(value, tensors, call.arguments["num_groups"], call.arguments["eps"], id=name)


def _scales(given: Sequence[np.ndarray | None], shape: Sequence[int]) -> list[np.ndarray]:
    """A normalisation's weight and bias, those of one that has none."""
    weight, bias = given
    ones, zeros = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    return [ones if weight is None else weight, zeros if bias is None else bias]


def _pool(kind: Literal["max", "avg"]) -> Callable[[Call], Value]:
    def apply(call: Call) -> Value:
        if call.arguments["ceil_mode"] or (kind == "max" and call.one("dilation", 1) != 1):
            raise ValueError("pools incomplete squares, or with a dilation")
        padding = call.one("padding")
        whole = kind == "max" or call.arguments["count_include_pad"] or not padding
        if not whole or call.arguments.get("divisor_override"):
            raise ValueError("takes means that leave the padding out")
        kernel = call.one("kernel_size")
        return call.builder.pool2d(call.value(), kind, kernel, call.one("stride", kernel), padding)

    return apply


def _adaptive_pool(call: Call) -> Value:
    value, size = call.value(), list(call.arguments["output_size"])
    if len(value.shape) == 3 and size == list(value.shape[1:]):
        return value
    if size != [1, 1]:
        raise ValueError(f"pools to {size}: expected one position")
    return call.builder.mean_positions(value)


def _mean(call: Call) -> Value:
    value = call.value()
    axes = sorted(call.builder.axis(value, axis) for axis in call.arguments["dim"] or ())
    if len(value.shape) == 3 and axes == [1, 2]:
        return call.builder.viewed(call.builder.mean_positions(value), call.shape)
    if len(value.shape) == 2 and axes == [0]:
        return call.builder.viewed(call.builder.mean_tokens(value), call.shape)
    raise ValueError(f"takes the mean over axes {axes} of {list(value.shape)}: positions of images or tokens alone")


def _activation(name: str, argument: str | None = None, only: float = 1.0) -> Callable[[Call], Value]:
    def apply(call: Call) -> Value:
        fields: dict[str, Any] = {}
        if name == "leaky-relu":
            fields["negative_slope"] = call.arguments["negative_slope"]
        elif name == "gelu":
            fields["approximate"] = call.arguments["approximate"]
        elif argument is not None and call.arguments[argument] != only:
            raise ValueError(f"{argument} {call.arguments[argument]}: expected {only:g}")
        return call.builder.activation(call.value(), name, **fields)

    return apply


def _masked_fill(call: Call) -> Scores:
    return _filled(call, "self", "mask", "value")


def _where(call: Call) -> Scores:
    if isinstance(call.arguments["other"], Scores):
        return _filled(call, "other", "condition", "self")
    return _filled(call, "self", "condition", "other", unless=True)


def _filled(call: Call, name: str, where: str, number: str, *, unless: bool = False) -> Scores:
    found = call.arguments[name]
    if not isinstance(found, Scores):
        raise ValueError("chooses between computed values, or by one")
    places = call.constant(call.arguments[where], found) != unless
    return found.filled(places, call.constant(call.arguments[number], found))


def _sum(sign: float) -> Callable[[Call], Value | Scores]:
    def apply(call: Call) -> Value | Scores:
        a, b = call.arguments["self"], call.arguments["other"]
        factor = sign * float(call.arguments.get("alpha", 1))
        if isinstance(a, Scores):
            return a.masked(factor * call.constant(b, a))
        if isinstance(a, Value) and isinstance(b, Value):
            return call.builder.add(a, b if factor == 1 else b.scaled(np.asarray(factor), ZERO))
        if isinstance(a, Value):
            return a.scaled(ONE, factor * call.constant(b, a))
        return b.scaled(np.asarray(factor), call.constant(a, b))  # type: ignore[no-any-return]

    return apply


def _mul(call: Call) -> Value | Scores:
    a, b = call.arguments["self"], call.arguments["other"]
    if isinstance(a, Scores):
        return a.scaled(call.constant(b, a))
    if isinstance(a, Value) and isinstance(b, Value):
        return call.builder.gated(a, b)
    value, other = (a, b) if isinstance(a, Value) else (b, a)
    return value.scaled(call.constant(other, value), ZERO)


def _div(call: Call) -> Value | Scores:
    given = call.arguments["self"]
    with np.errstate(divide="ignore"):
        if isinstance(given, Scores):
            return given.scaled(1 / call.constant(call.arguments["other"], given))
        value = call.value()
        return value.scaled(1 / call.constant(call.arguments["other"], value), ZERO)


def _softmax(log: bool) -> Callable[[Call], Value | Scores]:
    def apply(call: Call) -> Value | Scores:
        given, axis = call.arguments["self"], call.arguments["dim"]
        if isinstance(given, Scores) and not log:
            return given.softmax(axis)
        return call.builder.softmax(call.value(), call.builder.axis(call.value(), axis), log=log)

    return apply


def _prelu(call: Call) -> Value:
    value, (slopes,) = call.value(), call.tensors("weight")
    assert slopes is not None
    if slopes.size == 1 != value.shape[0]:
        raise ValueError("has one slope for all channels: expected num_parameters to be as many as they are")
    slopes = slopes.reshape(-1, *[1] * (len(value.shape) - 1))
    return call.builder.prelu(value, slopes, id=call.module(weight="weight"))


def _embedding(call: Call) -> Value:
    (weight,) = call.tensors("weight")
    assert weight is not None
    return call.builder.embedding(call.value("indices"), weight, id=call.module(weight="weight"))


def _attention(call: Call) -> Value:
    queries, keys, values = (call.value(name) for name in ("query", "key", "value"))
    if call.arguments["dropout_p"]:
        raise ValueError("drops what tokens attend to")
    scale = call.arguments["scale"]
    found = Scores(queries, keys, queries.shape[-1] ** -0.5 if scale is None else scale, call.arguments["is_causal"])
    (mask,) = call.tensors("attn_mask")
    if mask is not None:
        numbers = call.constant(call.arguments["attn_mask"], found)
        found = found.filled(numbers == 0, np.asarray(-np.inf)) if mask.dtype == bool else found.masked(numbers)
    return found.softmax(-1).attend(call.builder, values)


OPERATIONS: dict[str, Callable[[Call], Value | Scores | list[Value]]] = {
    **MOVES,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "adaptive_avg_pool2d": _adaptive_pool,
    "add": _sum(1.0),
    "avg_pool2d": _pool("avg"),
    "baddbmm": _baddbmm,
    "batch_norm": _batch_norm,
    "bmm": _matmul,
    "conv2d": _conv2d,
    "div": _div,
    "elu": _activation("elu", "alpha"),
    "embedding": _embedding,
    "gelu": _activation("gelu"),
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "leaky_relu": _activation("leaky-relu"),
    "linear": _linear,
    "log_softmax": _softmax(True),
    "masked_fill": _masked_fill,
    "matmul": _matmul,
    "max_pool2d": _pool("max"),
    "mean": _mean,
    "mul": _mul,
    "prelu": _prelu,
    "relu": _activation("relu"),
    "scaled_dot_product_attention": _attention,
    "sigmoid": _activation("sigmoid"),
    "silu": _activation("silu"),
    "sin": _activation("sine"),
    "softmax": _softmax(False),
    "softplus": _activation("softplus", "beta"),
    "sub": _sum(-1.0),
    "tanh": _activation("tanh"),
    "where": _where,
}
