"""Tasks that can test a method on a second zoo too: other images, other data, the same architecture."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ...runtime.errors import BadInput
from ...zoo.load_zoo import ZooReference, load_zoo
from ...zoo.storage.zoo import Zoo
from ..records.result import Options
from ..records.zoo_identity import ZooIdentity, is_identity
from .learned_task import LearnedTask


class SecondZooTask(LearnedTask):
    """The base of tasks with the option `also`.

    What is stored about the second zoo has its name at the end, "pixels.fashion-mnist-inrs", and its score too.
    """

    def __init__(self, zoo: Zoo, options: Options | None = None, other: Zoo | None = None) -> None:
        self._other = other
        super().__init__(zoo, options)

    def __reduce__(self) -> tuple[Any, ...]:
        restore, arguments = super().__reduce__()
        return restore, (*arguments, *([ZooReference.of(self._other)] if self._other else []))

    def _also(self, given: str | None) -> str | None:
        if given is None or is_identity(given):
            return given
        self._other = load_zoo(given)
        return _identity(self._other)

    @cached_property
    def elsewhere(self) -> SecondZooTask | None:
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
        """Open the second zoo. Raises BadInput where it is not on this machine, or holds other networks."""
        self.elsewhere  # noqa: B018  # raises where it is not there


def _identity(zoo: Zoo) -> str:
    return str(ZooIdentity(zoo.name, zoo.version, zoo.manifest.recipe_sha256))
