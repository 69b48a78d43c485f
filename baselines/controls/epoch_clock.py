"""How far time alone tells a score: log(1 + epoch), and no network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...methods.contract.linear_readout import LinearReadout
from ...methods.contract.method import Method
from ...methods.contract.task_view import TaskView
from ...zoo.storage.zoo import Split


class EpochClock(Method):
    """A linear model of one number, the logarithm of the epoch in which a snapshot was taken.

    Networks of a run change most at its start, and so does their score. A method that reads no more than the clock
    does has seen how long a network was trained, not how well.
    """

    name = "epoch-clock"
    any_operation = True
    tasks = ("property",)
    reads = ("epoch",)

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Fit the linear model; without targets there is nothing to learn."""
        if task.output in ("values", "logits"):
            self.readout = LinearReadout(task.output, task.output_dim)
            self.readout.fit(self.transform(train.table), task.targets(train))

    def predict(self, networks: pd.DataFrame) -> Tensor:  # type: ignore[override]  # a control: `reads`
        """Values `[B, 1]` or logits `[B, output_dim]` from a column `epoch` `[B]`."""
        return self.readout.predict(self.transform(networks))

    def transform(self, networks: pd.DataFrame) -> Tensor:  # type: ignore[override]  # a control: `reads`
        """log(1 + epoch), `[B, 1]`."""
        return torch.from_numpy(np.log1p(networks["epoch"].to_numpy(np.float32))[:, None])
