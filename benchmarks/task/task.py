"""What a task is: examples, targets, the kind of output asked for, and a metric with unit and direction."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ...zoo.load_zoo import ZooReference, load_zoo
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split, Zoo
from ..records.result import Options


class Task(ABC):
    """A question asked of methods about the networks of one zoo.

    Class attributes:
        name, version: a changed definition is a new version, and never shares a board with the old one.
        family: another task's name: methods that support that one support this one too.
        needs: columns that a zoo must have.
        inputs_may_move: a network that computes f(A x + t), for A near the identity and a small t, or a slightly noisy
            f, has the answer of f: augmentations that do so are used in training.
        compares_embeddings: under the representation protocol the task judges embeddings, without a linear model.

    Attributes, of the class or of the instance where the zoo decides:
        output: what `predict` returns: "logits" or "values", both `[B, output_dim]`, or edited "networks"; or
            "permutations", which `align` returns for pairs of networks.
        metric, unit, higher_is_better: the headline score as the papers print it; `scoring` computes it.
        options: split policy, target column and protocol, resolved.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    family: ClassVar[str | None] = None
    description: ClassVar[str]
    output: Literal["logits", "values", "networks", "permutations"]
    metric: str
    unit: str
    higher_is_better: bool
    needs: ClassVar[tuple[str, ...]] = ()
    inputs_may_move: ClassVar[bool] = False
    compares_embeddings: ClassVar[bool] = False

    def __init__(self, zoo: Zoo, options: Options | None = None) -> None:
        asked = options or Options()
        if asked.split and not zoo.manifest.other_splits:
            raise BadInput(f"zoo {zoo.name} has one set of splits only, not {asked.split!r}: leave the split out")
        split = asked.split or ("across-runs" if zoo.manifest.other_splits else None)
        policy = None if split == "across-runs" else split
        self.zoo = zoo if split is None or zoo.policy == policy else zoo.with_splits(split)
        missing = [column for column in self.needs if column not in zoo.manifest.columns]
        if missing:
            raise BadInput(f"task {self.name} needs the columns {missing}, which zoo {zoo.name} does not have")
        resolved = {"split": split, "target": self._target(asked.target), "also": self._also(asked.also)}
        self.options = asked.model_copy(update=resolved)

    def __reduce__(self) -> tuple[Any, ...]:
        return task_on_this_machine, (type(self), self.options, ZooReference.of(self.zoo))

    def _target(self, asked: str | None) -> str | None:
        """The resolved target option; resolving it again changes nothing."""
        if asked is not None:
            raise BadInput(f"task {self.name} takes no target, but is given {asked!r}: leave it out")
        return None

    def _also(self, asked: str | None) -> str | None:
        """The resolved zoo that is tested on too, `evidence.identity`; resolving it again changes nothing."""
        if asked is not None:
            raise BadInput(f"task {self.name} is tested on one zoo, not on {asked!r} too: leave that out")
        return None

    @property
    def title(self) -> str:
        return f"{self.name}{self.options}"

    @property
    def splits(self) -> dict[str, Split]:
        return self.zoo.splits

    @property
    def architectures(self) -> list[Architecture]:
        return self.zoo.architectures

    def inputs(self, split: Split) -> Sequence[Any]:
        """What the method is asked about, one batch per architecture, in the table's order."""
        return split.groups

    def ids(self, split: Split) -> list[str]:
        """The networks that `inputs` asks about, in its order."""
        return split.ids

    @property
    def elsewhere(self) -> Task | None:
        """The same task on the zoo that is tested on too. Raises BadInput where that is not on this machine."""
        return None

    def ready(self) -> None:  # noqa: B027  # most tasks need nothing
        """Get the data that the evidence needs. Raises BadInput where they are not to be had."""

    def render(self, networks: Networks) -> Tensor:
        """The images that INRs of the zoo encode, as `Zoo.render`. Raises BadInput where they encode something else."""
        return self.zoo.render(networks)

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Length of logits or values; for editing, of a network's parameters."""

    @abstractmethod
    def targets(self, split: Split) -> Tensor:
        """What is to be predicted, one row per network of the split, in the table's order."""

    @abstractmethod
    def observe(self, output: Any) -> Tensor:
        """The part of an output that is judged, as one tensor `[B, ...]`."""

    @abstractmethod
    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """The differentiable training loss of a batch."""

    @abstractmethod
    def quality(self, observed: Tensor, targets: Tensor) -> float:
        """The headline metric of what `observe` returned, for choosing on the validation split."""

    @abstractmethod
    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        """What is stored of the test predictions, enough for `scoring.score`; rows in the split's order."""


def task_on_this_machine(task: Callable[..., Task], options: Options, zoo: ZooReference, *others: ZooReference) -> Task:
    """A pickled task, where it arrives: its zoos are opened, copied or fetched there. Raises BadInput."""
    return task(zoo.open(), options, *(other.open() for other in others))


def task_names() -> list[str]:
    folder = Path(__file__).parents[1] / "tasks"
    return sorted(path.stem.replace("_", "-") for path in folder.glob("[!_]*.py"))


def task_class(name: str) -> type[Task]:
    """Raises BadInput with the nearest names."""
    if name not in task_names():
        raise unknown("task", name, task_names())
    found: type[Task] = importlib.import_module(f"{__package__.rpartition('.')[0]}.tasks.{name.replace('-', '_')}").TASK
    return found


def load_task(
    name: str,
    zoo: str | Path | Zoo,
    *,
    split: str | None = None,
    target: str | None = None,
    protocol: Literal["supervised", "representation"] = "supervised",
    also: str | None = None,
) -> Task:
    """A task on a zoo, which is a name, a folder or a loaded `Zoo`. Raises BadInput.

    Arguments:
        split: "within-run" or "across-runs" (the default) on a snapshot zoo.
        target: the column asked for, where the task leaves that open.
        protocol: "supervised", or "representation": the method embeds, the suite's linear model reads.
        also: a second zoo, by name or folder, that is tested on too, out of domain, where the task can.
    """
    found = task_class(name)
    options = Options(split=split, target=target, protocol=protocol, also=also)
    return found(zoo if isinstance(zoo, Zoo) else load_zoo(zoo), options)
