"""The two ways to ask a method: for predictions, or for embeddings that the suite's own linear model reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...methods.contract.linear_readout import LinearReadout
from ...methods.contract.method import Method
from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..task.network_pairs import Pairs, neurons
from ..task.task import Task

OBSERVED = 1024  # networks whose observable part is made at once


class BadOutput(RuntimeError):
    """A method's `predict` or `transform` broke the contract."""


class Supervised:
    """`fit` with targets, then `predict`.

    Arguments:
        method: fitted by `fit`, unless it is already.
    """

    verb: ClassVar[Literal["predict", "transform", "align"]] = "predict"

    def __init__(self, task: Task, method: Method) -> None:
        self.task, self.method = task, method

    def fit(self, *, seed: int, device: str) -> None:
        view = Sealed(self.task)
        self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)

    @property
    def report(self) -> dict[str, Any]:
        """How the method says it was chosen and what that took."""
        return dict(self.method.fit_report)

    def output(self, networks: Networks) -> Any:
        """What the method says about networks of one architecture, checked. Raises BadOutput."""
        return _checked(self.method.predict(networks), self.task, networks)

    def judged(self, outputs: Sequence[Any], table: pd.DataFrame) -> Tensor:
        """What the task judges, `[N, ...]`, of one output per architecture; `table` has their N rows."""
        chunks = [output[i : i + OBSERVED] for output in outputs for i in range(0, len(output), OBSERVED)]
        return torch.cat([self.task.observe(chunk) for chunk in chunks])


class Representation(Supervised):
    """`fit` without targets, `transform`, then scikit-learn's linear or logistic regression on the embeddings.

    The regression sees the targets of train and val, which are 80 % of the networks, and is scored on test. Values
    under `within-run` have a regression for each run, as in StructureReps (2025).
    """

    verb = "transform"
    embeddings: Tensor | None = None  # of train and val, from an earlier fit of the same method for another target

    def fit(self, *, seed: int, device: str) -> None:
        train, val = self.task.splits["train"], self.task.splits["val"]
        if self.embeddings is None:
            view = Unlabelled(self.task)
            self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)
            self.embeddings = torch.cat([self.output(group) for split in (train, val) for group in split.groups])
        if self.task.compares_embeddings:
            return
        targets = torch.cat([self.task.targets(split) for split in (train, val)])
        keys = np.concatenate([self._keys(split.table) for split in (train, val)])
        self.readouts = {}
        for key in np.unique(keys):
            rows = torch.from_numpy(keys == key)
            self.readouts[key] = LinearReadout(self.task.output, self.task.output_dim)
            self.readouts[key].fit(self.embeddings[rows], targets[rows])

    def _keys(self, table: pd.DataFrame) -> np.ndarray:
        """Which regression each row belongs to."""
        if self.task.options.split == "within-run" and self.task.output == "values":
            return table["run"].to_numpy()
        return np.zeros(len(table), int)

    @property
    def report(self) -> dict[str, Any]:
        if self.task.compares_embeddings:
            return super().report
        rule = "linear regression" if self.task.output == "values" else "logistic regression"
        return {"selection": {"rule": f"{rule} on train and val", "val_score": None, "trials": 1}} | super().report

    def output(self, networks: Networks) -> Tensor:
        """Embeddings `[B, d]`, checked. Raises BadOutput."""
        found = self.method.transform(networks)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(networks):
            raise BadOutput(f"transform returned {_describe(found)}, expected a tensor of shape ({len(networks)}, d)")
        return _finite(found, "transform")

    def judged(self, outputs: Sequence[Any], table: pd.DataFrame) -> Tensor:
        if self.task.compares_embeddings:
            return torch.cat(list(outputs))
        embeddings, keys = torch.cat(list(outputs)), self._keys(table)
        found = torch.empty(len(embeddings), self.task.output_dim)
        for key in np.unique(keys):
            rows = torch.from_numpy(keys == key)
            found[rows] = self.readouts[key].predict(embeddings[rows])
        return found


class Alignment(Supervised):
    """`fit` without targets, then `align` two networks."""

    verb = "align"

    def fit(self, *, seed: int, device: str) -> None:
        view = Unlabelled(self.task)
        self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)

    @property
    def report(self) -> dict[str, Any]:
        return {"selection": {"rule": "nothing to choose", "val_score": None, "trials": 1}} | super().report

    def output(self, networks: Any) -> Tensor:
        """The found orders of all groups side by side, `[B, neurons]`, checked. Raises BadOutput."""
        pairs: Pairs = networks
        sizes, found = neurons(pairs.arch), self.method.align(pairs.a, pairs.b)
        shapes = [tuple(order.shape) for order in found]
        if shapes != [(len(pairs), size) for size in sizes]:
            raise BadOutput(f"align returned shapes {shapes}, expected ({len(pairs)}, n) for n in {sizes}")
        for order, size in zip(found, sizes, strict=True):
            if not torch.equal(order.sort(1).values.cpu(), torch.arange(size).expand(len(pairs), -1)):
                raise BadOutput(f"align returned something else than orders of {size} neurons")
        return torch.cat([order.cpu() for order in found], 1)


def protocol_of(task: Task) -> type[Supervised]:
    """How methods are asked. Raises BadInput for a protocol that the task does not have."""
    if task.options.protocol == "supervised":
        return Alignment if task.output == "permutations" else Supervised
    if task.output in ("networks", "permutations"):
        raise BadInput(f"task {task.name} asks for {task.output}: there is no representation protocol for that")
    return Representation


class Sealed:
    """A task as `fit` sees it: what `TaskView` lists, and no test split."""

    def __init__(self, task: Task) -> None:
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
        if split.name not in self.splits:
            raise BadOutput(f"fit asks for the targets of the {split.name} split: learn from train, choose on val")
        return self._task.targets(split)

    def observe(self, output: Any) -> Tensor:
        return self._task.observe(output)

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        return self._task.loss(output, targets)

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        return self._task.quality(observed, targets)

    def render(self, networks: Networks) -> Tensor:
        return self._task.render(networks)


class _Unlabelled(Split):
    """A split whose table says of each network only which it is."""

    @cached_property
    def _by_architecture(self) -> list[tuple[str, pd.DataFrame, dict[str, Tensor]]]:
        found = super()._by_architecture
        return [(key, table[["id", "architecture"]], {"params": t["params"]}) for key, table, t in found]


class Unlabelled:
    """A task as `fit` sees it under the representation protocol: networks, and no targets."""

    output: Literal["embeddings"] = "embeddings"
    metric, higher_is_better = "", True
    inputs_may_move = False
    output_dim = 0

    def __init__(self, task: Task) -> None:
        self.name, self.render = task.name, task.render
        self.architectures: list[Architecture] = task.architectures
        fields = [field.name for field in dataclasses.fields(Split)]
        self.splits: dict[str, Split] = {
            name: _Unlabelled(**{field: getattr(split, field) for field in fields})
            for name, split in task.splits.items()
            if name != "test"
        }

    def targets(self, split: Split) -> NoReturn:
        raise BadInput("the representation protocol fits without targets: use the networks alone")

    def observe(self, output: Any) -> NoReturn:
        self.targets(output)

    def loss(self, output: Any, targets: Tensor) -> NoReturn:
        self.targets(output)

    def quality(self, observed: Tensor, targets: Tensor) -> NoReturn:
        self.targets(observed)  # type: ignore[arg-type]


def _checked(output: Any, task: Task, networks: Networks) -> Any:
    """`output`, detached and on the CPU, if it is what the task asks for. Raises BadOutput."""
    if task.output == "networks":
        if not isinstance(output, Networks) or output.arch != networks.arch or len(output) != len(networks):
            raise BadOutput(f"predict returned {_describe(output)}, expected {len(networks)} edited Networks")
        return Networks(networks.arch, _finite(output.params, "predict"))
    expected = (len(networks), task.output_dim)
    if not isinstance(output, Tensor) or tuple(output.shape) != expected:
        raise BadOutput(f"predict returned {_describe(output)}, expected a tensor of shape {expected}")
    return _finite(output, "predict")


def _finite(values: Tensor, verb: str) -> Tensor:
    values = values.detach().cpu().float()
    if not torch.isfinite(values).all():
        rows = (~torch.isfinite(values)).flatten(1).any(1).sum().item()
        raise BadOutput(f"{verb} returned NaN or infinity for {rows} of {len(values)} networks")
    return values


def _describe(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    return f"{len(output)} Networks" if isinstance(output, Networks) else f"a {type(output).__name__}"
