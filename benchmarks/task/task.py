"""What a task is: a question about the networks of a zoo, the kind of output asked for, and a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from ...methods.contract.plug_in import PlugInKind, reference_of
from ...runtime.errors import BadInput
from ...zoo.load_zoo import ZooReference
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.split_policies.across_architectures import ACROSS_ARCHITECTURES
from ...zoo.storage.split_policies.cross_fitting import CROSS_FITTED, fold_of
from ...zoo.storage.zoo import Split, Zoo
from ..metrics.scoring import metric_of
from ..records.predictions import Arrays
from ..records.result import Options
from .builtin import builtin_tasks


class Task(ABC):
    """A question asked of methods about the networks of one zoo.

    Class attributes:
        name, version: a changed definition is a new version, and never shares a board with the old one.
        family: another task's name: methods that support that one support this one too.
        needs: columns that a zoo must have.
        inputs_may_move: a network that computes f(A x + t), for A near the identity and a small t, or a slightly noisy
            f, has the answer of f: augmentations that do so are used in training.
        compares_embeddings: the task judges outputs, standardised by the training networks, by their distances; under
            the representation protocol those are embeddings, without a linear model.

    Attributes, of the class or of the instance where the zoo decides:
        output: what `predict` returns: "logits" or "values", both `[B, output_dim]`, or edited "networks"; or
            "permutations", which `align` returns for pairs of networks.
        metric: the headline score, a name in `metrics.METRICS`.
        options: split policy, target column and protocol, resolved.

    Example:
        >>> import weightbench as wb
        >>> task = wb.load_task("property", "digits-inrs", target="psnr")
        >>> task.title, task.output, task.metric, task.higher_is_better
        ('property of psnr', 'values', 'pearson-r', True)
        >>> task.targets(task.splits["test"]).shape[1]
        1
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    family: ClassVar[str | None] = None
    description: ClassVar[str]
    output: Literal["logits", "values", "networks", "permutations"]
    metric: str
    needs: ClassVar[tuple[str, ...]] = ()
    inputs_may_move: ClassVar[bool] = False
    compares_embeddings: ClassVar[bool] = False

    def __init__(self, zoo: Zoo, options: Options | None = None) -> None:
        given = options or Options()
        split = given.split or ("across-runs" if zoo.manifest.other_splits else None)
        self.zoo = self._in_splits(zoo, split)
        missing = [column for column in self.needs if column not in zoo.manifest.columns]
        if missing:
            raise BadInput(f"task {self.name} needs the columns {missing}, which zoo {zoo.name} does not have")
        resolved = {"split": split, "target": self._target(given.target), "also": self._also(given.also)}
        self.options = given.model_copy(update=resolved)

    def __reduce__(self) -> tuple[Any, ...]:
        return task_on_this_machine, (reference_of(type(self)), self.options, ZooReference.of(self.zoo))

    def _in_splits(self, zoo: Zoo, split: str | None) -> Zoo:
        """The zoo in the splits of the options, which a fold of them has already."""
        if split == CROSS_FITTED and (self.compares_embeddings or getattr(self, "output", "") == "permutations"):
            raise BadInput(f"task {self.name} compares test networks, which one fit must read: {split} has several")
        if split not in (None, CROSS_FITTED, *ACROSS_ARCHITECTURES) and not zoo.manifest.other_splits:
            raise BadInput(f"zoo {zoo.name} has one set of splits only, not {split!r}: leave the split out")
        policy = None if split == "across-runs" else split
        fold = split == CROSS_FITTED and fold_of(zoo.policy or "") is not None
        return zoo if split is None or zoo.policy == policy or fold else zoo.with_splits(split)

    def _target(self, given: str | None) -> str | None:
        """The resolved target option; resolving it again changes nothing."""
        if given is not None:
            raise BadInput(f"task {self.name} takes no target, but is given {given!r}: leave it out")
        return None

    def _also(self, given: str | None) -> str | None:
        """The resolved zoos that are tested on too, see `Options`; resolving them again changes nothing."""
        if given is not None:
            raise BadInput(f"task {self.name} is tested on one zoo, not on {given!r} too: leave that out")
        return None

    @property
    def title(self) -> str:
        """The task with its options."""
        return f"{self.name}{self.options}"

    @property
    def unit(self) -> str:
        """Of the headline score."""
        return metric_of(self.metric).unit

    @property
    def higher_is_better(self) -> bool:
        """The direction of the headline score."""
        return metric_of(self.metric).higher_is_better

    @property
    def splits(self) -> dict[str, Split]:
        """The zoo's splits, under the policy of the options."""
        return self.zoo.splits

    @property
    def architectures(self) -> list[Architecture]:
        """Of the zoo's networks."""
        return self.zoo.architectures

    def inputs(self, split: Split) -> Sequence[Any]:
        """What the method is asked about, one batch per architecture, in the table's order."""
        return split.groups

    def ids(self, split: Split) -> list[str]:
        """The networks that `evidence` is of, in its order: those that `inputs` asks about, or a part of them."""
        return split.ids

    @property
    def folds(self) -> Iterator[Task]:
        """The tasks that are fitted and tested one after the other: this one, or the folds of a cross-fitted one."""
        for zoo in self.zoo.folds:
            yield self if zoo is self.zoo else type(self)(zoo, self.options)

    @property
    def elsewhere(self) -> Sequence[Task]:
        """The same task on the zoos that are tested on too. Raises BadInput where one is not on this machine."""
        return []

    def ready(self) -> None:  # noqa: B027  # most tasks need nothing
        """Get the data that the evidence needs. Raises BadInput where they are missing."""

    def render(self, networks: Networks) -> Tensor:
        """The images that INRs of the zoo encode, as `Zoo.render`. Raises BadInput where they encode something else."""
        return self.zoo.render(networks)

    @property
    def coordinates(self) -> Tensor:
        """Where these are evaluated, as `Zoo.coordinates`. Raises BadInput likewise."""
        return self.zoo.coordinates

    @abstractmethod
    def evidence(self, observed: Tensor, split: Split) -> Arrays:
        """What is stored of the predictions `[N, ...]` about a split, enough for its metric; rows in its order."""


TASKS = PlugInKind(
    "task",
    Task,  # type: ignore[type-abstract]  # its subclasses are meant
    "weightbench.ColumnTask, LearnedTask or Task",
    ("name", "description"),
    builtin_tasks,
)


def task_on_this_machine(task: str | type[Task], options: Options, zoo: ZooReference, *others: ZooReference) -> Task:
    """A pickled task, where it arrives: its file is loaded and its zoos are opened, copied or fetched there.

    Raises BadInput.
    """
    kind: Any = TASKS.load(task) if isinstance(task, str) else task
    found: Task = kind(zoo.open(), options, *(other.open() for other in others))
    return found
