"""What a task is: examples, targets, the kind of output asked for, and a metric with unit and direction."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..zoo.architecture import Architecture
from ..zoo.collection import Split, Zoo
from ..zoo.errors import BadInput, unknown
from ..zoo.load import load_zoo


class Task(ABC):
    """A question asked of methods about the networks of one zoo.

    Class attributes:
        name, version: a changed definition is a new version, and never shares a board with the old one.
        output: what `predict` returns, "logits" `[B, output_dim]` or edited "networks".
        metric, unit, higher_is_better: the headline score as the papers print it; `scoring` computes it.
        needs: columns that a zoo must have.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    description: ClassVar[str]
    output: ClassVar[Literal["logits", "networks"]]
    metric: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    needs: ClassVar[tuple[str, ...]]
    options: ClassVar[dict[str, Any]] = {"split": None, "target": None, "protocol": "supervised"}

    def __init__(self, zoo: Zoo) -> None:
        missing = [column for column in self.needs if column not in zoo.manifest.columns]
        if missing:
            raise BadInput(f"task {self.name} needs the columns {missing}, which zoo {zoo.name} does not have")
        self.zoo = zoo

    @property
    def splits(self) -> dict[str, Split]:
        return self.zoo.splits

    @property
    def architectures(self) -> list[Architecture]:
        return self.zoo.architectures

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Length of the logits; for editing, of a network's parameters."""

    @abstractmethod
    def targets(self, split: Split) -> Tensor:
        """What is to be predicted, one row per network of the split."""

    @abstractmethod
    def observe(self, output: Any) -> Tensor:
        """The part of an output that is judged, as one tensor `[B, ...]`."""

    @abstractmethod
    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """The differentiable training loss of a batch."""

    @abstractmethod
    def quality(self, output: Any, targets: Tensor) -> float:
        """The headline metric of a batch, for choosing on the validation split."""

    @abstractmethod
    def evidence(self, output: Any, targets: Tensor) -> dict[str, np.ndarray]:
        """What is stored of the test predictions, enough for `scoring.score`; rows in the split's order."""


def task_names() -> list[str]:
    folder = Path(__file__).parent / "tasks"
    return sorted(path.stem.replace("_", "-") for path in folder.glob("[!_]*.py"))


def task_class(name: str) -> type[Task]:
    """Raises BadInput with the nearest names."""
    if name not in task_names():
        raise unknown("task", name, task_names())
    found: type[Task] = importlib.import_module(f"{__package__}.tasks.{name.replace('-', '_')}").TASK
    return found


def load_task(name: str, zoo: str | Path | Zoo) -> Task:
    """A task on a zoo, which is a name, a folder or a loaded `Zoo`. Raises BadInput."""
    found = task_class(name)
    return found(zoo if isinstance(zoo, Zoo) else load_zoo(zoo))


class Classification(Task):
    """Classes from logits: cross-entropy in training, accuracy on the board."""

    output = "logits"
    metric, unit, higher_is_better = "accuracy", "%", True
    target: ClassVar[str]

    @property
    def output_dim(self) -> int:
        return len(self.zoo.source.classes)

    def targets(self, split: Split) -> Tensor:
        return torch.from_numpy(split.table[self.target].to_numpy(np.int64).copy())

    def observe(self, output: Tensor) -> Tensor:
        return output

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(output, targets)

    def quality(self, output: Tensor, targets: Tensor) -> float:
        return 100 * (output.argmax(1) == targets).float().mean().item()

    def evidence(self, output: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        return {"logits": output.float().numpy()}
