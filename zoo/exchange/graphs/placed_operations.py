"""`PlacedOperations`: the operations of a network so far, and values brought to where an operation can read them.

A value may lie elsewhere than row by row, and constants may wait to multiply it or to be added. Whoever reads it has
both done here: by a flatten, by an operation with a number per channel, or by the bias of the layer before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ...networks.architecture import Architecture, Operation
from ...networks.operations import operation as operations
from ...networks.operations.joining import Add
from ...networks.operations.layers import Linear
from ...networks.operations.operation import BaseOperation, Shape, neuron_axis
from ..reading.network_reader import NUMBERED
from ..reading.state_dict_files import MAX_PARAMS
from .values import INPUT, MAX_PLACES, ONE, ZERO, Value, in_order, uniform

_OPERATIONS: TypeAdapter[Any] = TypeAdapter(Operation)


@dataclass
class PlacedOperation:
    """An operation with its tensors, and the shape of what it gives."""

    operation: BaseOperation
    sources: tuple[int, ...]
    arrays: list[np.ndarray]
    shape: Shape


class PlacedOperations:
    """Operations as they come; `finish` leaves out those that the output does not need.

    Attributes:
        input_shape: how the input is read, known from the first operation that reads it.
        input_order: of every place of the input, as it is read, its place in the other framework; None where equal.
    """

    def __init__(self) -> None:
        self.input_shape: Shape | None = None
        self.input_order: np.ndarray | None = None
        self.nodes: list[PlacedOperation] = []
        self._ids: set[str | None] = set()
        self._shifts: dict[int, np.ndarray] = {}  # nodes that only add a number per channel
        self._cuts: dict[tuple[int, bytes], int] = {}  # layers that are parts of others, by those and their features
        self._parameters = 0

    def put(
        self,
        op: str,
        fields: dict[str, Any],
        tensors: Sequence[np.ndarray | None],
        *sources: int,
        id: str | None = None,
    ) -> int:
        """The number of a new operation that reads these. Raises ValueError for tensors that do not fit it."""
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
        shape = operation.output_shape(*map(self.shape, sources))
        self.nodes.append(PlacedOperation(operation, sources, arrays, shape))
        return len(self.nodes) - 1

    def cut(self, node: int, features: np.ndarray) -> tuple[int, np.ndarray]:
        """A layer of some features of a linear one, and what is still to be added to all features of that `[out]`.

        Equal parts of a layer are called by their number. Raises ValueError for an operation that is no linear layer.
        """
        found = self.nodes[node]
        added = np.zeros(found.shape[-1])
        if node in self._shifts and found.sources[0] != INPUT:
            added, node = self._shifts[node], found.sources[0]
            found = self.nodes[node]
        if not isinstance(found.operation, Linear):
            raise ValueError("takes a part of what no linear layer computes")
        key = (node, features.tobytes())
        if key not in self._cuts:
            first, size, whole = int(features[0]), len(features), found.operation.out_features
            equal = not first % size and not whole % size and features[-1] - first == size - 1
            name = f"{found.operation.id}.{first // size}" if equal and found.operation.id else None
            fields = found.operation.model_dump(include={"in_features", "bias"}) | {"out_features": size}
            arrays = [values[features] for values in found.arrays]
            self._cuts[key] = self.put("linear", fields, arrays, *found.sources, id=name)
        return self._cuts[key], added

    def shape(self, node: int) -> Shape:
        """Of what an operation gives, or of the input."""
        return (self.input_shape or ()) if node == INPUT else self.nodes[node].shape

    def is_vector(self, value: Value) -> bool:
        """Whether its operation gives numbers in a row."""
        return len(self.shape(value.node)) == 1

    def order(self, value: Value) -> np.ndarray | None:
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

    def vector(self, value: Value) -> tuple[int, np.ndarray | None]:
        """The node that holds all numbers in a row, and where among them each place lies."""
        self._fixed(value, (value.places,), None)
        order = self.order(value)
        node = value.node if self.is_vector(value) else self.put("flatten", {}, [], value.node)
        flat = None if order is None else order.ravel()
        return self._affine(node, value, flat), flat

    def arranged(self, value: Value, shape: Shape) -> int:
        """The node that holds the numbers in this shape, row by row."""
        self._fixed(value, shape, value.order)
        if len(shape) == 1:
            node, order = self.vector(value)
            if order is None:
                return node
        else:
            node, held, order = value.node, self.shape(value.node), self.order(value)
            if order is not None and len(held) == 3 and len(shape) == 2:
                tokens = np.arange(value.places).reshape(held[0], -1).T
                if np.array_equal(order.ravel(), tokens.ravel()):
                    node, held, order = self.put("to-tokens", {}, [], node), (held[1] * held[2], held[0]), None
            if order is None and held == shape:
                return self._affine(node, value, None)
            if order is None:
                raise ValueError(f"reads a value {list(held)} as {list(shape)}, which no operation does")
        raise ValueError(f"reads a computed value {list(shape)} whose axes changed places")

    def settled(self, value: Value) -> Value:
        """The value with nothing left to multiply or add, however it is arranged."""
        self._fixed(value, value.shape if len(value.shape) == 3 else value.core, value.order)
        if value.plain:
            return value
        order = self.order(value)
        node = self._affine(value.node, value, None if order is None else order.ravel())
        return replace(value, node=node, order=order, scale=ONE, shift=ZERO)

    def applied(self, value: Value) -> Value:
        """The value with what waits applied, where its channels or features are told apart."""
        held = value.shape if value.node == INPUT else self.shape(value.node)
        if value.plain or value.places > MAX_PLACES or len(value.shape) != len(held):
            return value
        if len(held) != 3:
            return value if value.node == INPUT else self.settled(value)
        found = (_per_channel(numbers, value, None, value.shape) for numbers in (value.scale, value.shift))
        return self.settled(value) if all(numbers is not None for numbers in found) else value

    def _affine(self, node: int, value: Value, order: np.ndarray | None) -> int:
        """`node` multiplied and added to, by operations with a number per channel."""
        if value.plain:
            return node
        shape = self.shape(node)
        channels = shape[neuron_axis(shape)]
        if channels > MAX_PARAMS:
            raise ValueError(f"multiplies or adds to {channels:,} channels, more than {MAX_PARAMS:,}")
        scale, shift = (_per_channel(numbers, value, order, shape) for numbers in (value.scale, value.shift))
        if scale is not None and shift is not None and shift.any():
            zeros, ones = (np.broadcast_to(np.float32(number), channels) for number in (0, 1))
            found = self.put("batch-norm", {"channels": channels, "eps": 0.0}, [scale, shift, zeros, ones], node)
            if (scale == 1).all():
                self._shifts[found] = shift
            return found
        if scale is not None and (shift is not None or len(shape) == 2):
            if shift is not None or (scale != 1).any():
                node = self.put("layer-scale", {"channels": channels}, [scale], node)
            if shift is None:
                added = _arranged(value.shift, value, order, shape)
                node = self.put("position-embedding", {"tokens": shape[0], "features": channels}, [added], node)
            return node
        raise ValueError(f"multiplies or adds numbers that differ from place to place of {list(shape)}")

    def per_channel(self, value: Value, numbers: np.ndarray) -> np.ndarray | None:
        """What meets a settled value elementwise, a number per channel; None where a channel has different ones."""
        return _per_channel(numbers, value, self.order(value), self.shape(value.node))

    def finish(self, output: Value) -> tuple[Architecture, np.ndarray]:
        """The architecture that ends with `output`, and its float32 `params [P]`. Raises ValueError."""
        output = self.settled(output)
        if self.order(output) is not None:
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
            node = self.nodes[number]
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
                todo += self.nodes[number].sources
        return needed

    def _merge_biases(self, needed: set[int]) -> None:
        """A shift per channel right after a layer without bias, which nothing else reads, is its bias."""
        readers = Counter(source for number in needed for source in self.nodes[number].sources)
        for number in needed & self._shifts.keys():
            source = self.nodes[number].sources[0]
            layer = self.nodes[source] if source != INPUT else None
            if layer is not None and readers[source] == 1 and getattr(layer.operation, "bias", True) is False:
                biased = layer.operation.model_copy(update={"bias": True})
                arrays = [*layer.arrays, self._shifts[number]]
                self.nodes[number] = PlacedOperation(biased, layer.sources, arrays, layer.shape)


def _references(sources: list[int], place: int, operation: BaseOperation) -> tuple[str, ...]:
    """The names of what is read, as a chain of layers with residual edges is written where it is one."""
    if sources == [place - 1]:
        return ()
    names = [operations.INPUT if source == INPUT else str(source) for source in sources]
    if isinstance(operation, Add) and place - 1 in sources:
        names.insert(0, names.pop(sources.index(place - 1)))
        names[0] = operations.PREVIOUS
    return tuple(names)


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
