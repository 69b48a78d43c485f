"""Zoos of implicit neural representations (INRs), one or several for each image of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from ..networks.architecture import Architecture
from ..recipes.inr_recipe import INRRecipe
from ..recipes.raw_data import Source
from ..recipes.splits import Parts
from .initialisation import initial_params
from .inr_evaluation import INREvaluator
from .inr_fitter import INRFitter
from .zoo_builder import Arrays

Fit = tuple[int, int]  # source item, copy


@dataclass(frozen=True)
class INRBuilder:
    """Fits the networks of an INR zoo.

    Arguments:
        recipe: with the build's seed.
        parts: source items by split.
        chunk: networks per chunk; the last one may be shorter.
    """

    recipe: INRRecipe
    source: Source
    parts: Parts
    chunk: int
    device: str
    compiler: str

    columns = {
        "id": "source item and copy; stable over builds",
        "item": "index of the source image: training images first, then test images, in the data set's order",
        "copy": "number of the fit of that image",
        "label": "class of the source image",
        "psnr": "peak signal-to-noise ratio of the fit, dB",
        "params": "weights and biases in state-dict order",
        "image": "pixels of the source image, 0 to image_max",
    }
    segments = 1

    @property
    def sources(self) -> dict[str, Source]:
        """The one data set."""
        return {self.source.name: self.source}

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        """The one architecture, "siren"."""
        return self.recipe.architectures

    @cached_property
    def members(self) -> dict[str, list[Fit]]:
        """The fits of each split: every source item, `copies` times."""
        copies = self.recipe.copies
        return {
            split: [(int(item), copy) for item in items for copy in range(copies[split])]
            for split, items in self.parts.items()
        }

    @cached_property
    def chunks(self) -> list[list[Fit]]:
        """Neighbours, `chunk` at a time; the last chunk may be shorter."""
        everything = [fit for fits in self.members.values() for fit in fits]
        return [everything[start : start + self.chunk] for start in range(0, len(everything), self.chunk)]

    @property
    def networks(self) -> int:
        """How many fits there are: each gives one network."""
        return sum(map(len, self.members.values()))

    @property
    def engine(self) -> str:
        """What trained by now: "eager" once compiling has failed."""
        return self._fitter.trainer.engine

    @cached_property
    def block(self) -> int:
        """How many networks of a chunk are fitted at once: a divisor of the chunk, all of it on a GPU."""
        most = self._fitter.largest_block(self.chunk)
        return max(size for size in range(1, most + 1) if self.chunk % size == 0)

    @cached_property
    def evaluator(self) -> INREvaluator:
        """What measures the networks."""
        return INREvaluator(self.recipe, self.source, self.device)

    @cached_property
    def _fitter(self) -> INRFitter:
        arch = self.architectures["siren"]
        return INRFitter(arch, self.evaluator.pixels, lr=self.recipe.lr, engine=self.compiler)

    def initial(self, fits: list[Fit]) -> np.ndarray:
        """Initial parameters `[len(fits), P]`, each from (seed, item, copy) alone."""
        rows = [
            initial_params(
                self.architectures["siren"], self.recipe.init, np.random.default_rng([self.recipe.seed, *fit])
            )
            for fit in fits
        ]
        return np.stack(rows)

    def fit(self, chunk: list[Fit], segment: int, state: Arrays, advance: Callable[..., None]) -> tuple[Arrays, Arrays]:
        """Train one chunk; returns `params [len(chunk), 1, P]` and `psnr [len(chunk), 1]`."""
        targets = self.evaluator.targets([item for item, _ in chunk])
        initial = torch.from_numpy(self.initial(chunk)).to(self.device)
        params = self._fitter.fit(initial, targets, steps=self.recipe.steps, block=self.block)
        psnr = self.evaluator.psnr(params, targets)
        advance(len(chunk), f"{np.nanmean(psnr):.1f} dB")
        return {"params": params.unsqueeze(1).cpu().numpy(), "psnr": psnr[:, None]}, {}

    def architecture(self, member: Fit) -> str:
        """ "siren"."""
        return "siren"

    def describe(self, members: list[Fit], rows: list[Arrays]) -> tuple[pd.DataFrame, Arrays]:
        """The table's rows, and `params [networks, P]` and `image [networks, pixels]`."""
        items = np.array([item for item, _ in members])
        table = pd.DataFrame(
            {
                "id": [f"{item:05d}-{copy}" for item, copy in members],
                "item": items,
                "copy": [copy for _, copy in members],
                "label": self.source.targets[items],
                "psnr": np.concatenate([row["psnr"] for row in rows]),
            }
        )
        images = self.source.inputs[items].reshape(len(items), -1)
        return table, {"params": np.concatenate([row["params"] for row in rows]), "image": images}

    def quality(self, table: pd.DataFrame) -> dict[str, float]:
        """Mean and minimum of the PSNR, dB."""
        return {
            "psnr_mean": round(float(table["psnr"].to_numpy(float).mean()), 3),
            "psnr_min": round(float(table["psnr"].min()), 3),
        }
