"""Finding a method: by built-in name, by path of a file, or by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .builtin import builtin_methods
from .method import Method
from .plug_in import PlugInKind

METHODS = PlugInKind("method", Method, "weightbench.Method or NeuralMethod", ("name", "tasks"), builtin_methods)


def method_names() -> list[str]:
    """Built-in methods and installed plug-ins, by name; no method is imported."""
    return METHODS.names()


def load_class(reference: str) -> type[Method]:
    """The class for a name, or for a path "my_method.py" or "my_method.py:Class". Raises BadInput."""
    return METHODS.load(reference)


def load_method(reference: str | type[Method] | Method, params: Mapping[str, Any] | None = None) -> Method:
    """An instance, its hyperparameters checked. Raises BadInput for unknown ones and wrong types."""
    if isinstance(reference, Method):
        return reference
    found = load_class(reference) if isinstance(reference, str) else reference
    method: Method = found(**(params or {}))
    return method
