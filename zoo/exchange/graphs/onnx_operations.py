"""Operations of ONNX as operations of this project's: one function for each, by its name in `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .attention_scores import Scores, scores
from .graph_builder import GraphBuilder
from .onnx_constants import axes_of, reshaped, slices_of, squeezed, unsqueezed
from .values import INPUT, MAX_PLACES, ONE, ZERO, Value, uniform


@dataclass(frozen=True)
class Gate:
    """erf(x / sqrt 2), and that plus one: of what GELU, 0.5 x (1 + erf(x / sqrt 2)), is written with."""

    x: Value
    offset: bool = False


Operand = Value | Gate | Scores | np.ndarray | None


@dataclass(frozen=True)
class Step:
    """A node with its inputs.

    Arguments:
        inputs: values, constants, or None for one that is left out.
        opset: version of the operations.
        results: how many it has.
    """

    builder: GraphBuilder
    inputs: Sequence[Operand]
    attributes: dict[str, Any]
    opset: int
    results: int = 1

    def value(self, number: int = 0) -> Value:
        """A computed input."""
        found = self.inputs[number]
        if isinstance(found, Scores):
            raise ValueError(f"reads a product of two computed values {list(found.shape)}, which is no attention")
        if not isinstance(found, Value):
            raise ValueError(f"input {number} is a constant, expected a computed value")
        return found

    def constant(self, number: int) -> np.ndarray:
        """A constant input."""
        found = self.inputs[number] if number < len(self.inputs) else None
        if not isinstance(found, np.ndarray):
            raise ValueError(f"input {number} is computed, expected a constant")
        return found

    def beside(self, number: int, value: Value | Scores) -> np.ndarray:
        """A constant that meets a value elementwise, without the batch axis, in float64."""
        found = self.constant(number)
        if found.size > MAX_PLACES:
            raise ValueError(f"meets a constant of {found.size:,} numbers, more than {MAX_PLACES:,}")
        found = np.asarray(found, np.float64)
        if value.batched and found.ndim == len(value.shape) + 1:
            if len(found) != 1 and not (found == found[:1]).all():
                raise ValueError("has other numbers for each input of a batch")
            found = found[0]
        return found

    def equal(self, name: str, default: int, count: int = 2) -> int:
        """An attribute of one number per axis, which must agree."""
        found = list(self.attributes.get(name, [default] * count))
        if len(set(found)) != 1:
            raise ValueError(f"{name} {found}: expected equal ones in both directions")
        return int(found[0])


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
    slope = step.constant(1)
    if not uniform(slope):
        raise ValueError("has slopes of its own for each channel")
    return step.builder.activation(step.value(), "leaky-relu", negative_slope=float(slope.flat[0]))


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


def _concat(step: Step) -> Value:
    if isinstance(step.inputs[0], np.ndarray) and len(step.inputs) == 2:
        value = step.value(1)
        if step.builder.axis(value, step.attributes["axis"]) == 0:
            return step.builder.class_token(value, step.constant(0))
    values = [step.value(number) for number in range(len(step.inputs))]
    return step.builder.concat(values, step.builder.axis(values[0], step.attributes["axis"]))


def _flatten(step: Step) -> Value:
    x, axis = step.value(), step.attributes.get("axis", 1)
    full = step.builder.full(x)
    axis = axis + len(full) if axis < 0 else axis
    return step.builder.viewed(x, [int(np.prod(full[:axis], dtype=int)), int(np.prod(full[axis:], dtype=int))])


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


OPERATIONS: dict[str, Callable[[Step], Value | Gate | Scores | list[Value]]] = {
    "Add": _add,
    "AveragePool": _pool("avg"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Dropout": _dropout,
    "Elu": _activation("elu"),
    "Erf": _erf,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _activation("gelu"),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "Identity": _same,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _activation("leaky-relu"),
    "LogSoftmax": _softmax(True),
    "MatMul": _matmul,
    "MaxPool": _pool("max"),
    "Mul": _mul,
    "Neg": lambda step: step.value().scaled(-ONE, ZERO),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Sigmoid": _activation("sigmoid"),
    "Sin": _activation("sine"),
    "Slice": _slice,
    "Softmax": _softmax(False),
    "Softplus": _activation("softplus"),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _sub,
    "Sum": _add,
    "Tanh": _activation("tanh"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
