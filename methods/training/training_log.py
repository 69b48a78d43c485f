"""Loss and validation score of a training while it goes on, for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor

from ...runtime.errors import BadInput, unknown

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LogKind = Literal["tensorboard"]


def require(kind: str) -> None:
    """Raises BadInput for a log that there is not, and where what writes it is not installed."""
    if kind not in get_args(LogKind):
        raise unknown("log", kind, get_args(LogKind))
    if find_spec(kind) is None:
        raise BadInput(f"--log {kind}: {kind} is not installed: pip install 'weightbench[{kind}]'")


@dataclass
class _Place:
    """Where the trainings of a cell are logged, and the number of the last that began."""

    folder: Path
    number: int = -1


# In the context, as checkpoints are: `fit` has no argument for it.
_place: ContextVar[_Place | None] = ContextVar("training_log", default=None)


@contextlib.contextmanager
def written_to(folder: Path | None) -> Iterator[None]:
    """Trainings inside are logged, each in a folder of its own, called by its number; None logs nothing."""
    token = _place.set(None if folder is None else _Place(folder))
    try:
        yield
    finally:
        _place.reset(token)


class TrainingLog:
    """The log of one training: scalars by step, counted from 1; nothing is written without a writer."""

    def __init__(self, writer: SummaryWriter | None) -> None:
        self.writer = writer

    def loss(self, value: Tensor, step: int) -> None:
        """The loss `[]` of a batch."""
        if self.writer is not None:
            self.writer.add_scalar("train/loss", value.item(), step)

    def score(self, metric: str, value: float, step: int) -> None:
        """The validation score after an epoch."""
        if self.writer is not None:
            self.writer.add_scalar(f"val/{metric}", value, step)


@contextlib.contextmanager
def begun(step: int) -> Iterator[TrainingLog]:
    """The log of a training that begins with `step`; what an earlier one logged from there on is hidden."""
    place = _place.get()
    if place is None:
        yield TrainingLog(None)
        return
    from torch.utils.tensorboard import SummaryWriter

    place.number += 1
    with SummaryWriter(place.folder / str(place.number), purge_step=step) as writer:
        yield TrainingLog(writer)
