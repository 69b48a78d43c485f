"""Plug-ins: a class by built-in name, by path of a file, or by entry point, and the source that tells its versions
apart."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from ...runtime.errors import BadInput, unknown

Base = TypeVar("Base")
PLUGIN = "weightbench_plugin_"  # prefix of the modules of files that are given by path
_sources: WeakKeyDictionary[type, bytes] = WeakKeyDictionary()  # of classes given by path, as they were when loaded


@dataclass(frozen=True)
class PlugInKind(Generic[Base]):
    """What can be plugged in: a method, or a task.

    Arguments:
        what: how messages call it.
        base: what its classes derive from.
        bases: the public names to derive from.
        sets: the class attributes that it cannot do without.
        builtin: gives name -> module of those of the suite.
    """

    what: str
    base: type[Base]
    bases: str
    sets: tuple[str, ...]
    builtin: Callable[[], Mapping[str, str]]

    @property
    def group(self) -> str:
        """Of entry points."""
        return f"weightbench.{self.what}s"

    def names(self) -> list[str]:
        """Built-in ones and installed plug-ins, by name; none is imported."""
        return sorted({*self.builtin(), *(point.name for point in entry_points(group=self.group))})

    def load(self, reference: str) -> type[Base]:
        """The class for a name, or for a path "my_file.py" or "my_file.py:Class". Raises BadInput."""
        path, _, class_name = reference.partition(":")
        if path.endswith(".py"):
            return self._only(self._in_file(Path(path)), path, class_name)
        if module := self.builtin().get(reference):
            return self._only(self._in_module(importlib.import_module(module)), reference, "")
        for point in entry_points(group=self.group, name=reference):
            return self.checked(point.load(), f"entry point {reference!r}")
        raise unknown(self.what, reference, self.names())

    def checked(self, kind: Any, reference: str) -> type[Base]:
        """A class, if it is of this kind and sets what it cannot do without. Raises BadInput."""
        if not (isinstance(kind, type) and issubclass(kind, self.base)):
            raise BadInput(f"{reference} gives {kind!r}, not a weightbench.{self.base.__name__}")
        for attribute in self.sets:
            if not getattr(kind, attribute, None):
                raise BadInput(f"{reference}: class {kind.__name__} sets no `{attribute}`")
        return kind

    def has(self, reference: str) -> bool:
        """Whether a name or path is one of this kind. Raises BadInput for a file that cannot be imported."""
        path, _, class_name = reference.partition(":")
        if not path.endswith(".py"):
            return reference in self.names()
        found = self._in_file(Path(path))
        return class_name in found if class_name else bool(found)

    def is_builtin(self, kind: type) -> bool:
        """Whether a class is the suite's own."""
        return kind.__module__ in self.builtin().values()

    def version_of(self, kind: type) -> Any:
        """The version that a result's identity holds: a built-in one's own, else with its source's checksum.

        So an edited plug-in, whose author need not think of versions, makes other results: "1+0a1b2c3d4e5f".
        """
        own = kind.version  # type: ignore[attr-defined]
        return own if self.is_builtin(kind) else f"{own}+{source_sha256(kind)[:12]}"

    def _in_file(self, path: Path) -> dict[str, type[Base]]:
        """The classes of this kind that a file defines, run anew: it may have been edited."""
        if not path.is_file():
            raise BadInput(f"{path}: no such file")
        path = path.resolve()
        name = f"{PLUGIN}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # annotations are looked up there
        content = path.read_bytes()
        try:
            exec(compile(content, str(path), "exec"), vars(module))
        except Exception as error:
            why = " ".join(str(error).split())
            raise BadInput(f"{path}: cannot be imported: {type(error).__name__}: {why}") from error
        found = self._in_module(module)
        _sources.update(dict.fromkeys(found.values(), content))
        return found

    def _in_module(self, module: Any) -> dict[str, type[Base]]:
        classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, self.base)]
        return {found.__name__: found for found in classes if found.__module__ == module.__name__}

    def _only(self, classes: dict[str, type[Base]], reference: str, class_name: str) -> type[Base]:
        """The only class, or the one of that name. A base without a `name` of its own is not counted."""
        named = {name: value for name, value in classes.items() if hasattr(value, "name")} or classes
        if class_name:
            if class_name not in classes:
                raise unknown(f"{self.what} class in {reference}", class_name, classes)
            chosen = classes[class_name]
        elif len(named) == 1:
            (chosen,) = named.values()
        elif named:
            raise BadInput(
                f"{reference} has several {self.what}s: "
                f"say {reference}:{sorted(named)[0]} or another of {sorted(named)}"
            )
        else:
            raise BadInput(f"{reference} has no subclass of {self.bases}")
        return self.checked(chosen, reference)


def reference_of(kind: type[Base]) -> str | type[Base]:
    """What another process loads a class by: "file.py:Class" for one given by path, else the class itself."""
    if kind.__module__.startswith(PLUGIN):
        return f"{Path(inspect.getfile(kind)).resolve()}:{kind.__name__}"
    return kind


def source_sha256(kind: type) -> str:
    """Checksum of the file that defines a class (of its source text where there is no file)."""
    return hashlib.sha256(source_of(kind)).hexdigest()


def source_of(kind: type) -> bytes:
    """The file that defines a class, as it was when loaded by path (its source text where there is no file)."""
    if kind in _sources:
        return _sources[kind]
    try:
        source = inspect.getsourcefile(kind)
        return Path(source).read_bytes() if source else inspect.getsource(kind).encode()
    except (OSError, TypeError):
        return repr(kind).encode()
