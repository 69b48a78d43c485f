"""Implicit neural representations: coordinates, rendering, initialisation, and the zoos of one INR per image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .architecture import Architecture
from .catalogue import Entry
from .errors import BadInput
from .fit import FullBatchFitter
from .networks import Networks
from .sources import ImageSource

SPLIT_SEED = 0  # splits belong to the zoo's version, not to a build's seed

COLUMNS = {
    "id": "source item and copy; stable over builds",
    "item": "index of the source image: training images first, then test images, in the data set's order",
    "copy": "number of the fit of that image",
    "label": "class of the source image",
    "psnr": "peak signal-to-noise ratio of the fit, dB",
    "params": "weights and biases in state-dict order",
    "image": "pixels of the source image, 0 to image_max",
}


def pixel_grid(height: int, width: int) -> Tensor:
    """Coordinates (x, y) of the pixels' centres, row by row, `[height * width, 2]`, each axis from -1 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def render(networks: Networks, image_shape: tuple[int, ...]) -> Tensor:
    """The images that INRs encode, `[B, *image_shape]`; omega_0 and the output offset are part of the networks."""
    grid = pixel_grid(*image_shape[:2]).to(networks.params.device)
    return networks.forward(grid).reshape(len(networks), *image_shape)


def initial_params(arch: Architecture, kind: str, seed: int, keys: list[tuple[int, int]]) -> np.ndarray:
    """Initial parameters float32 `[len(keys), P]`, each row from (seed, item, copy) alone.

    "dwsnets": the released INRs of Navon et al. (2023): every sine layer U(+-sqrt(6 / fan_in) / omega_0) with zero
    biases (the first layer's special SIREN range is never applied there), the last layer torch.nn.Linear's default.
    """
    if kind != "dwsnets":
        raise BadInput(f"unknown initialisation {kind!r}: there is dwsnets")
    omega_0 = next(op.omega_0 for op in arch.operations if op.op == "activation")
    last = len(arch.layers) - 1
    bound = np.empty(arch.num_params, np.float32)
    for tensor in arch.tensors:
        fan_in = math.prod(arch.layers[tensor.layer].weight_shape[1:])
        if tensor.layer == last:
            limit = 1 / math.sqrt(fan_in)
        else:
            limit = math.sqrt(6 / fan_in) / omega_0 if tensor.kind == "weight" else 0.0
        bound[tensor.start : tensor.stop] = limit
    uniform = np.stack([np.random.default_rng([seed, *key]).random(arch.num_params, np.float32) for key in keys])
    return (2 * uniform - 1) * bound


def split_items(entry: Entry, source: ImageSource, limit: int | None) -> dict[str, np.ndarray]:
    """The source items of each split in their fixed order; with `limit`, the first of each, in proportion.

    The data set's own test images are the test split; the rest is shuffled once and cut. A smaller source (a subset)
    is split in the same proportions.
    """
    if limit is not None and limit < len(entry.splits):
        raise BadInput(f"--limit {limit}: at least {len(entry.splits)}, one item for each split")
    total = len(source.images)
    order = np.random.default_rng(SPLIT_SEED).permutation(total - source.n_test)
    order = np.concatenate([order, np.arange(total - source.n_test, total)])
    bounds = np.cumsum(_proportional(entry.splits, min(total, sum(entry.splits.values()))))
    parts = dict(zip(entry.splits, np.split(order, bounds)[:-1], strict=True))
    if limit is None or limit >= bounds[-1]:
        return parts
    kept = _proportional({name: len(items) for name, items in parts.items()}, limit)
    return {name: items[:n] for (name, items), n in zip(parts.items(), kept, strict=True)}


def _proportional(sizes: dict[str, int], total: int) -> list[int]:
    """`total` shared out as `sizes` are: rounded down, at least one each; what is left goes where there is room."""
    whole = sum(sizes.values())
    shares = [max(1, size * total // whole) for size in sizes.values()]
    for index, size in enumerate(sizes.values()):
        shares[index] += min(total - sum(shares), max(size - shares[index], 0)) if total <= whole else 0
    return shares


@dataclass(frozen=True)
class INRBuilder:
    """Fits the networks of an INR zoo, chunk by chunk.

    Arguments:
        seed: replaces the recipe's when given.
        chunk: networks per chunk; the last one is padded, so that every network is computed in equal company.
    """

    entry: Entry
    source: ImageSource
    parts: dict[str, np.ndarray]
    seed: int
    chunk: int
    device: str
    engine: str

    @cached_property
    def jobs(self) -> list[tuple[int, int]]:
        """(item, copy) of every network, split after split."""
        copies = range(self.entry.recipe.copies)
        return [(int(item), copy) for items in self.parts.values() for item in items for copy in copies]

    @property
    def chunks(self) -> Iterator[list[tuple[int, int]]]:
        return (self.jobs[start : start + self.chunk] for start in range(0, len(self.jobs), self.chunk))

    @cached_property
    def _fitter(self) -> FullBatchFitter:
        recipe = self.entry.recipe
        grid = pixel_grid(*self.source.images.shape[1:3]).to(self.device)
        return FullBatchFitter(recipe.architecture, grid, lr=recipe.lr, steps=recipe.steps, engine=self.engine)

    def fit(self, jobs: list[tuple[int, int]]) -> dict[str, np.ndarray]:
        """Train one chunk; returns `params [len(jobs), P]` and `psnr [len(jobs)]`."""
        padded = jobs + jobs[:1] * (self.chunk - len(jobs))
        recipe = self.entry.recipe
        initial = torch.from_numpy(initial_params(recipe.architecture, recipe.init, self.seed, padded))
        pixels = self.source.images[[item for item, _ in padded]].astype(np.float32) / self.source.image_max
        targets = torch.from_numpy(pixels).reshape(len(padded), -1, recipe.sizes[-1])
        params, mse = self._fitter(initial.to(self.device), targets.to(self.device))
        psnr = -10 * torch.log10(mse)
        return {name: value[: len(jobs)].cpu().numpy() for name, value in (("params", params), ("psnr", psnr))}

    def table(self, jobs: list[tuple[int, int]], fitted: dict[str, np.ndarray]) -> pd.DataFrame:
        """The metadata of fitted networks."""
        items = [item for item, _ in jobs]
        return pd.DataFrame(
            {
                "id": [f"{item:05d}-{copy}" for item, copy in jobs],
                "item": items,
                "copy": [copy for _, copy in jobs],
                "label": self.source.labels[items],
                "psnr": fitted["psnr"],
            }
        )
