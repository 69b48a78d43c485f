"""Operations of torch, as `torch.export` traces them, as operations of this project's: by name in `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..reading.network_reader import NUMBERED
from .attention_scores import Scores, scores
from .graph_builder import GraphBuilder
from .values import ONE, ZERO, Value


@dataclass(frozen=True)
class Parameter:
    """A parameter or buffer, by the name that it has in the module's state dict."""

    name: str
    values: np.ndarray


Operand = Any  # a Value, Scores, a Parameter, a list of them, or a Python number


@dataclass(frozen=True)
class Call:
    """A traced call with its arguments by name, those that were left out included; `shape` is that of its result."""

    builder: GraphBuilder
    arguments: Mapping[str, Operand]
    shape: tuple[int, ...]

    def value(self, name: str | None = None) -> Value:
        """A computed argument, by default the one that the call is about."""
        name = name or ("input" if "input" in self.arguments else "self")
        found = self.arguments[name]
        if isinstance(found, Scores):
            raise ValueError(f"reads a product of two computed values {list(found.shape)}, which is no attention")
        if not isinstance(found, Value):
            raise ValueError(f"its {name} is no computed value")
        return found

    def tensors(self, *names: str) -> list[np.ndarray | None]:
        """Parameters; None for one that is None."""
        found: list[np.ndarray | None] = []
        for name in names:
            given = self.arguments.get(name)
            if given is not None and not isinstance(given, Parameter):
                raise ValueError(f"its {name} is computed, expected a parameter")
            found.append(None if given is None else given.values)
        return found

    def module(self, **roles: str) -> str | None:
        """The module whose state dict has all these arguments, each by the name of its role; None where none has."""
        given = {role: self.arguments.get(name) for role, name in roles.items()}
        named = {role: value.name for role, value in given.items() if isinstance(value, Parameter)}
        owners = {name.removesuffix(f".{role}") for role, name in named.items() if name.endswith(f".{role}")}
        if len(owners) != 1 or any(not name.endswith(f".{role}") for role, name in named.items()):
            return None
        owner = owners.pop()
        return f"{NUMBERED}{owner}" if owner[0].isdigit() else owner

    def packed(self, **roles: str) -> str | None:
        """The same of tensors that one module has of several layers, as "in_proj_weight"."""
        names = [(role, self.arguments.get(name)) for role, name in roles.items()]
        owners = {given.name.removesuffix(f"_{role}") for role, given in names if isinstance(given, Parameter)}
        owner = owners.pop() if len(owners) == 1 else ""
        return None if not owner.endswith(".in_proj") else f"{NUMBERED}{owner}" if owner[0].isdigit() else owner

    def one(self, name: str, default: int = 0) -> int:
        """A number per axis of positions, which must agree."""
        found = self.arguments[name]
        numbers = [found] if isinstance(found, int) else list(found or [default])
        if len(set(numbers)) != 1:
            raise ValueError(f"{name} {numbers}: expected equal ones in both directions")
        return int(numbers[0])

    def constant(self, operand: Operand, value: Value | Scores) -> np.ndarray:
        """A parameter or number that meets a value elementwise, without the batch axis."""
        found = np.asarray(operand.values if isinstance(operand, Parameter) else operand, np.float64)
        return found[0] if value.batched and found.ndim == len(value.shape) + 1 and len(found) == 1 else found


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


def _cat(call: Call) -> Value:
    first, *rest = call.arguments["tensors"]
    if isinstance(first, Parameter) and len(rest) == 1 and call.builder.axis(rest[0], call.arguments["dim"]) == 0:
        return call.builder.class_token(rest[0], first.values)
    if not all(isinstance(value, Value) for value in (first, *rest)):
        raise ValueError("joins a parameter to a value: expected one token before others")
    return call.builder.concat([first, *rest], call.builder.axis(first, call.arguments["dim"]))


def _softmax(log: bool) -> Callable[[Call], Value | Scores]:
    def apply(call: Call) -> Value | Scores:
        given, axis = call.arguments["self"], call.arguments["dim"]
        if isinstance(given, Scores) and not log:
            return given.softmax(axis)
        return call.builder.softmax(call.value(), call.builder.axis(call.value(), axis), log=log)

    return apply


def _embedding(call: Call) -> Value:
    (weight,) = call.tensors("weight")
    assert weight is not None
    return call.builder.embedding(call.value("indices"), weight, id=call.module(weight="weight"))


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


def _attention(call: Call) -> Value:
    queries, keys, values = (call.value(name) for name in ("query", "key", "value"))
    if call.arguments["dropout_p"]:
        raise ValueError("drops what tokens attend to")
    scale = call.arguments["scale"]
    found = Scores(queries, keys, queries.shape[-1] ** -0.5 if scale is None else scale, call.arguments["is_causal"])
    (mask,) = call.tensors("attn_mask")
    if mask is not None:
        found = found.masked(np.where(mask, 0, -np.inf) if mask.dtype == bool else mask)
    return found.softmax(-1).attend(call.builder, values)


def _expand(call: Call) -> Value | Parameter:
    given = call.arguments["self"]
    if isinstance(given, Parameter):
        return Parameter("", np.broadcast_to(given.values, call.shape))
    if call.builder.full(given) != call.shape:
        raise ValueError(f"repeats {list(call.builder.full(given))} to {list(call.shape)}")
    return given  # type: ignore[no-any-return]


def _view(call: Call) -> Value | Parameter:
    given = call.arguments["self"]
    if isinstance(given, Parameter):
        return Parameter("", given.values.reshape(call.shape))
    return call.builder.viewed(given, call.shape)


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


OPERATIONS: dict[str, Callable[[Call], Value | Scores | Parameter | list[Value]]] = {
    "_native_batch_norm_legit_no_training": _batch_norm,
    "_unsafe_view": _view,
    "adaptive_avg_pool2d": _adaptive_pool,
    "add": _sum(1.0),
    "alias": _same,
    "avg_pool2d": _pool("avg"),
    "batch_norm": _batch_norm,
    "bmm": _matmul,
    "cat": _cat,
    "chunk": _split,
    "clone": _same,
    "contiguous": _same,
    "conv2d": _conv2d,
    "detach": _same,
    "div": _div,
    "dropout": _same,
    "elu": _activation("elu", "alpha"),
    "embedding": _embedding,
    "expand": _expand,
    "feature_dropout": _same,
    "flatten": _view,
    "gelu": _activation("gelu"),
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "leaky_relu": _activation("leaky-relu"),
    "linear": _linear,
    "log_softmax": _softmax(True),
    "matmul": _matmul,
    "max_pool2d": _pool("max"),
    "mean": _mean,
    "mul": _mul,
    "permute": _permute,
    "relu": _activation("relu"),
    "reshape": _view,
    "scaled_dot_product_attention": _attention,
    "select": _select,
    "sigmoid": _activation("sigmoid"),
    "silu": _activation("silu"),
    "sin": _activation("sine"),
    "slice": _slice,
    "softmax": _softmax(False),
    "softplus": _activation("softplus", "beta"),
    "split": _split,
    "split_with_sizes": _split,
    "squeeze": _view,
    "sub": _sum(-1.0),
    "tanh": _activation("tanh"),
    "transpose": _transpose,
    "unbind": _unbind,
    "unsqueeze": _view,
    "view": _view,
}
