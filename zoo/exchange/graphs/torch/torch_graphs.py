"""`trace_module`: the network that a module of torch computes, traced by `torch.export` in inference mode."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .....runtime.errors import BadInput
from ....networks.architecture import Architecture
from ....networks.networks import Networks
from ...reading.archives import first_line
from ..graph_builder import GraphBuilder
from ..refusals import refused_as
from ..values import INPUT, Batch, Value
from .torch_calls import Call, Operand
from .torch_constants import constants_of
from .torch_operations import OPERATIONS


def trace_module(module: nn.Module, example: Tensor) -> tuple[Architecture, np.ndarray]:
    """Architecture and float32 `params [P]` of a module, whose operations are called like its submodules.

    Arguments:
        example: a batch of inputs `[n, *input_shape]`; their numbers do not matter.

    Raises BadInput that names what of torch cannot be read.
    """
    name = type(module).__name__
    with _in_inference(module):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # Without decompositions this only replaces what changes values in place.
                one = example[:1] if example.ndim > 1 else example
                program = torch.export.export(module, (one,), strict=False).run_decompositions({})
        except Exception as error:  # whatever the module and the tracer raise
            raise BadInput(f"{name}: torch.export cannot trace it ({first_line(error)})") from None
        with refused_as(name):
            trace = _Trace(name, program, one)
            found = trace.translated()
            _compare(module, example, trace.builder.placed.input_order, *found)
    return found


def _compare(
    module: nn.Module, example: Tensor, order: np.ndarray | None, arch: Architecture, params: np.ndarray
) -> None:
    """One input was traced: whether two at once get the same. Raises ValueError for a module that mixes them."""
    shape = (2, *example.shape[1:]) if example.ndim > 1 else example.shape
    generator = torch.Generator().manual_seed(0)
    if example.is_floating_point():
        x = torch.randn(shape, generator=generator).to(example)
    else:
        x = torch.randint(int(example.min()), int(example.max()) + 1, shape, generator=generator).to(example)
    try:
        with torch.no_grad():
            expected = _alone(module(x)).cpu()
    except Exception as error:  # whatever the module raises
        raise ValueError(f"reads one input, but not two at once ({first_line(error)})") from None
    rows = x.cpu().reshape(2 if example.ndim > 1 else 1, -1)
    rows = rows if order is None else rows[:, order.ravel()]
    found = Networks(arch, torch.from_numpy(params)[None]).forward(rows.float().reshape(-1, *arch.input_shape))
    most = SLACK * float(expected.nan_to_num(0, 0, 0).abs().max())
    if expected.numel() != found.numel() or not torch.allclose(
        found.reshape(expected.shape), expected.float(), atol=most, rtol=0, equal_nan=True
    ):
        raise ValueError("computes something else for two inputs than for each: it works across the batch")


def _alone(output: Any) -> Tensor:
    """The tensor that a module gives, also as a tuple or dictionary of one."""
    while not isinstance(output, Tensor):
        (output,) = [found for found in (output.values() if hasattr(output, "values") else output) if found is not None]
    return output


GETITEM = "getitem"
SLACK = 0.01  # between a module's outputs and those of what was read: far more than rounding


def _name(node: Any) -> str:
    """What torch calls a traced function."""
    schema = getattr(node.target, "_schema", None)
    name = str(getattr(node.target, "__name__", node.target)) if schema is None else schema.name
    return str(name.removeprefix("aten::"))


@contextmanager
def _in_inference(module: nn.Module) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


class _Trace:
    """One traced program, node by node."""

    def __init__(self, name: str, program: Any, example: Tensor) -> None:
        self.name, self.program, self.builder = name, program, GraphBuilder()
        self.builder.batch = Batch(1, open=False)
        batched = example.ndim > 1
        self.input = Value(INPUT, tuple(example.shape[batched:]), batched)
        self.known: dict[Any, Operand] = constants_of(program)

    def translated(self) -> tuple[Architecture, np.ndarray]:
        """Every node in turn. Raises ValueError, and BadInput where a node is to blame."""
        nodes = [node for node in self.program.graph.nodes if node not in self.known]
        strangers = {_name(node) for node in nodes if node.op == "call_function"} - {*OPERATIONS, GETITEM}
        if strangers:
            raise ValueError(f"{', '.join(sorted(strangers))}: no network of a zoo has such operations")
        for node in nodes:
            if node.op == "placeholder":
                self.known[node] = self.input
            elif node.op == "call_function":
                self.known[node] = self._called(node)
            elif node.op == "output":
                outputs = [found for found in node.args[0] if found is not None]
                output = self.known.get(outputs[0]) if len(outputs) == 1 else None
                if not isinstance(output, Value):
                    raise ValueError(f"has {len(outputs)} outputs, expected one computed value")
                return self.builder.placed.finish(output)
            else:
                raise ValueError(f"{node.op} {node.target}: no network of a zoo has such operations")
        raise ValueError("has no output")

    def _called(self, node: Any) -> Operand:
        if node.target is operator.getitem:
            several = self.known[node.args[0]]
            if isinstance(several, list):
                return several[node.args[1]]
            if node.args[1] == 0:  # of normalisations, which also give statistics
                return several
        op = _name(node)
        if op == GETITEM:
            raise ValueError(f"{op} {node.name}: takes more than the first of several results")
        arguments: dict[str, Operand] = {}
        for number, argument in enumerate(node.target._schema.arguments):
            named = node.kwargs.get(argument.name, argument.default_value if argument.has_default_value() else None)
            given = node.args[number] if number < len(node.args) else named
            arguments[argument.name] = torch.fx.node.map_arg(given, lambda found: self.known[found])
        shape = tuple(node.meta["val"].shape) if isinstance(node.meta.get("val"), Tensor) else ()
        with refused_as(f"{self.name}: {op} ({node.name})"):
            return OPERATIONS[op](Call(self.builder, arguments, shape))
