"""Finding a method: by built-in name, by path of a file, or by entry point; the same class each time."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ...runtime.errors import BadInput, unknown
from .builtin import builtin_methods
from .method import Method

ENTRY_POINTS = "weightbench.methods"
PLUGIN = "weightbench_plugin_"  # prefix of the modules of methods that are given by path


def method_names() -> list[str]:
    """Built-in methods and installed plug-ins, by name; no method is imported."""
    return sorted({*builtin_methods(), *(point.name for point in entry_points(group=ENTRY_POINTS))})


def load_class(reference: str) -> type[Method]:
    """The class for a name, or for a path "my_method.py" or "my_method.py:Class". Raises BadInput."""
    path, _, class_name = reference.partition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), class_name)
    if module := builtin_methods().get(reference):
        return _only_method(importlib.import_module(module), reference, "")
    for point in entry_points(group=ENTRY_POINTS, name=reference):
        found = point.load()
        if isinstance(found, type) and issubclass(found, Method):
            return found
        raise BadInput(f"entry point {reference!r} gives {found!r}, not a weightbench.Method")
    raise unknown("method", reference, method_names())


def load_method(reference: str | type[Method] | Method, params: Mapping[str, Any] | None = None) -> Method:
    """An instance, its hyperparameters checked. Raises BadInput for unknown ones and wrong types."""
    if isinstance(reference, Method):
        return reference
    found = load_class(reference) if isinstance(reference, str) else reference
    method: Method = found(**(params or {}))
    return method


def reference_of(method: type[Method]) -> str | type[Method]:
    """What another process loads the class by: "file.py:Class" for one given by path, else the class itself."""
    if method.__module__.startswith(PLUGIN):
        return f"{Path(inspect.getfile(method)).resolve()}:{method.__name__}"
    return method


def source_sha256(method: type[Method]) -> str:
    """Checksum of the file that defines a method (of its source text where there is no file)."""
    return hashlib.sha256(source_of(method)).hexdigest()


def source_of(method: type[Method]) -> bytes:
    """The file that defines a method (its source text where there is no file)."""
    try:
        source = inspect.getsourcefile(method)
        return Path(source).read_bytes() if source else inspect.getsource(method).encode()
    except (OSError, TypeError):
        return repr(method).encode()


def is_builtin(method: type[Method]) -> bool:
    """Whether a class is the suite's own."""
    return method.__module__ in builtin_methods().values()


def version_of(method: type[Method]) -> str:
    """The version that a result's identity holds: a built-in method's own, for any other with its source's checksum.

    So an edited plug-in, whose author need not think of versions, makes other results: "1+0a1b2c3d4e5f".
    """
    if is_builtin(method):
        return method.version
    return f"{method.version}+{source_sha256(method)[:12]}"


def _from_file(path: Path, class_name: str) -> type[Method]:
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    name = f"{PLUGIN}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    return _only_method(module, str(path), class_name)


def _only_method(module: Any, reference: str, class_name: str) -> type[Method]:
    """The class that a module defines, or the one of its name. A base without a `name` of its own is no method."""
    classes = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    }
    named = {name: value for name, value in classes.items() if hasattr(value, "name")} or classes
    if class_name:
        if class_name not in classes:
            raise unknown(f"method class in {reference}", class_name, classes)
        chosen = classes[class_name]
    elif len(named) == 1:
        (chosen,) = named.values()
    elif named:
        raise BadInput(
            f"{reference} has several methods: say {reference}:{sorted(named)[0]} or another of {sorted(named)}"
        )
    else:
        raise BadInput(f"{reference} has no subclass of weightbench.Method or NeuralMethod")
    for attribute in ("name", "tasks"):
        if not getattr(chosen, attribute, None):
            raise BadInput(f"{reference}: class {chosen.__name__} sets no `{attribute}`")
    return chosen
