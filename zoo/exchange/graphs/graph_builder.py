"""`GraphBuilder`: an architecture and its parameters, operation by operation from another framework's graph.

What does not fit raises ValueError in one line; whoever knows the file and the node puts their names before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ...networks.operations.operation import Shape, neuron_axis
from .placed_operations import PlacedOperations
from .values import INPUT, ONE, ZERO, Batch, Value, in_order, uniform


class GraphBuilder:
    """What another framework's operations are here, one method for each.

    Attributes:
        batch: the first axis of values that have one.
        batch_moved: whether its places change, so that only what is computed for one input is known.
        placed: the operations so far.
    """

    def __init__(self) -> None:
        self.batch = Batch(1, open=False)
        self.batch_moved = False
        self.placed = PlacedOperations()

    def linear(self, value: Value, weight: np.ndarray, bias: np.ndarray | None, *, id: str | None = None) -> Value:
        """Weight `[out, in]` on the last axis: of a vector, or of each token."""
        if weight.ndim != 2 or value.shape[-1:] != weight.shape[1:]:
            raise ValueError(f"a weight {list(weight.shape[::-1])} does not fit a value {list(value.shape)}")
        rows = value.rows
        node, order = self.placed.vector(value) if len(rows) == 1 else (self.placed.arranged(value, rows), None)
        if order is not None:
            weight = weight[:, np.argsort(order)]
        fields = {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": bias is not None}
        node = self.placed.put("linear", fields, [weight, bias], node, id=id)
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
        if (
            value.shape[1:] == weight.shape[2:] == (1, 1)
            and groups == 1
            and not padding
            and self.placed.is_vector(value)
        ):
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
        node = self.placed.put("global-avg-pool2d", {}, [], self.placed.arranged(value, value.shape))
        return Value(node, (value.shape[0], 1, 1), value.batched)

    def batch_norm(self, value: Value, tensors: Sequence[np.ndarray], eps: float, *, id: str | None = None) -> Value:
        """Weight, bias, mean and variance `[channels]` of the first axis, of `[features, tokens]` too."""
        if len(value.shape) == 2 and value.shape[1] > 1:
            tokens = value.transposed((1, 0))
            fields = {"channels": tensors[0].size, "eps": eps}
            node = self.placed.put("batch-norm", fields, tensors, self.placed.arranged(tokens, tokens.shape), id=id)
            return Value(node, tokens.shape, value.batched).transposed((1, 0))
        return self._of_channels(value, "batch-norm", {"channels": tensors[0].size, "eps": eps}, tensors, id=id)

    def group_norm(
        self, value: Value, tensors: Sequence[np.ndarray], groups: int, eps: float, *, id: str | None = None
    ) -> Value:
        """Weight and bias `[channels]`."""
        fields = {"channels": tensors[0].size, "eps": eps, "groups": groups}
        return self._of_channels(value, "group-norm", fields, tensors, id=id)

    def layer_norm(self, value: Value, tensors: Sequence[np.ndarray], eps: float, *, id: str | None = None) -> Value:
        """Weight and bias of the last axis: of a vector, or of each token."""
        if len(value.rows) > 2:
            raise ValueError(f"normalises the last axis of {list(value.shape)}: vectors and tokens alone")
        fields = {"channels": tensors[0].size, "eps": eps}
        node = self.placed.put("layer-norm", fields, tensors, self.placed.arranged(value, value.rows), id=id)
        return Value(node, value.shape, value.batched)

    def softmax(self, value: Value, axis: int, *, log: bool = False) -> Value:
        """Over the features of a vector or of each token, or the channels of an image; `axis` without the batch."""
        if value.shape[1:] == (1, 1) and self.placed.is_vector(value):
            core, start = value.shape[:1], 0
        else:
            core, start = value.core, len(value.shape) - len(value.core)
        if axis % len(value.shape) != start + neuron_axis(core):
            raise ValueError(f"axis {axis} of {list(value.shape)} is not that of features or channels")
        node = self.placed.put("softmax", {"log": log}, [], self.placed.arranged(value, core))
        return Value(node, value.shape, value.batched)

    def activation(self, value: Value, name: str, **fields: Any) -> Value:
        """An elementwise function; a sine takes the factor before it as its frequency."""
        if name == "sine" and uniform(value.scale) and not value.shift.any():
            fields["omega_0"] = float(value.scale.flat[0])
            value = replace(value, scale=ONE, shift=ZERO)
        value = self.placed.settled(value)
        node = self.placed.put("activation", {"name": name, **fields}, [], value.node)
        return replace(value, node=node, order=self.placed.order(value))

    def prelu(self, value: Value, slopes: np.ndarray, *, id: str | None = None) -> Value:
        """A leaky ReLU; slopes meet the value elementwise. Raises ValueError unless a channel has one."""
        value = self.placed.settled(value)
        found = self.placed.per_channel(value, slopes)
        if found is None:
            raise ValueError(f"has slopes that differ from place to place of {list(value.shape)}")
        node = self.placed.put("prelu", {"channels": found.size}, [found], value.node, id=id)
        return replace(value, node=node, order=self.placed.order(value))

    def add(self, a: Value, b: Value) -> Value:
        """The sum of two values of one shape."""
        if a.shape != b.shape:
            raise ValueError(f"computed values {list(a.shape)} and {list(b.shape)}: expected one shape")
        a, b = self.placed.settled(a), self.placed.settled(b)
        order = self.placed.order(a)
        if self.placed.shape(a.node) != self.placed.shape(b.node) or not _same(order, self.placed.order(b)):
            a, b = (replace(v, node=self.placed.arranged(v, (v.places,))) for v in (a, b))
            order = None
        return replace(a, node=self.placed.put("add", {}, [], a.node, b.node), order=order)

    def gated(self, a: Value, b: Value) -> Value:
        """The product of two values, where it is x * sigmoid(x)."""
        for x, gate in ((a, b), (b, a)):
            node = self.placed.nodes[gate.node] if gate.node != INPUT else None
            name = getattr(node.operation, "name", None) if node else None
            plain = node and name == "sigmoid" and gate.plain and x.plain
            if plain and node and node.sources == (x.node,) and _same(self.placed.order(x), gate.order):
                return self.activation(x, "silu")
        raise ValueError("multiplies two computed values")

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Channels of images, or features, side by side; `axis` without the batch."""
        first, axis = values[0], axis % len(values[0].shape)
        if any(len(v.shape) != len(first.shape) for v in values):
            raise ValueError(f"joins {', '.join(str(list(v.shape)) for v in values)}: expected equally many axes")
        if axis == 0 and all(v.shape[1:] == (1,) * (len(v.shape) - 1) and self.placed.is_vector(v) for v in values):
            shapes: list[Shape] = [v.shape[:1] for v in values]
        else:
            shapes = [v.core for v in values]
            if axis != len(first.shape) - len(shapes[0]) + neuron_axis(shapes[0]):
                raise ValueError(f"joins along axis {axis} of {list(first.shape)}, not along features or channels")
        node = self.placed.put("concat", {}, [], *map(self.placed.arranged, values, shapes))
        joined = sum(v.shape[axis] for v in values)
        return Value(node, (*first.shape[:axis], joined, *first.shape[axis + 1 :]), first.batched)

    def embedding(self, value: Value, weight: np.ndarray, *, id: str | None = None) -> Value:
        """A row of weight `[vocabulary, features]` for each of the network's inputs."""
        if value.node != INPUT or not value.plain or len(value.core) != 1:
            raise ValueError("looks up rows by something else than the network's input")
        fields = {"vocabulary": weight.shape[0], "features": weight.shape[1]}
        node = self.placed.put("embedding", fields, [weight], self.placed.arranged(value, value.core), id=id)
        return Value(node, (*value.shape, weight.shape[1]), value.batched)

    def take_token(self, value: Value, token: int) -> Value:
        """One token's features `[features]` of `[tokens, features]`."""
        if len(value.shape) != 2:
            raise ValueError(f"takes a part of {list(value.shape)}: of tokens alone")
        node = self.placed.put(
            "take-token", {"token": token % value.shape[0]}, [], self.placed.arranged(value, value.shape)
        )
        return Value(node, value.shape[1:], value.batched)

    def part(self, value: Value, axis: int, places: slice | int) -> Value:
        """Some places of an axis, without the batch: a token, or a part of the features that a linear layer computes.

        Queries, keys and values are often computed by one layer, side by side: of that layer a part is made.
        """
        if places == slice(0, value.shape[axis], 1):
            return value
        held = (*value.shape,) if value.node == INPUT else self.placed.shape(value.node)
        if isinstance(places, int) and axis == 0 and len(value.shape) == 2 and (len(held) == 3 or held == value.shape):
            return self.take_token(value, places)
        at = (slice(None),) * axis + (places,)
        order = value.listed()[at]
        scale, shift = (np.broadcast_to(numbers, value.shape)[at] for numbers in (value.scale, value.shift))
        features = np.unique(order % held[-1])
        if value.node == INPUT or len(held) > 2 or order.size * held[-1] != value.places * len(features):
            raise ValueError(f"takes a part of {list(value.shape)}: of a linear layer's features, or one token alone")
        node, added = self.placed.cut(value.node, features)
        shift = scale * added[order % held[-1]] + shift
        order = order // held[-1] * len(features) + np.searchsorted(features, order % held[-1])
        return self._fronted(Value(node, order.shape, value.batched, in_order(order), scale, shift))

    def mean_tokens(self, value: Value) -> Value:
        """The mean over the tokens, `[features]` of `[tokens, features]`."""
        node = self.placed.put("mean-tokens", {}, [], self.placed.arranged(value, value.shape))
        return Value(node, value.shape[1:], value.batched)

    def class_token(self, value: Value, weight: np.ndarray) -> Value:
        """A learned token `[1, features]` before the others; `[n, 1, features]` where it is that of all inputs."""
        weight = weight[0] if weight.ndim == 3 and uniform(weight - weight[:1]) else weight
        if len(value.shape) != 2 or weight.shape != (1, value.shape[1]):
            raise ValueError(f"joins a constant to {list(value.shape)}: expected one token before others")
        fields = {"features": weight.size}
        node = self.placed.put("class-token", fields, [weight.reshape(-1)], self.placed.arranged(value, value.shape))
        return Value(node, (value.shape[0] + 1, value.shape[1]), value.batched)

    def attention(self, queries: Value, keys: Value, values: Value, *, causal: bool = False) -> Value:
        """Of `[heads, tokens, features]` each, as heads are split off tokens; or of one head, without that axis."""
        ranks = {len(value.shape) for value in (queries, keys, values)}
        if ranks not in ({2}, {3}) or len({value.shape[:-2] for value in (queries, keys, values)}) > 1:
            raise ValueError(f"attends to {list(keys.shape)}: expected [heads, tokens, features], as of the queries")
        shape = (*queries.shape[:-1], values.shape[-1])
        places = []
        for value in (queries, keys, values):
            heads, tokens, features = value.shape if len(value.shape) == 3 else (1, *value.shape)
            joined = value.reshaped((heads, tokens, features), value.batched).transposed((1, 0, 2))
            joined = joined.reshaped((tokens, heads * features), value.batched)
            places.append(self.placed.arranged(joined, joined.shape))
        node = self.placed.put("attention", {"heads": heads, "causal": causal}, [], *places)
        split = Value(node, (shape[-2], heads, shape[-1]), queries.batched)
        return split.transposed((1, 0, 2)).reshaped(shape, queries.batched)

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
        value = self.placed.applied(value)
        if value.batched and target and target[0] == self.batch.size:
            return value.reshaped(tuple(target[1:]))
        joined = len(value.shape) > 1 and tuple(target) == value.shape  # the batch with the axis after it, as a whole
        if value.batched and (self.batch.size != 1 or (self.batch.open and not joined)):
            raise ValueError(f"reshapes {list(self.full(value))} to {list(target)}, across the inputs of a batch")
        self.batch_moved |= value.batched
        return self._fronted(value.reshaped(tuple(target), batched=False))

    def moved(self, value: Value, axes: Sequence[int]) -> Value:
        """The axes of the full shape in another order."""
        if sorted(axes) != list(range(len(self.full(value)))):
            raise ValueError(f"puts the axes of {list(self.full(value))} into the order {list(axes)}")
        if value.batched and axes[0] == 0:
            return value.transposed(tuple(axis - 1 for axis in axes[1:]))
        if self.batch.size != 1:
            raise ValueError("moves the batch axis: export the network for one input")
        self.batch_moved = True
        whole = value.reshaped(self.full(value), batched=False)
        return self._fronted(whole.transposed(tuple(axes)))

    def _fronted(self, value: Value) -> Value:
        """With the batch axis, where it is one input's and comes first."""
        alone = not value.batched and self.batch.size == 1 and len(value.shape) > 1 and value.shape[0] == 1
        return value.reshaped(value.shape[1:]) if alone else value

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
        node = self.placed.put(op, fields, tensors, self.placed.arranged(value, value.shape), id=id)
        return Value(node, self.placed.shape(node), value.batched)

    def _of_channels(
        self, value: Value, op: str, fields: dict[str, Any], tensors: Sequence[np.ndarray], *, id: str | None = None
    ) -> Value:
        if value.shape[1:] == (1, 1) and self.placed.is_vector(value):
            shape = value.shape[:1]
        elif len(value.shape) in (1, 3):
            shape = value.shape
        else:
            raise ValueError(f"normalises the first axis of {list(value.shape)}: vectors and images alone")
        return Value(
            self.placed.put(op, fields, tensors, self.placed.arranged(value, shape), id=id), value.shape, value.batched
        )


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
