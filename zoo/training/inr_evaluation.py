"""How well INRs reproduce the images that they were fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..networks.networks import Networks
from ..networks.rendering import pixel_grid
from ..recipes.inr_recipe import INRRecipe
from ..recipes.raw_data import Source
from .network_scores import mean_losses


@dataclass(frozen=True)
class INREvaluator:
    """Evaluates networks of an INR zoo on its source images.

    Arguments:
        source: the images.
        device: where networks are evaluated.
    """

    recipe: INRRecipe
    source: Source
    device: str

    @cached_property
    def pixels(self) -> Tensor:
        """What every network is given: the coordinates of the pixels, `[height * width, 2]`."""
        height, width = self.source.inputs.shape[1:3]
        return pixel_grid(height, width, coordinates=self.recipe.coordinates).to(self.device)

    def targets(self, items: Sequence[int] | np.ndarray) -> Tensor:
        """What networks of these source items are fitted to, `[B, height * width, channels]`."""
        low, high = self.recipe.target_range
        images = self.source.inputs[items].astype(np.float32) / np.float32(self.source.image_max)
        scaled = torch.from_numpy(low + np.float32(high - low) * images)
        return scaled.reshape(len(images), -1, self.recipe.sizes[-1]).to(self.device)

    def psnr(self, params: Tensor, targets: Tensor) -> np.ndarray:
        """Peak signal-to-noise ratio of `params [B, P]` in dB, float32 `[B]`: -10 log10(mse / range^2)."""
        low, high = self.recipe.target_range
        arch = self.recipe.architectures["siren"]
        mse = mean_losses(arch, "mse", params, self.pixels, targets).cpu().numpy()
        return np.asarray(-10 * np.log10(mse / (high - low) ** 2), np.float32)

    def rescore(self, networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
        """The PSNR of stored networks anew; `table` has a row for each, with its source `item`."""
        targets = self.targets(table["item"].to_numpy())
        return pd.DataFrame({"psnr": self.psnr(networks.params.to(self.device), targets)})
