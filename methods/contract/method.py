"""The contract of a method: scikit-learn's `fit`, `predict` and `transform` over `Networks`.

A method is a class with a `name`, the `tasks` it supports, and annotated fields with defaults, which are its
hyperparameters: they become keyword arguments, `-p key=value` on the command line (`-p key=a+b` for a tuple), and part
of every result. A field's type may have a range, `width: Annotated[int, pydantic.Field(ge=1)] = 64`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, dataclass_transform, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ...zoo.networks.networks import Networks
from ...zoo.networks.symmetry import Kind
from ...zoo.recipes.run_recipe import DrawnHyperparameter
from ...zoo.storage.zoo import Split
from .task_view import TaskView

Output = Tensor | Networks


def _as_text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _without_range(hint: Any) -> Any:
    return hint.__origin__ if get_origin(hint) is Annotated else hint


def field_types(cls: type) -> dict[str, Any]:
    """The types of a class's fields; one that a subclass declares again as the same type keeps its range."""
    types = get_type_hints(cls, include_extras=True)
    for base in cls.__mro__[1:]:
        for name, ranged in get_type_hints(base, include_extras=True).items():
            if ranged != types[name] == _without_range(ranged):
                types[name] = ranged
    return types


@dataclass_transform(kw_only_default=True)
class Method:
    """The plug-in. Write `fit` and `predict`, or `transform`, or both; annotated fields are hyperparameters.

    Every batch of networks is of one architecture; a zoo with several calls `predict` and `transform` once for each.

    Class attributes:
        name: how results call it.
        version: part of every result's identity. Raise it when the same settings would give another model or training.
        tasks: names of the tasks that it supports; "property" covers every task about a column of a zoo's table.
        paper: the source, for instance "arXiv:2403.12143".
        reads: columns of the zoo's table that a control is given in place of networks, as a DataFrame; () for a method.
        one_architecture: the method is tied to the architecture that it was fitted on; where it reads weights and edits
            none, activations may differ.
        any_operation: it reads networks of any operations; without, only linear and convolutional layers in a row, with
            residual edges, and what else is refused by name.
        symmetries: changes of the weights that keep a network's function ("permutation", "sign", "scale") and that
            cannot change the method's answer; edits move along. `weightbench check` holds it to that.
        recipe_fields: fields that say how to train, not what is trained; they do not show in a row's name.
        search_space: what random search draws anew for every trial, by field; names that are no field are left out.
        later_fields: fields that a release added: while at their default they are not part of a result, so that earlier
            results stay the same cells.

    Example:
        >>> import torch
        >>> import weightbench as wb
        >>> class Nearest(wb.Method):  # the class of the nearest training network
        ...     name, tasks = "nearest", ("inr-classification",)
        ...     power: float = 2.0
        ...
        ...     def fit(self, task, train, val, *, seed, device):
        ...         self.known, self.labels, self.classes = train.networks.params, task.targets(train), task.output_dim
        ...
        ...     def predict(self, networks):
        ...         nearest = torch.cdist(networks.params, self.known, p=self.power).argmin(1)
        ...         return torch.nn.functional.one_hot(self.labels[nearest], self.classes).float()
        >>> [result] = wb.run(Nearest(power=1.0), task="inr-classification", zoo="digits-inrs")
        >>> result.status, result.method.label
        ('ok', 'nearest (power=1.0)')
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    tasks: ClassVar[tuple[str, ...]]
    paper: ClassVar[str] = ""
    reads: ClassVar[tuple[str, ...]] = ()
    one_architecture: ClassVar[bool] = False
    any_operation: ClassVar[bool] = False
    symmetries: ClassVar[tuple[Kind, ...]] = ()
    recipe_fields: ClassVar[frozenset[str]] = frozenset()
    search_space: ClassVar[Mapping[str, DrawnHyperparameter]] = {}
    later_fields: ClassVar[frozenset[str]] = frozenset()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # every subclass is made a dataclass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(kw_only=True, eq=False)(cls)

    def __new__(cls, *args: Any, **params: Any) -> Any:
        """Refuse hyperparameters that are no fields. Raises BadInput."""
        known = {field.name for field in dataclasses.fields(cls)}
        for key in params:
            if key not in known:
                raise unknown(f"parameter of {cls.name}", key, known)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        types = field_types(type(self))
        for field in dataclasses.fields(self):
            given, plain = getattr(self, field.name), _without_range(types[field.name])
            if isinstance(given, str) and get_origin(plain) is tuple:
                given = given.split("+") if given else []  # as `variant` prints it
            try:
                value = TypeAdapter(types[field.name]).validate_python(given)
            except ValidationError as error:
                wanted = plain.__name__ if isinstance(plain, type) else str(plain).replace("typing.", "")
                raise BadInput(
                    f"parameter {field.name} of {self.name} takes {wanted}, not {given!r}: {error.errors()[0]['msg']}"
                ) from None
            setattr(self, field.name, value)

    @property
    def params(self) -> dict[str, Any]:
        """Every hyperparameter, resolved; `later_fields` only where they differ from the default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        resolved = dataclasses.asdict(self)
        return {k: v for k, v in resolved.items() if k not in self.later_fields or v != defaults[k]}

    @property
    def variant(self) -> str | None:
        """The hyperparameters that differ from the defaults, as text; None when all are as published."""
        return self._changed(field.name for field in dataclasses.fields(self) if field.name not in self.recipe_fields)

    @property
    def recipe(self) -> str:
        """The `recipe_fields` that differ from the defaults, as text; "" for the published recipe."""
        return self._changed(field.name for field in dataclasses.fields(self) if field.name in self.recipe_fields) or ""

    def _changed(self, names: Iterable[str]) -> str | None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = [name for name in names if getattr(self, name) != defaults[name]]
        return ", ".join(f"{name}={_as_text(getattr(self, name))}" for name in changed) or None

    @property
    def num_parameters(self) -> int | None:
        """Trained parameters, known after `fit`; None for a method that has no such count."""
        return None

    @property
    def fit_report(self) -> dict[str, Any]:
        """After `fit`: how the model was chosen and what it cost, {"selection": {...}, "budget": {...}}; also "curves",
        lists by name with one value per epoch."""
        return {}

    def check(self, task: TaskView) -> None:
        """Refuse networks that this method cannot read, before anything is fitted. Raises BadInput.

        Extend it where a method has needs of its own: `super().check(task)` first.
        """
        absent = [name for name in self.reads if not all(name in split.table for split in task.splits.values())]
        if absent:
            raise BadInput(f"method {self.name} reads the column {absent[0]}, which this zoo does not have")
        found = task.architectures
        unread = [arch for arch in found if arch.beyond_chain is not None]
        if unread and not self.any_operation:
            raise BadInput(
                f"method {self.name} takes chains of linear and convolutional layers, and does not read "
                f"{unread[0].beyond_chain} of {unread[0]}: choose a method that takes any operation"
            )
        if task.output != "networks":
            found = list({arch.layout: arch for arch in found}.values())
        if self.one_architecture and len(found) > 1:
            shown = ", ".join(map(str, found[:3]))
            raise BadInput(
                f"method {self.name} is tied to one architecture, but this zoo has {len(found)} ({shown}): "
                "choose a zoo of one architecture or a method that takes any"
            )

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Learn from `train` and `task.targets(train)`; choose on `val` only.

        Where `task.output` is "embeddings" there are no targets: learn from the networks alone.
        """
        raise TypeError(f"{type(self).__name__} has no fit method: write one")

    def predict(self, networks: Networks) -> Output:
        """The task's output for unlabelled networks, in their order."""
        raise TypeError(f"{type(self).__name__} has no predict method: write one")

    def transform(self, networks: Networks) -> Tensor:
        """Embeddings `[B, d]` of networks, in their order; d is the same for every architecture."""
        raise TypeError(f"{type(self).__name__} has no transform method: write one")

    def node_embeddings(self, networks: Networks) -> list[Tensor]:
        """One `[B, n, d]` per group of hidden neurons, those of `symmetry.neuron_groups(networks.arch)`."""
        raise TypeError(f"{type(self).__name__} has no node_embeddings method: write one")

    def align(self, a: Networks, b: Networks) -> list[Tensor]:
        """One permutation `[B, n]` per group of hidden neurons, such that `b.permuted(permutations)` is like `a`.

        Here the matching with the smallest sum of squared distances between node embeddings.
        """
        from .neuron_matching import linear_assignment, squared_distances

        pairs = zip(self.node_embeddings(a), self.node_embeddings(b), strict=True)
        return [linear_assignment(-squared_distances(left, right)) for left, right in pairs]

    @classmethod
    def has(cls, verb: Literal["predict", "transform", "align"]) -> bool:
        """Whether this class has written that verb; node embeddings are enough to align."""
        names = ("align", "node_embeddings") if verb == "align" else (verb,)
        return any(getattr(cls, name) is not getattr(Method, name) for name in names)
