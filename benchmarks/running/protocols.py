"""The ways to ask a method: for predictions, for embeddings that the suite's own linear model reads, for matchings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ...methods.contract.linear_readout import LinearReadout
from ...methods.contract.method import Method
from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..task.learned_task import LearnedTask
from ..task.network_pairs import Pairs, neurons
from ..task.task import Task
from .task_views import BadOutput, Sealed, Unlabelled

OBSERVED_AT_ONCE = 1024  # networks whose observable part is made together


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a zoo's table, which a control sees in place of networks."""

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: slice | Tensor | list[int]) -> Rows:
        return Rows(self.table.iloc[index if isinstance(index, slice) else np.asarray(index)])


class Protocol(ABC):
    """A method that is asked a task's question.

    Arguments:
        method: fitted by `fit`, unless it is already.

    Attributes:
        scaler: of outputs that the task compares; fitted to those about the training networks when it is first needed.
    """

    verb: ClassVar[Literal["predict", "transform", "align"]]

    def __init__(self, task: Task, method: Method) -> None:
        self.task, self.method = task, method
        self.scaler: StandardScaler | None = None

    @abstractmethod
    def fit(self, *, seed: int, device: str) -> None:
        """Fit the method, and what the protocol fits on top of it."""

    def asked(self, split: Split) -> Sequence[Any]:
        """What the method is asked about, one batch per architecture: the task's inputs, or a control's columns."""
        if not self.method.reads:
            return self.task.inputs(split)
        table = split.table[list(self.method.reads)]
        ends = np.cumsum([len(networks) for networks in split.groups]).tolist()
        return [Rows(table.iloc[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    @abstractmethod
    def output(self, networks: Any) -> Any:
        """What the method says about one batch of the task's inputs, checked. Raises BadOutput."""

    @abstractmethod
    def judged(self, outputs: Sequence[Any], table: pd.DataFrame) -> Tensor:
        """What the task judges, `[N, ...]`, of one output per architecture; `table` has their N rows."""

    def comparable(self, outputs: Tensor) -> Tensor:
        """Outputs `[N, d]` in the means and deviations of the training networks', where the task compares them."""
        if self.scaler is None:
            train = self.task.splits["train"]
            self.scaler = StandardScaler().fit(torch.cat([self.output(x) for x in self.asked(train)]).double().numpy())
        return torch.from_numpy(self.scaler.transform(outputs.double().numpy())).float()

    def seen(self, outputs: Sequence[Any]) -> list[Tensor]:
        """What of the outputs can move under a symmetry, one tensor for each."""
        return list(outputs)

    @property
    def report(self) -> dict[str, Any]:
        """How the method says it was chosen and what that took."""
        return dict(self.method.fit_report)


class Supervised(Protocol):
    """`fit` with targets, then `predict`."""

    verb = "predict"
    task: LearnedTask

    def fit(self, *, seed: int, device: str) -> None:
        """Fit the method to the task."""
        view = Sealed(self.task)
        self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)

    @property
    def report(self) -> dict[str, Any]:
        """The method's own; where that does not say how it was chosen, its score on val as it was fitted."""
        found = super().report
        return found if "selection" in found else found | {"selection": _as_fitted(self, self.task)}

    def output(self, networks: Networks) -> Any:
        """What the task asks for about networks of one architecture, on the CPU, checked. Raises BadOutput."""
        output, count = self.method.predict(_given(networks)), len(networks)
        if self.task.output == "networks":
            if not isinstance(output, Networks) or output.arch != networks.arch or len(output) != count:
                raise BadOutput(f"predict returned {_describe(output)}, expected {count} edited Networks")
            return Networks(networks.arch, _finite(output.params, "predict"))
        expected = (count, self.task.output_dim)
        if not isinstance(output, Tensor) or tuple(output.shape) != expected:
            raise BadOutput(f"predict returned {_describe(output)}, expected a tensor of shape {expected}")
        return _finite(output, "predict")

    def judged(self, outputs: Sequence[Any], table: pd.DataFrame) -> Tensor:
        """What the task observes of the predictions."""
        starts = [(output, i) for output in outputs for i in range(0, len(output), OBSERVED_AT_ONCE)]
        observed = torch.cat([self.task.observe(output[i : i + OBSERVED_AT_ONCE]) for output, i in starts])
        return self.comparable(observed) if self.task.compares_embeddings else observed

    def seen(self, outputs: Sequence[Any]) -> list[Tensor]:
        """What the task observes of the predictions."""
        return [self.task.observe(output) for output in outputs]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A method fitted without targets, its embeddings `[N, d]` of train and val, and the seconds that took."""

    method: Method
    embeddings: Tensor
    fit_s: float


class Representation(Protocol):
    """`fit` without targets, `transform`, then ridge or logistic regression on the embeddings, see `LinearReadout`.

    The regression sees the targets of train and val, which are 80 % of the networks, and is scored on test. Values
    under `within-run` have a regression for each run, as in StructureReps (2025).

    Arguments:
        encoder: of an earlier fit of the same method for another target, instead of a fit.
    """

    verb = "transform"
    task: LearnedTask

    def __init__(self, task: Task, method: Method, encoder: Encoder | None = None) -> None:
        super().__init__(task, method if encoder is None else encoder.method)
        self.embeddings = None if encoder is None else encoder.embeddings

    def fit(self, *, seed: int, device: str) -> None:
        """Fit the method without targets, unless it comes as an encoder; then the regressions."""
        train, val = self.task.splits["train"], self.task.splits["val"]
        if self.embeddings is None:
            view = Unlabelled(self.task)
            self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)
            self.embeddings = torch.cat([self.output(group) for split in (train, val) for group in self.asked(split)])
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
        """The method's own; where that does not say how it was chosen, the suite's regression."""
        found = super().report
        if "selection" in found:
            return found
        if self.task.compares_embeddings:
            return found | {"selection": _as_fitted(self, self.task)}
        rule = "ridge regression" if self.task.output == "values" else "logistic regression"
        return found | {"selection": {"rule": f"{rule} on train and val", "val_score": None}}

    def output(self, networks: Networks) -> Tensor:
        """Embeddings `[B, d]`, checked. Raises BadOutput."""
        found = self.method.transform(_given(networks))
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(networks):
            raise BadOutput(f"transform returned {_describe(found)}, expected a tensor of shape ({len(networks)}, d)")
        return _finite(found, "transform")

    def judged(self, outputs: Sequence[Tensor], table: pd.DataFrame) -> Tensor:
        """What the regressions predict from the embeddings; or the embeddings, where the task compares those."""
        if self.task.compares_embeddings:
            return self.comparable(torch.cat(list(outputs)))
        embeddings, keys = torch.cat(list(outputs)), self._keys(table)
        found = torch.empty(len(embeddings), self.task.output_dim)
        for key in np.unique(keys):
            rows = torch.from_numpy(keys == key)
            found[rows] = self.readouts[key].predict(embeddings[rows])
        return found


class Alignment(Protocol):
    """`fit` without targets, then `align` two networks."""

    verb = "align"

    def fit(self, *, seed: int, device: str) -> None:
        """Fit the method without targets."""
        view = Unlabelled(self.task)
        self.method.fit(view, view.splits["train"], view.splits["val"], seed=seed, device=device)

    @property
    def report(self) -> dict[str, Any]:
        """The method's own."""
        return {"selection": {"rule": "nothing to choose", "val_score": None}} | super().report

    def output(self, networks: Pairs) -> Tensor:
        """The permutations found, of all groups of neurons side by side, `[B, neurons]`, checked. Raises BadOutput."""
        sizes, found = neurons(networks.arch), self.method.align(networks.a, networks.b)
        shapes = [tuple(part.shape) for part in found]
        if shapes != [(len(networks), size) for size in sizes]:
            raise BadOutput(f"align returned shapes {shapes}, expected ({len(networks)}, n) for n in {sizes}")
        for part, size in zip(found, sizes, strict=True):
            if not torch.equal(part.sort(1).values.cpu(), torch.arange(size).expand(len(networks), -1)):
                raise BadOutput(f"align returned something else than permutations of {size} neurons")
        return torch.cat([part.cpu() for part in found], 1)

    def judged(self, outputs: Sequence[Tensor], table: pd.DataFrame) -> Tensor:
        """The permutations, -1 where an architecture has fewer neurons than the largest."""
        width = max(output.shape[1] for output in outputs)
        pad = torch.nn.functional.pad
        return torch.cat([pad(output, (0, width - output.shape[1]), value=-1) for output in outputs])


def protocol_of(task: Task) -> type[Supervised | Representation | Alignment]:
    """How methods are asked. Raises BadInput for a protocol that the task does not have."""
    if task.options.protocol == "supervised":
        return Alignment if task.output == "permutations" else Supervised
    if task.output in ("networks", "permutations"):
        raise BadInput(f"task {task.name} asks for {task.output}: there is no representation protocol for that")
    return Representation


def _given(networks: Networks | Rows) -> Any:
    return networks.table if isinstance(networks, Rows) else networks


def _as_fitted(protocol: Protocol, task: LearnedTask) -> dict[str, Any]:
    """The selection of a method that says nothing of one, with its score on val."""
    val = task.splits["val"]
    judged = protocol.judged([protocol.output(networks) for networks in protocol.asked(val)], val.table)
    return {"rule": "as fitted", "val_score": task.quality(judged, task.targets(val))}


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
