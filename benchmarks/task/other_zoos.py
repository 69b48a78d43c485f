"""Tasks that can test a method on other zoos too: other images, other data, other architectures."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ...runtime.errors import BadInput
from ...zoo.load_zoo import ZooReference, load_zoo
from ...zoo.networks.architecture import Architecture
from ...zoo.storage.split_policies.cross_fitting import CROSS_FITTED
from ...zoo.storage.zoo import Zoo
from ..records.result import Options
from ..records.zoo_identity import ZooIdentity, is_identity
from .learned_task import LearnedTask

FITTED_OFTEN = (CROSS_FITTED, "within-run")  # with a fit for each fold, or a regression for each run


class OtherZoosTask(LearnedTask):
    """The base of tasks with the option `also`.

    What is stored about another zoo has its name at the end, "pixels.fashion-mnist-inrs", and its score too.
    """

    def __init__(self, zoo: Zoo, options: Options | None = None, *others: Zoo) -> None:
        self._others = {_identity(other): other for other in others}
        super().__init__(zoo, options)

    def __reduce__(self) -> tuple[Any, ...]:
        restore, arguments = super().__reduce__()
        others = [ZooReference.of(zoo) for zoo in self._others.values()]
        return restore, (*arguments, *others)

    def _also(self, given: str | None) -> str | None:
        found = dict.fromkeys(self._identified(name) for name in (given or "").split(",") if name)
        found.pop(_identity(self.zoo), None)  # so that one list can stand beside each of several zoos
        if found and self.zoo.policy in FITTED_OFTEN:
            raise BadInput(f"split {self.zoo.policy} is of one zoo, with several fits: leave it or --also out")
        names = [name.partition("@")[0] for name in found]
        if len(set(names)) < len(names):
            raise BadInput(f"--also names two zoos of one name, {given!r}: leave one out")
        return ",".join(found) or None

    def _identified(self, name: str) -> str:
        """The identity of a zoo, which is opened where that needs it."""
        if is_identity(name):
            return name
        zoo = load_zoo(name)
        self._others[_identity(zoo)] = zoo
        return _identity(zoo)

    @cached_property
    def elsewhere(self) -> list[OtherZoosTask]:
        """The same task on the other zoos, which no method has seen."""
        return [self._on(name) for name in self.options.others]

    def _on(self, name: str) -> OtherZoosTask:
        zoo = self._others.get(name) or load_zoo(name.partition("@")[0])
        if _identity(zoo) != name:
            raise BadInput(f"{name} is asked for, but this machine has {_identity(zoo)}")
        self._accept(zoo)
        return type(self)(zoo, Options(target=self.options.target, protocol=self.options.protocol))

    def _accept(self, zoo: Zoo) -> None:
        """Raises BadInput for a zoo about which a method that was fitted on this one cannot be asked."""

    @property
    def architectures(self) -> list[Architecture]:
        """Of the networks of all zoos."""
        found = list(super().architectures)
        for task in self.elsewhere:
            found += [arch for arch in task.architectures if arch not in found]
        return found

    def ready(self) -> None:
        """Open the other zoos. Raises BadInput where one is not on this machine, or holds other networks."""
        self.elsewhere  # noqa: B018  # raises where it is not there


def _identity(zoo: Zoo) -> str:
    return str(ZooIdentity(zoo.name, zoo.version, zoo.manifest.recipe_sha256))
