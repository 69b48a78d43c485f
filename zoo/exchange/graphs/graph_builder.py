"""`GraphBuilder`: an architecture and its parameters, operation by operation from another framework's graph.

What does not fit raises ValueError in one line; whoever knows the file and the node puts their names before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from ...networks.architecture import Architecture, Operation
from ...networks.operations import operation as operations
from ...networks.operations.joining import Add
from ...networks.operations.operation import BaseOperation, Shape, neuron_axis
from ..reading.network_reader import NUMBERED
from ..reading.state_dict_files import MAX_PARAMS
from .values import INPUT, MAX_PLACES, ONE, ZERO, Batch, Value, in_order, uniform

_OPERATIONS: TypeAdapter[Any] = TypeAdapter(Operation)


@dataclass
class _Node:
    operation: BaseOperation
    sources: tuple[int, ...]
    arrays: list[np.ndarray]
    shape: Shape


class GraphBuilder:
    """Operations as they come; `finish` leaves out those that the output does not need.

    Attributes:
        batch: the first axis of values that have one.
        input_shape: how the input is read, known from the first operation that reads it.
        input_order: of every place of the input, as it is read, its place in the other framework; None where equal.
    """

    def __init__(self) -> None:
        self.batch = Batch(1, open=False)
        self.input_shape: Shape | None = None
        self.input_order: np.ndarray | None = None
        self._nodes: list[_Node] = []
        self._ids: set[str | None] = set()
        self._shifts: dict[int, np.ndarray] = {}  # nodes that only add a number per channel
        self._parameters = 0

    def linear(self, value: Value, weight: np.ndarray, bias: np.ndarray | None, *, id: str | None = None) -> Value:
        """Weight `[out, in]` on the last axis: of a vector, or of each token."""
        if weight.ndim != 2 or value.shape[-1:] != weight.shape[1:]:
            raise ValueError(f"a weight {list(weight.shape[::-1])} does not fit a value {list(value.shape)}")
        core = value.core
        node, order = self._vector(value) if len(core) == 1 else (self._arranged(value, core), None)
        if order is not None:
            weight = weight[:, np.argsort(order)]
        fields = {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": bias is not None}
        node = self._put("linear", fields, [weight, bias], node, id=id)
        return Value(node, (*value.shape[:-1], weight.shape[0]), value.batched)

    def conv2d(
        self,
        value: Value,
        weight: np.ndarray,
        bias: np.ndarray | None,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        id: str | None = None,
    ) -> Value:
        """Kernels `[out, in / groups, height, width]`."""
        if weight.ndim != 4 or len(value.shape) != 3:
            raise ValueError(f"kernels {list(weight.shape)} of a value {list(value.shape)}: two axes of positions")
        if value.shape[1:] == weight.shape[2:] == (1, 1) and groups == 1 and not padding and self._is_vector(value):
            return self.linear(value.reshaped(value.shape[:1]), weight[:, :, 0, 0], bias, id=id).reshaped(
                (weight.shape[0], 1, 1)
            )
        fields = {
            "in_channels": weight.shape[1] * groups,
            "out_channels": weight.shape[0],
            "kernel_size": weight.shape[2:],
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "bias": bias is not None,
        }
        return self._of_image(value, "conv2d", fields, [weight, bias], id=id)

    def pool2d(
        self, value: Value, kind: Literal["max", "avg"], kernel: int, stride: int | None = None, padding: int = 0
    ) -> Value:
        """The maximum or mean of squares."""
        fields = {"kind": kind, "kernel_size": kernel, "stride": stride, "padding": padding}
        return self._of_image(value, "pool2d", fields, [])

    def mean_positions(self, value: Value) -> Value:
        """The mean over all positions of an image, `[channels, 1, 1]`."""
        if value.shape[1:] == (1, 1):
            return value
        node = self._put("global-avg-pool2d", {}, [], self._arranged(value, value.shape))
        return Value(node, (value.shape[0], 1, 1), value.batched)

    def batch_norm(self, value: Value, tensors: Sequence[np.ndarray], eps: float, *, id: str | None = None) -> Value:
        """Weight, bias, mean and variance `[channels]` of the first axis: of a vector, or of an image."""
        return self._of_channels(value, "batch-norm", {"channels": tensors[0].size, "eps": eps}, tensors, id=id)

    def group_norm(
        self, value: Value, tensors: Sequence[np.ndarray], groups: int, eps: float, *, id: str | None = None
    ) -> Value:
        """Weight and bias `[channels]`."""
        fields = {"channels": tensors[0].size, "eps": eps, "groups": groups}
        return self._of_channels(value, "group-norm", fields, tensors, id=id)

    def layer_norm(self, value: Value, tensors: Sequence[np.ndarray], eps: float, *, id: str | None = None) -> Value:
        """Weight and bias of the last axis: of a vector, or of each token."""
        if len(value.core) > 2:
            raise ValueError(f"normalises the last axis of {list(value.shape)}: vectors and tokens alone")
        fields = {"channels": tensors[0].size, "eps": eps}
        node = self._put("layer-norm", fields, tensors, self._arranged(value, value.core), id=id)
        return Value(node, value.shape, value.batched)

    def softmax(self, value: Value, axis: int, *, log: bool = False) -> Value:
        """Over the features of a vector or of each token, or the channels of an image; `axis` without the batch."""
        if value.shape[1:] == (1, 1) and self._is_vector(value):
            core, start = value.shape[:1], 0
        else:
            core, start = value.core, len(value.shape) - len(value.core)
        if axis % len(value.shape) != start + neuron_axis(core):
            raise ValueError(f"axis {axis} of {list(value.shape)} is not that of features or channels")
        node = self._put("softmax", {"log": log}, [], self._arranged(value, core))
        return Value(node, value.shape, value.batched)

    def activation(self, value: Value, name: str, **fields: Any) -> Value:
        """An elementwise function; a sine takes the factor before it as its frequency."""
        if name == "sine" and uniform(value.scale) and not value.shift.any():
            fields["omega_0"] = float(value.scale.flat[0])
            value = replace(value, scale=ONE, shift=ZERO)
        value = self._settled(value)
        node = self._put("activation", {"name": name, **fields}, [], value.node)
        return replace(value, node=node, order=self._order(value))

    def add(self, a: Value, b: Value) -> Value:
        """The sum of two values of one shape."""
        if a.shape != b.shape:
            raise ValueError(f"computed values {list(a.shape)} and {list(b.shape)}: expected one shape")
        a, b = self._settled(a), self._settled(b)
        order = self._order(a)
        if self._shape(a.node) != self._shape(b.node) or not _same(order, self._order(b)):
            a, b = (replace(v, node=self._arranged(v, (v.places,))) for v in (a, b))
            order = None
        return replace(a, node=self._put("add", {}, [], a.node, b.node), order=order)

    def gated(self, a: Value, b: Value) -> Value:
        """The product of two values, where it is x * sigmoid(x)."""
        for x, gate in ((a, b), (b, a)):
            node = self._nodes[gate.node] if gate.node != INPUT else None
            name = getattr(node.operation, "name", None) if node else None
            plain = node and name == "sigmoid" and gate.plain and x.plain
            if plain and node and node.sources == (x.node,) and _same(self._order(x), gate.order):
                return self.activation(x, "silu")
        raise ValueError("multiplies two computed values")

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Channels of images, or features, side by side; `axis` without the batch."""
        first, axis = values[0], axis % len(values[0].shape)
        if any(len(v.shape) != len(first.shape) for v in values):
            raise ValueError(f"joins {', '.join(str(list(v.shape)) for v in values)}: expected equally many axes")
        if axis == 0 and all(v.shape[1:] == (1,) * (len(v.shape) - 1) and self._is_vector(v) for v in values):
            shapes: list[Shape] = [v.shape[:1] for v in values]
        else:
            shapes = [v.core for v in values]
            if axis != len(first.shape) - len(shapes[0]) + neuron_axis(shapes[0]):
                raise ValueError(f"joins along axis {axis} of {list(first.shape)}, not along features or channels")
        node = self._put("concat", {}, [], *map(self._arranged, values, shapes))
        joined = sum(v.shape[axis] for v in values)
        return Value(node, (*first.shape[:axis], joined, *first.shape[axis + 1 :]), first.batched)

    def embedding(self, value: Value, weight: np.ndarray, *, id: str | None = None) -> Value:
        """A row of weight `[vocabulary, features]` for each of the network's inputs."""
        if value.node != INPUT or not value.plain or len(value.core) != 1:
            raise ValueError("looks up rows by something else than the network's input")
        fields = {"vocabulary": weight.shape[0], "features": weight.shape[1]}
        node = self._put("embedding", fields, [weight], self._arranged(value, value.core), id=id)
        return Value(node, (*value.shape, weight.shape[1]), value.batched)

    def take_token(self, value: Value, token: int) -> Value:
        """One token's features `[features]` of `[tokens, features]`."""
        if len(value.shape) != 2:
            raise ValueError(f"takes a part of {list(value.shape)}: of tokens alone")
        node = self._put("take-token", {"token": token % value.shape[0]}, [], self._arranged(value, value.shape))
        return Value(node, value.shape[1:], value.batched)

    def mean_tokens(self, value: Value) -> Value:
        """The mean over the tokens, `[features]` of `[tokens, features]`."""
        node = self._put("mean-tokens", {}, [], self._arranged(value, value.shape))
        return Value(node, value.shape[1:], value.batched)

    def class_token(self, value: Value, weight: np.ndarray) -> Value:
        """A learned token `[features]` before the others."""
        if len(value.shape) != 2:
            raise ValueError(f"puts a token before {list(value.shape)}")
        fields = {"features": weight.size}
        node = self._put("class-token", fields, [weight.reshape(-1)], self._arranged(value, value.shape))
        return Value(node, (value.shape[0] + 1, value.shape[1]), value.batched)

    def attention(self, queries: Value, keys: Value, values: Value, *, causal: bool = False) -> Value:
        """Of `[heads, tokens, features]` each, as heads are split off tokens."""
        if any(len(value.shape) != 3 for value in (queries, keys, values)):
            raise ValueError(f"attends to {list(keys.shape)}: expected [heads, tokens, features]")
        places = []
        for value in (queries, keys, values):
            heads, tokens, features = value.shape
            joined = value.transposed((1, 0, 2)).reshaped((tokens, heads * features), value.batched)
            places.append(self._arranged(joined, joined.shape))
        node = self._put("attention", {"heads": heads, "causal": causal}, [], *places)
        tokens, features = queries.shape[1], values.shape[2]
        split = Value(node, (tokens, heads, features), queries.batched)
        return split.transposed((1, 0, 2))

    def full(self, value: Value) -> Shape:
        """A value's shape with the batch axis that it has."""
        return (self.batch.size, *value.shape) if value.batched else value.shape

    def axis(self, value: Value, axis: int) -> int:
        """An axis of the full shape, counted without the batch axis."""
        rank = len(self.full(value))
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} of a value with {rank}")
        found = axis % rank - value.batched
        if found < 0:
            raise ValueError("works along the batch axis")
        return found

    def viewed(self, value: Value, target: Sequence[int]) -> Value:
        """The same numbers in another full shape."""
        value = self.applied(value)
        if value.batched and target and target[0] == self.batch.size:
            return value.reshaped(tuple(target[1:]))
        if self.batch.size != 1 or self.batch.open:
            raise ValueError(f"reshapes {list(self.full(value))} to {list(target)}, across the inputs of a batch")
        if target and target[0] == 1:
            return value.reshaped(tuple(target[1:]))
        return value.reshaped(tuple(target), batched=False)

    def moved(self, value: Value, axes: Sequence[int]) -> Value:
        """The axes of the full shape in another order."""
        if sorted(axes) != list(range(len(self.full(value)))):
            raise ValueError(f"puts the axes of {list(self.full(value))} into the order {list(axes)}")
        if not value.batched:
            return value.transposed(tuple(axes))
        if axes[0] == 0:
            return value.transposed(tuple(axis - 1 for axis in axes[1:]))
        if self.batch.size != 1 or self.batch.open:
            raise ValueError("moves the batch axis")
        return value.reshaped((1, *value.shape), batched=False).transposed(tuple(axes))

    def applied(self, value: Value) -> Value:
        """The value with what waits applied, where its channels or features are told apart."""
        held = value.shape if value.node == INPUT else self._shape(value.node)
        if value.plain or value.places > MAX_PLACES or len(value.shape) != len(held):
            return value
        if len(held) != 3:
            return value if value.node == INPUT else self._settled(value)
        found = (_per_channel(numbers, value, None, value.shape) for numbers in (value.scale, value.shift))
        return self._settled(value) if all(numbers is not None for numbers in found) else value

    def finish(self, output: Value) -> tuple[Architecture, np.ndarray]:
        """The architecture that ends with `output`, and its float32 `params [P]`. Raises ValueError."""
        output = self._settled(output)
        if self._order(output) is not None:
            raise ValueError("the output's axes change places")
        needed = self._needed(output.node)
        if not needed:
            raise ValueError("the output is not computed from the input")
        self._merge_biases(needed)
        needed = self._needed(output.node)
        places = {number: place for place, number in enumerate(sorted(needed))} | {INPUT: INPUT}
        found: list[Any] = []
        arrays: list[np.ndarray] = []
        for number in sorted(needed):
            node = self._nodes[number]
            inputs = _references([places[source] for source in node.sources], places[number], node.operation)
            name = None if node.operation.id == f"{NUMBERED}{places[number]}" else node.operation.id
            found.append(node.operation.model_copy(update={"inputs": inputs, "id": name}))
            arrays += node.arrays
        arch = Architecture(input_shape=self.input_shape or (), operations=tuple(found))
        with np.errstate(over="ignore"):  # infinite weights are refused later, by the file's name
            return arch, np.concatenate([np.asarray(values, np.float32).ravel() for values in arrays])

    def _needed(self, output: int) -> set[int]:
        needed: set[int] = set()
        todo = [output]
        while todo:
            number = todo.pop()
            if number not in needed and number != INPUT:
                needed.add(number)
                todo += self._nodes[number].sources
        return needed

    def _merge_biases(self, needed: set[int]) -> None:
        """A shift per channel right after a layer without bias, which nothing else reads, is its bias."""
        readers = Counter(source for number in needed for source in self._nodes[number].sources)
        for number in needed & self._shifts.keys():
            source = self._nodes[number].sources[0]
            layer = self._nodes[source] if source != INPUT else None
            if layer is not None and readers[source] == 1 and getattr(layer.operation, "bias", True) is False:
                biased = layer.operation.model_copy(update={"bias": True})
                arrays = [*layer.arrays, self._shifts[number]]
                self._nodes[number] = _Node(biased, layer.sources, arrays, layer.shape)

    def _put(
        self,
        op: str,
        fields: dict[str, Any],
        tensors: Sequence[np.ndarray | None],
        *sources: int,
        id: str | None = None,
    ) -> int:
        arrays = [values for values in tensors if values is not None]
        self._parameters += sum(values.size for values in arrays)
        if self._parameters > MAX_PARAMS:
            raise ValueError(f"the network has more than {MAX_PARAMS:,} parameters")
        id = None if id in self._ids else id
        self._ids.add(id)
        operation: BaseOperation = _OPERATIONS.validate_python({"op": op, "id": id, **fields})
        for values, spec in zip(arrays, operation.tensors, strict=True):
            if values.shape != spec.shape:
                raise ValueError(f"its {spec.role} is {list(values.shape)}, expected {list(spec.shape)}")
        shape = operation.output_shape(*map(self._shape, sources))
        self._nodes.append(_Node(operation, sources, arrays, shape))
        return len(self._nodes) - 1

    def _shape(self, node: int) -> Shape:
        return (self.input_shape or ()) if node == INPUT else self._nodes[node].shape

    def _is_vector(self, value: Value) -> bool:
        return len(self._shape(value.node)) == 1

    def _order(self, value: Value) -> np.ndarray | None:
        """Where the numbers lie among those of the node; of the input, as it is read."""
        if value.node != INPUT or self.input_order is None:
            return value.order
        order = np.arange(value.places) if value.order is None else value.order
        return in_order(np.argsort(self.input_order.ravel())[order])

    def _fixed(self, value: Value, shape: Shape, order: np.ndarray | None) -> None:
        """The input takes the shape in which it is first read."""
        if value.node == INPUT and self.input_shape is None:
            if not 1 <= len(shape) <= 3:
                raise ValueError(f"reads the input as {list(value.shape)}: a vector, tokens or an image are known")
            self.input_shape, self.input_order = shape, order

    def _vector(self, value: Value) -> tuple[int, np.ndarray | None]:
        """The node that holds all numbers in a row, and where among them each place lies."""
        self._fixed(value, (value.places,), None)
        order = self._order(value)
        node = value.node if self._is_vector(value) else self._put("flatten", {}, [], value.node)
        flat = None if order is None else order.ravel()
        return self._affine(node, value, flat), flat

    def _arranged(self, value: Value, shape: Shape) -> int:
        """The node that holds the numbers in this shape, row by row."""
        self._fixed(value, shape, value.order)
        if len(shape) == 1:
            node, order = self._vector(value)
            if order is None:
                return node
        else:
            node, held, order = value.node, self._shape(value.node), self._order(value)
            if order is not None and len(held) == 3 and len(shape) == 2:
                tokens = np.arange(value.places).reshape(held[0], -1).T
                if np.array_equal(order.ravel(), tokens.ravel()):
                    node, held, order = self._put("to-tokens", {}, [], node), (held[1] * held[2], held[0]), None
            if order is None and held == shape:
                return self._affine(node, value, None)
            if order is None:
                raise ValueError(f"reads a value {list(held)} as {list(shape)}, which no operation does")
        raise ValueError(f"reads a computed value {list(shape)} whose axes changed places")

    def _settled(self, value: Value) -> Value:
        """The value with nothing left to multiply or add, however it is arranged."""
        self._fixed(value, value.shape if len(value.shape) == 3 else value.core, value.order)
        if value.plain:
            return value
        order = self._order(value)
        node = self._affine(value.node, value, None if order is None else order.ravel())
        return replace(value, node=node, order=order, scale=ONE, shift=ZERO)

    def _affine(self, node: int, value: Value, order: np.ndarray | None) -> int:
        """`node` multiplied and added to, by operations with a number per channel."""
        if value.plain:
            return node
        shape = self._shape(node)
        channels = shape[neuron_axis(shape)]
        if channels > MAX_PARAMS:
            raise ValueError(f"multiplies or adds to {channels:,} channels, more than {MAX_PARAMS:,}")
        scale, shift = (_per_channel(numbers, value, order, shape) for numbers in (value.scale, value.shift))
        if scale is not None and shift is not None and shift.any():
            zeros, ones = (np.broadcast_to(np.float32(number), channels) for number in (0, 1))
            found = self._put("batch-norm", {"channels": channels, "eps": 0.0}, [scale, shift, zeros, ones], node)
            if (scale == 1).all():
                self._shifts[found] = shift
            return found
        if scale is not None and (shift is not None or len(shape) == 2):
            if shift is not None or (scale != 1).any():
                node = self._put("layer-scale", {"channels": channels}, [scale], node)
            if shift is None:
                added = _arranged(value.shift, value, order, shape)
                node = self._put("position-embedding", {"tokens": shape[0], "features": channels}, [added], node)
            return node
        raise ValueError(f"multiplies or adds numbers that differ from place to place of {list(shape)}")

    def _of_image(
        self,
        value: Value,
        op: str,
        fields: dict[str, Any],
        tensors: Sequence[np.ndarray | None],
        *,
        id: str | None = None,
    ) -> Value:
        if len(value.shape) != 3:
            raise ValueError(f"reads {list(value.shape)}, expected an image [channels, height, width]")
        node = self._put(op, fields, tensors, self._arranged(value, value.shape), id=id)
        return Value(node, self._shape(node), value.batched)

    def _of_channels(
        self, value: Value, op: str, fields: dict[str, Any], tensors: Sequence[np.ndarray], *, id: str | None = None
    ) -> Value:
        if value.shape[1:] == (1, 1) and self._is_vector(value):
            shape = value.shape[:1]
        elif len(value.shape) in (1, 3):
            shape = value.shape
        else:
            raise ValueError(f"normalises the first axis of {list(value.shape)}: vectors and images alone")
        return Value(self._put(op, fields, tensors, self._arranged(value, shape), id=id), value.shape, value.batched)


def _references(sources: list[int], place: int, operation: BaseOperation) -> tuple[str, ...]:
    """The names of what is read, as a chain of layers with residual edges is written where it is one."""
    if sources == [place - 1]:
        return ()
    names = [operations.INPUT if source == INPUT else str(source) for source in sources]
    if isinstance(operation, Add) and place - 1 in sources:
        names.insert(0, names.pop(sources.index(place - 1)))
        names[0] = operations.PREVIOUS
    return tuple(names)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def _arranged(numbers: np.ndarray, value: Value, order: np.ndarray | None, shape: Shape) -> np.ndarray:
    """What meets a value, as the places of its node lie."""
    if value.places > MAX_PLACES:
        raise ValueError(f"numbers for each of {value.places:,} places, more than {MAX_PLACES:,}")
    spread = np.broadcast_to(numbers, value.shape).ravel()
    if order is not None:
        spread = spread[np.argsort(order)]
    return spread.reshape(shape)


def _per_channel(numbers: np.ndarray, value: Value, order: np.ndarray | None, shape: Shape) -> np.ndarray | None:
    """One number per channel; None where the places of a channel have different ones."""
    axis = neuron_axis(shape)
    if uniform(numbers):
        return np.broadcast_to(numbers.flat[0], shape[axis])
    rows = np.moveaxis(_arranged(numbers, value, order, shape), axis, 0).reshape(shape[axis], -1)
    same = np.array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape), equal_nan=True)
    return rows[:, 0] if same else None
