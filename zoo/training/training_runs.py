"""The runs of a zoo: every run of a recipe with its hyperparameters, and its random numbers."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ..recipes.run_recipe import DrawnHyperparameter, RunRecipe


class RandomStream(IntEnum):
    """What a run draws random numbers for, each from a generator of its own."""

    INIT = 0
    HYPERPARAMETER = 1
    BATCH_ORDER = 2
    DROPOUT = 3


@dataclass(frozen=True)
class Run:
    """One training run; its networks are the run's checkpoints."""

    number: int
    hyperparameters: tuple[tuple[str, Any], ...]

    def __getitem__(self, name: str) -> Any:
        return dict(self.hyperparameters)[name]


def plan_runs(recipe: RunRecipe, sources: list[str]) -> list[Run]:
    """Every run of a recipe, the points of its grid `repeats` times; draws depend on (seed, run, name) alone."""
    axes = recipe.axes(sources)
    runs: list[Run] = []
    for _ in range(recipe.repeats):
        for point in itertools.product(*axes.values()):
            chosen = dict(zip(axes, point, strict=True))
            for name, value in recipe.hyperparameters:
                if isinstance(value, DrawnHyperparameter):
                    rng = run_rng(recipe, RandomStream.HYPERPARAMETER, len(runs), zlib.crc32(name.encode()))
                    chosen[name] = value.sample(rng)
                else:
                    chosen.setdefault(name, value)
            runs.append(Run(len(runs), tuple((name, chosen[name]) for name, _ in recipe.hyperparameters)))
    return runs


def run_rng(recipe: RunRecipe, stream: RandomStream, run: int, *more: int) -> np.random.Generator:
    """The generator of (seed, stream, run number, `more`)."""
    return np.random.default_rng([recipe.seed, int(stream), run, *more])
