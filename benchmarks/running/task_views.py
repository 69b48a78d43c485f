"""A task as `fit` sees it: never the test split, and no targets where the method is to learn without."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NoReturn

from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..task.learned_task import LearnedTask
from ..task.task import Task


class BadOutput(RuntimeError):
    """A method broke the contract."""


class Sealed:
    """What `TaskView` lists of a task, without the test split."""

    def __init__(self, task: LearnedTask) -> None:
        self._task = task
        self.name, self.output, self.output_dim = task.name, task.output, task.output_dim
        self.metric, self.higher_is_better = task.metric, task.higher_is_better
        self.inputs_may_move = task.inputs_may_move
        self.architectures: list[Architecture] = task.architectures
        self.splits: dict[str, Split] = {name: split for name, split in task.splits.items() if name != "test"}

    def __reduce__(self) -> tuple[Any, ...]:
        """A method may keep its task: the copy has the same networks, read again."""
        return Sealed, (self._task,)

    def targets(self, split: Split) -> Tensor:
        """The targets of train or val. Raises BadOutput for those of another split."""
        if split.name not in self.splits:
            raise BadOutput(f"fit asks for the targets of the {split.name} split: learn from train, choose on val")
        return self._task.targets(split)

    def observe(self, output: Any) -> Tensor:
        """As the task does."""
        return self._task.observe(output)

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """As the task does."""
        return self._task.loss(output, targets)

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """As the task does."""
        return self._task.quality(observed, targets)

    def render(self, networks: Networks) -> Tensor:
        """As the task does."""
        return self._task.render(networks)

    @property
    def coordinates(self) -> Tensor:
        """Those of the task."""
        return self._task.coordinates


class Unlabelled:
    """The same for a method that is fitted without targets: networks, and of each only which it is."""

    output: Literal["embeddings"] = "embeddings"
    metric, higher_is_better = "", True
    inputs_may_move = False
    output_dim = 0

    def __init__(self, task: Task) -> None:
        self.name, self.render, self._task = task.name, task.render, task
        self.architectures: list[Architecture] = task.architectures
        self.splits: dict[str, Split] = {
            name: dataclasses.replace(split, shown=("id", "architecture", "params"))
            for name, split in task.splits.items()
            if name != "test"
        }

    @property
    def coordinates(self) -> Tensor:
        """Those of the task."""
        return self._task.coordinates

    def targets(self, split: Split) -> NoReturn:
        """Raises BadInput: there are none."""
        raise BadInput("this method is fitted without targets: use the networks alone")

    def observe(self, output: Any) -> NoReturn:
        """Raises BadInput: nothing is predicted."""
        self.targets(output)

    def loss(self, output: Any, targets: Tensor) -> NoReturn:
        """Raises BadInput: there are no targets."""
        self.targets(output)

    def quality(self, observed: Tensor, targets: Tensor) -> NoReturn:
        """Raises BadInput: there are no targets."""
        self.targets(observed)  # type: ignore[arg-type]
