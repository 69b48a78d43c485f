"""Tasks that can test a method on a second zoo too: other images, other data, the same architecture."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ...runtime.errors import BadInput
from ...zoo.load_zoo import ZooReference, load_zoo
from ...zoo.storage.zoo import Zoo
from ..records.evidence import IDENTITY, identity
from ..records.result import Options
from .task import Task


class OutOfDomain(Task):
    """The base of tasks with the option `also`.

    What is stored about the second zoo has its name at the end, "squared_error.fashion-mnist-inrs"; the task's scorer
    gives its scores such names as well.
    """

    def __init__(self, zoo: Zoo, options: Options | None = None, other: Zoo | None = None) -> None:
        self._other = other
        super().__init__(zoo, options)

    def __reduce__(self) -> tuple[Any, ...]:
        restore, arguments = super().__reduce__()
        return restore, (*arguments, *([ZooReference.of(self._other)] if self._other else []))

    def _also(self, asked: str | None) -> str | None:
        if asked is None or IDENTITY.fullmatch(asked):
            return asked
        self._other = load_zoo(asked)
        return _identity(self._other)

    @cached_property
    def elsewhere(self) -> Task | None:
        """The same task on a zoo that no method has seen."""
        if self.options.also is None:
            return None
        zoo = self._other or load_zoo(self.options.also.partition("@")[0])
        if _identity(zoo) != self.options.also:
            raise BadInput(f"{self.options.also} is asked for, but this machine has {_identity(zoo)}")
        if zoo.architectures != self.architectures:
            shown = ", ".join(map(str, zoo.architectures))
            raise BadInput(f"zoo {zoo.name} holds {shown}, not {self.architectures[0]} as zoo {self.zoo.name}")
        return type(self)(zoo)

    def ready(self) -> None:
        self.elsewhere  # noqa: B018  # raises where it is not there


def _identity(zoo: Zoo) -> str:
    return identity(zoo.name, zoo.version, zoo.manifest.recipe_sha256)
