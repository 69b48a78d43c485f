"""Losses and scores of the networks of runs, on the data that these were trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from torch import Tensor

from ..networks.networks import Networks
from ..recipes.raw_data import Source
from ..recipes.run_recipe import RunRecipe
from .network_scores import losses_and_scores
from .training_data import TrainingData
from .training_runs import Run, plan_runs


@dataclass(frozen=True)
class RunEvaluator:
    """Evaluates networks of a zoo of runs.

    Arguments:
        recipe: with the build's seed.
        sources: raw data by name.
        device: where networks are evaluated.
    """

    recipe: RunRecipe
    sources: dict[str, Source]
    device: str

    @cached_property
    def runs(self) -> list[Run]:
        """Every run of the recipe; a run's number is its place."""
        return plan_runs(self.recipe, list(self.sources))

    @cached_property
    def _data(self) -> dict[tuple[str, tuple[int, ...]], TrainingData]:
        return {}

    def data(self, run: Run) -> TrainingData:
        """The data set of a run, prepared once for all runs of equal source and input shape. Raises BadInput."""
        key = (run["source"], self.recipe.architectures[run["variant"]].input_shape)
        if key not in self._data:
            self._data[key] = TrainingData(self.sources[key[0]], self.recipe, key[1], self.device)
        return self._data[key]

    def evaluate(self, params: Tensor, run: Run, parts: Sequence[str] = ("train", "test")) -> dict[str, np.ndarray]:
        """`<part>_loss` and `<part>_<score>`, float32 `[B]`, of networks `params [B, P]` on parts of a run's data."""
        data = self.data(run)
        tensors = {part: data.part(part, run["train_fraction"]) for part in parts}
        arch = self.recipe.architectures[run["variant"]]
        return losses_and_scores(arch, params.to(self.device), tensors, self.recipe.loss)

    def rescore(self, networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
        """The losses and scores of stored networks anew; `table` has a row for each, with the number of its `run`."""
        rows = []
        for position, number in enumerate(table["run"]):
            found = self.evaluate(networks.params[position : position + 1], self.runs[number])
            rows.append({name: values[0] for name, values in found.items()})
        return pd.DataFrame(rows)
