"""Operations of ONNX as operations of this project's: one function for each, by its name in `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..attention_scores import Scores, scores
from ..values import INPUT, ONE, ZERO, Value, uniform
from .onnx_constants import axes_of
from .onnx_moves import MOVES
from .onnx_steps import Gate, Operand, Step


def _gemm(step: Step) -> Value:
    if step.attributes.get("transA"):
        raise ValueError("transposes its first input")
    weight = step.constant(1)
    weight = weight if step.attributes.get("transB") else weight.T
    alpha, beta = step.attributes.get("alpha", 1.0), step.attributes.get("beta", 1.0)
    bias = None
    if len(step.inputs) > 2 and step.inputs[2] is not None:
        bias = step.constant(2)
        if bias.size not in (1, weight.shape[0]):
            raise ValueError(f"its bias is {list(bias.shape)}, expected [{weight.shape[0]}]")
        bias = np.broadcast_to(bias.ravel() if beta == 1 else bias.ravel() * beta, weight.shape[:1])
    return step.builder.linear(step.value(), weight if alpha == 1 else weight * alpha, bias)


def _matmul(step: Step) -> Value | Scores:
    a, b = step.inputs
    if isinstance(a, Value) and isinstance(b, Value):
        return scores(a, b)
    if isinstance(a, Scores) and isinstance(b, Value):
        return a.attend(step.builder, b)
    if isinstance(b, np.ndarray):
        weight = b
        while weight.ndim > 2 and len(weight) == 1:
            weight = weight[0]
        return step.builder.linear(step.value(), weight.T, None)
    x, weight = step.value(1), step.constant(0)
    if x.shape[1:] not in ((), (1,)):
        raise ValueError(f"multiplies a constant by a value {list(x.shape)}, expected a vector")
    return step.builder.linear(x.reshaped(x.shape[:1], x.batched), weight, None).reshaped(
        (weight.shape[0], *x.shape[1:]), x.batched
    )


def _padding(step: Step, kernel: Sequence[int], shape: Sequence[int]) -> int:
    """The same on all four sides, said or found."""
    mode = step.attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        return 0 if mode == "VALID" else step.equal("pads", 0, 4)
    stride, dilation = step.equal("strides", 1), step.equal("dilations", 1)
    totals = [
        max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        for k, size in zip(kernel, shape, strict=True)
    ]
    if len(set(totals)) != 1 or totals[0] % 2:
        raise ValueError(f"auto_pad {mode} pads by {totals}: expected as much on all four sides")
    return totals[0] // 2


def _conv(step: Step) -> Value:
    x, weight = step.value(), step.constant(1)
    if len(x.shape) != 3 or weight.ndim != 4:
        raise ValueError(f"kernels {list(weight.shape)} of a value {list(x.shape)}: expected two axes of positions")
    return step.builder.conv2d(
        x,
        weight,
        step.constant(2) if len(step.inputs) > 2 and step.inputs[2] is not None else None,
        stride=step.equal("strides", 1),
        padding=_padding(step, weight.shape[2:], x.shape[1:]),
        dilation=step.equal("dilations", 1),
        groups=step.attributes.get("group", 1),
    )


def _pool(kind: Literal["max", "avg"]) -> Callable[[Step], Value]:
    def apply(step: Step) -> Value:
        x = step.value()
        if len(x.shape) != 3 or len(step.attributes["kernel_shape"]) != 2:
            raise ValueError(f"pools {list(x.shape)}: expected two axes of positions")
        kernel, stride = step.equal("kernel_shape", 1), step.equal("strides", 1)
        padding = _padding(step, [kernel, kernel], x.shape[1:])
        if step.equal("dilations", 1) != 1:
            raise ValueError("pools with a dilation")
        if step.attributes.get("ceil_mode") and any((n + 2 * padding - kernel) % stride for n in x.shape[1:]):
            raise ValueError("keeps incomplete squares at the edge (ceil_mode)")
        if kind == "avg" and padding and not step.attributes.get("count_include_pad"):
            raise ValueError("leaves the padding out of its means (count_include_pad 0)")
        return step.builder.pool2d(x, kind, kernel, stride, padding)

    return apply


def _global_max(step: Step) -> Value:
    x = step.value()
    if len(x.shape) != 3 or x.shape[1] != x.shape[2]:
        raise ValueError(f"takes the maximum of {list(x.shape)}: expected a square image")
    return step.builder.pool2d(x, "max", x.shape[1])


def _global_average(step: Step) -> Value:
    if len(step.value().shape) != 3:
        raise ValueError(f"takes the mean of {list(step.value().shape)}: expected an image")
    return step.builder.mean_positions(step.value())


def _reduce_mean(step: Step) -> Value:
    x, axes = step.value(), axes_of(step.inputs, step.attributes)
    found = sorted(step.builder.axis(x, axis) for axis in axes or range(len(step.builder.full(x))))
    keep = bool(step.attributes.get("keepdims", 1))
    if len(x.shape) == 3 and found == [1, 2]:
        mean = step.builder.mean_positions(x)
        return mean if keep else mean.reshaped(x.shape[:1], x.batched)
    if len(x.shape) == 2 and found == [0]:
        mean = step.builder.mean_tokens(x)
        return mean.reshaped((1, *mean.shape)) if keep else mean
    raise ValueError(f"takes the mean over axes {found} of {list(x.shape)}: positions of images or tokens alone")


def _batch_norm(step: Step) -> Value:
    if step.attributes.get("training_mode") or not step.attributes.get("spatial", 1):
        raise ValueError("normalises by the statistics of its batch, not by stored ones")
    tensors = [step.constant(number) for number in range(1, 5)]
    return step.builder.batch_norm(step.value(), tensors, step.attributes.get("epsilon", 1e-5))


def _layer_norm(step: Step) -> Value:
    x, weight = step.value(), step.constant(1)
    if step.builder.axis(x, step.attributes.get("axis", -1)) != len(x.shape) - 1:
        raise ValueError("normalises over more than the last axis")
    bias = step.constant(2) if len(step.inputs) > 2 else np.zeros_like(weight)
    return step.builder.layer_norm(x, [weight, bias], step.attributes.get("epsilon", 1e-5))


def _softmax(log: bool) -> Callable[[Step], Value | Scores]:
    def apply(step: Step) -> Value | Scores:
        x = step.inputs[0]
        if isinstance(x, Scores) and not log:
            return x.softmax(step.attributes.get("axis", -1 if step.opset >= 13 else 1))
        x = step.value()
        axis = step.builder.axis(x, step.attributes.get("axis", -1 if step.opset >= 13 else 1))
        if step.opset < 13 and any(size > 1 for size in x.shape[axis + 1 :]):
            raise ValueError(f"takes all axes of {list(x.shape)} from {axis} on together")
        return step.builder.softmax(x, axis, log=log)

    return apply


def _where(step: Step) -> Scores:
    for number, other in ((1, 2), (2, 1)):
        found = step.inputs[number]
        if isinstance(found, Scores):
            return found.filled(step.beside(0, found) == (other == 1), step.beside(other, found))
    raise ValueError("chooses between computed values, or by one")


def _is_nan(step: Step) -> np.ndarray:
    """Of attention, where a token is masked from all others: with the masks that are read, none is."""
    found = step.inputs[0]
    if not isinstance(found, Scores) or not found.normalised:
        raise ValueError("asks whether computed values are numbers")
    return np.zeros((), bool)


def _activation(name: str) -> Callable[[Step], Value]:
    def apply(step: Step) -> Value:
        alpha = step.attributes.get("alpha")
        fields: dict[str, Any] = {}
        if name == "leaky-relu":
            fields["negative_slope"] = round(0.01 if alpha is None else alpha, 7)  # a float32 in the file
        elif alpha not in (None, 1.0):
            raise ValueError(f"alpha {alpha}: expected 1")
        if step.attributes.get("approximate", "none") != "none":
            fields["approximate"] = step.attributes["approximate"]
        return step.builder.activation(step.value(), name, **fields)

    return apply


def _prelu(step: Step) -> Value:
    slopes = step.beside(1, step.value())
    if uniform(slopes) and slopes.flat[0] >= 0:
        return step.builder.activation(step.value(), "leaky-relu", negative_slope=float(slopes.flat[0]))
    return step.builder.prelu(step.value(), slopes)


def _erf(step: Step) -> Gate:
    x = step.value()
    if not uniform(x.scale) or x.shift.any() or not np.isclose(x.scale.flat[0], 0.5**0.5):
        raise ValueError("belongs to no GELU: expected x / sqrt 2")
    return Gate(replace(x, scale=ONE))


def _add(step: Step) -> Value | Gate | Scores:
    for gate, one in (step.inputs, step.inputs[::-1]):
        if isinstance(gate, Gate) and isinstance(one, np.ndarray) and uniform(one) and one.flat[0] == 1:
            return replace(gate, offset=True)
    for number, found in enumerate(step.inputs):
        if isinstance(found, Scores):
            return found.masked(step.beside(1 - number, found))
    if all(isinstance(operand, Value) for operand in step.inputs):
        total = step.value(0)
        for number in range(1, len(step.inputs)):
            total = step.builder.add(total, step.value(number))
        return total
    number = 0 if isinstance(step.inputs[0], Value) else 1
    x = step.value(number)
    shifted = x.scaled(ONE, step.beside(1 - number, x))
    return shifted if x.node == INPUT else step.builder.placed.applied(shifted)


def _sub(step: Step) -> Value:
    a, b = step.inputs
    if isinstance(a, Value) and isinstance(b, Value):
        return step.builder.add(a, b.scaled(-ONE, ZERO))
    if isinstance(a, Value):
        return a.scaled(ONE, -step.beside(1, a))
    return step.value(1).scaled(-ONE, step.beside(0, step.value(1)))


def _gelu(step: Step, x: Operand, gate: Operand) -> Value | None:
    """The product of x, or of a multiple, and 1 + erf(x / sqrt 2); None for another one."""
    if not isinstance(x, Value) or not isinstance(gate, Gate) or not gate.offset:
        return None
    if (x.node, x.shape) != (gate.x.node, gate.x.shape) or x.shift.any() or not uniform(x.scale):
        return None
    return step.builder.activation(gate.x, "gelu").scaled(2 * x.scale, ZERO)


def _mul(step: Step) -> Value | Scores:
    a, b = step.inputs
    for number, found in enumerate(step.inputs):
        if isinstance(found, Scores):
            return found.scaled(step.beside(1 - number, found))
    for x, gate in ((a, b), (b, a)):
        if (found := _gelu(step, x, gate)) is not None:
            return found
    if isinstance(a, Value) and isinstance(b, Value):
        return step.builder.gated(a, b)
    number = 0 if isinstance(a, Value) else 1
    return step.value(number).scaled(step.beside(1 - number, step.value(number)), ZERO)


def _div(step: Step) -> Value | Scores:
    with np.errstate(divide="ignore"):
        if isinstance(step.inputs[0], Scores):
            return step.inputs[0].scaled(1 / step.beside(1, step.inputs[0]))
        return step.value().scaled(1 / step.beside(1, step.value()), ZERO)


OPERATIONS: dict[str, Callable[[Step], Value | Gate | Scores | np.ndarray | list[Value]]] = {
    **MOVES,
    "Add": _add,
    "AveragePool": _pool("avg"),
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Div": _div,
    "Elu": _activation("elu"),
    "Erf": _erf,
    "Gelu": _activation("gelu"),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "IsNaN": _is_nan,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _activation("leaky-relu"),
    "LogSoftmax": _softmax(True),
    "MatMul": _matmul,
    "MaxPool": _pool("max"),
    "Mul": _mul,
    "Neg": lambda step: step.value().scaled(-ONE, ZERO),
    "PRelu": _prelu,
    "ReduceMean": _reduce_mean,
    "Relu": _activation("relu"),
    "Sigmoid": _activation("sigmoid"),
    "Sin": _activation("sine"),
    "Softmax": _softmax(False),
    "Softplus": _activation("softplus"),
    "Sub": _sub,
    "Sum": _add,
    "Tanh": _activation("tanh"),
    "Where": _where,
}
