"""`Call`: a call of torch, as `torch.export` traces it, with its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reading.network_reader import NUMBERED
from ..attention_scores import Scores, computed
from ..graph_builder import GraphBuilder
from ..values import Value


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
        return computed(self.arguments[name], f"its {name} is no computed value")

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
        if isinstance(operand, Value | Scores):
            raise ValueError("meets a second computed value, expected a parameter or number")
        found = np.asarray(operand.values if isinstance(operand, Parameter) else operand, np.float64)
        return found[0] if value.batched and found.ndim == len(value.shape) + 1 and len(found) == 1 else found
