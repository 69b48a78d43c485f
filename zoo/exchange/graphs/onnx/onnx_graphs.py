"""`read_onnx`: the network of an ONNX file, operation by operation. Nothing in the file is run."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from ....networks.architecture import Architecture
from ...reading.state_dict_files import MAX_PARAMS
from ..attention_scores import Scores
from ..graph_builder import GraphBuilder
from ..refusals import refused_as
from ..values import INPUT, Batch, Value
from .onnx_constants import FOLDS, folded, shape_of
from .onnx_files import onnx_package, read_model, read_tensor
from .onnx_operations import OPERATIONS
from .onnx_steps import Gate, Operand, Step

STANDARD_DOMAINS = ("", "ai.onnx")
LEAST_OPSET = 7  # broadcasting as numpy's since then
FLOAT, INT32, INT64, FLOAT16, DOUBLE = 1, 6, 7, 10, 11  # of an input


def read_onnx(path: Path, notes: dict[str, None]) -> tuple[Architecture, np.ndarray]:
    """Architecture and float32 `params [P]` of a file; what had to be assumed goes to `notes`.

    Raises BadInput that names the file and, by its name, the operation that cannot be read.
    """
    graph = _OnnxGraph(path, notes)
    with refused_as(str(path)):
        arch, params = graph.translated()
    if graph.builder.placed.input_order is not None:
        shape = list(arch.input_shape)
        notes[f"inputs are read as {shape}, their axes in another order than in the files"] = None
    if graph.builder.batch.open and graph.builder.batch_moved:
        notes["files move the batch axis: what they compute for one input was read"] = None
    return arch, params


class _OnnxGraph:
    """One file: its tensors, read when a node needs them, and its nodes in an order in which they can be computed."""

    def __init__(self, path: Path, notes: dict[str, None]) -> None:
        self.path, self.notes, self.builder = path, notes, GraphBuilder()
        model = read_model(path)
        self.graph = model.graph
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), 0)
        self.known: dict[str, Operand] = {"": None}
        self.numbers = 0

    def translated(self) -> tuple[Architecture, np.ndarray]:
        """Everything that the output needs. Raises ValueError, and BadInput where a node is to blame."""
        nodes = self._sorted()
        self._refuse(nodes)
        if self.opset < LEAST_OPSET:
            raise ValueError(f"has operations of version {self.opset}, expected {LEAST_OPSET} or later")
        stored = {tensor.name: tensor for tensor in self.graph.initializer}
        if len(self.graph.output) != 1:
            names = ", ".join(output.name for output in self.graph.output)
            raise ValueError(
                f"has {len(self.graph.output)} outputs ({names}), expected one: export the one that counts"
            )
        self.builder.batch = self._input([entry for entry in self.graph.input if entry.name not in stored])
        for node in nodes:
            for name in node.input:
                if name not in self.known:
                    if name not in stored:
                        raise ValueError(f"{_called(node)}: reads {name}, which nothing computes")
                    self.known[name] = self._tensor(stored[name])
            with refused_as(f"{self.path}: {_called(node)}"):
                found = self._computed(node)
            several = found if isinstance(found, list) else [found]
            self.known |= {name: value for name, value in zip(node.output, several, strict=False) if name}
        output = self.known.get(self.graph.output[0].name)
        if not isinstance(output, Value):
            raise ValueError(f"its output {self.graph.output[0].name} is not computed from its input")
        return self.builder.placed.finish(output)

    def _computed(self, node: Any) -> Operand | list[Value]:
        inputs = [self.known[name] for name in node.input]
        attributes = {entry.name: self._attribute(entry) for entry in node.attribute}
        if node.op_type == "Constant":
            return self._constant(attributes)
        if node.op_type == "Shape" and isinstance(inputs[0], Value):
            return shape_of(self.builder.full(inputs[0]), attributes)
        if not any(isinstance(operand, Value | Gate | Scores) for operand in inputs):
            return self._counted(folded(node.op_type, [x for x in inputs if isinstance(x, np.ndarray)], attributes))
        if node.op_type not in OPERATIONS:
            raise ValueError("reads a computed value, which no network of a zoo does")
        return OPERATIONS[node.op_type](Step(self.builder, inputs, attributes, self.opset, len(node.output)))

    def _constant(self, attributes: dict[str, Any]) -> np.ndarray:
        for name, dtype in (("value_float", np.float32), ("value_int", np.int64)):
            for key in (name, f"{name}s"):
                if key in attributes:
                    return np.asarray(attributes[key], dtype)
        value = attributes.get("value")
        if not isinstance(value, np.ndarray):
            raise ValueError("holds neither numbers nor a dense tensor")
        return value

    def _attribute(self, entry: Any) -> Any:
        onnx = onnx_package()
        if entry.type == onnx.AttributeProto.TENSOR:
            return self._tensor(entry.t)
        value = onnx.helper.get_attribute_value(entry)
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def _tensor(self, tensor: Any) -> np.ndarray:
        found = self._counted(read_tensor(tensor, self.path))
        if found.dtype.kind == "f" and found.dtype != np.float32 and found.size > 1:
            self.notes[f"{found.dtype} weights were cast to float32"] = None
        return found

    def _counted(self, values: np.ndarray) -> np.ndarray:
        """Constants of one file hold so much at most, taken together."""
        self.numbers += values.size if values.base is None else 0
        if self.numbers > 2 * MAX_PARAMS:
            raise ValueError(f"its constants have more than {2 * MAX_PARAMS:,} numbers")
        return values

    def _input(self, entries: list[Any]) -> Batch:
        if len(entries) != 1:
            names = ", ".join(entry.name for entry in entries)
            raise ValueError(f"has {len(entries)} inputs ({names}), expected one")
        (entry,) = entries
        kind = entry.type.tensor_type
        if kind.elem_type not in (FLOAT, INT32, INT64, FLOAT16, DOUBLE) or not kind.HasField("shape"):
            raise ValueError(f"its input {entry.name} is no tensor of numbers with a shape")
        sizes = [axis.dim_value if axis.HasField("dim_value") else None for axis in kind.shape.dim]
        for number, size in enumerate(sizes):
            if (size is None and (number or len(sizes) == 1)) or (size is not None and size < 1):
                said = kind.shape.dim[number].dim_param or size or "open"
                raise ValueError(
                    f"its input {entry.name} has a dynamic shape, axis {number} is {said}: fix all but the batch axis"
                )
        batched = len(sizes) > 1
        shape = tuple(size for size in sizes[batched:] if size is not None)
        self.known[entry.name] = Value(INPUT, shape, batched)
        return Batch(sizes[0] or 1 if batched else 1, batched and sizes[0] is None)

    def _sorted(self) -> list[Any]:
        """The nodes that the output needs, each after those that it reads. Raises ValueError for a cycle."""
        made: dict[str, int] = {}
        for number, node in enumerate(self.graph.node):
            for name in node.output:
                if name in made:
                    raise ValueError(f"{name} is computed twice")
                if name:
                    made[name] = number
        needed: dict[int, list[int]] = {}
        todo = [made[output.name] for output in self.graph.output if output.name in made]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed[number] = [made[name] for name in self.graph.node[number].input if name in made]
                todo += needed[number]
        try:
            order = list(TopologicalSorter(dict(sorted(needed.items()))).static_order())
        except CycleError as error:
            names = ", ".join(_called(self.graph.node[number]) for number in error.args[1][:3])
            raise ValueError(f"its operations read each other in a circle: {names}") from None
        return [self.graph.node[number] for number in order]

    def _refuse(self, nodes: list[Any]) -> None:
        """Name what no network of a zoo has, before anything is read."""
        onnx = onnx_package()
        for node in nodes:
            if any(entry.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for entry in node.attribute):
                raise ValueError(f"{_called(node)} is control flow: export the network without it")
            if node.domain not in STANDARD_DOMAINS:
                raise ValueError(f"{node.domain}.{node.op_type} is a custom operator, which is not run")
        known = {*OPERATIONS, *FOLDS, "Constant", "Shape"}
        strangers = sorted({node.op_type for node in nodes if node.op_type not in known})
        if strangers:
            raise ValueError(f"{', '.join(strangers)}: no network of a zoo has such operations")


def _called(node: Any) -> str:
    return f"{node.op_type} {node.name or ', '.join(node.output)}".strip()
