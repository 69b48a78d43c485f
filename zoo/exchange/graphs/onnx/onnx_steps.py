"""`Step`: a node of an ONNX graph with its inputs, as operations read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention_scores import Scores, computed
from ..graph_builder import GraphBuilder
from ..values import MAX_PLACES, Value


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
        return computed(self.inputs[number], f"input {number} is a constant, expected a computed value")

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
