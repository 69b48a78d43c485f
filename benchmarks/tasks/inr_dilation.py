"""INR dilation: change an INR's weights so that it renders the dilated image (Zhou et al. 2023, section 4.2).

The target is the 3x3 dilation of the *original* image, not of the INR's rendering; nothing is clipped. With `also` a
method is tested on the INRs of another zoo too, say of other images than it was fitted on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..records.evidence import PIXEL_ITEMS, quantise
from ..task.second_zoo import OutOfDomain


class INRDilation(OutOfDomain):
    name = "inr-dilation"
    description = "Edit an INR so that it renders its image dilated by 3x3"
    output = "networks"
    metric, unit, higher_is_better = "dilation-mse", "1e-2", False
    needs = ("image",)

    @property
    def output_dim(self) -> int:
        return self.architectures[0].num_params

    def targets(self, split: Split) -> Tensor:
        """Dilated images `[N, pixels]` in [0, 1]."""
        images = self.zoo.images(split.name)
        return torch.nn.functional.max_pool2d(images.unsqueeze(1), 3, stride=1, padding=1).flatten(1)

    def observe(self, output: Networks) -> Tensor:
        return self.render(output).flatten(1)

    def loss(self, output: Networks, targets: Tensor) -> Tensor:
        return (self.observe(output) - targets).square().mean()

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        return 100 * (observed - targets).square().mean().item()

    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        errors = (observed - targets).square().mean(1)
        return {"squared_error": errors.numpy(), "pixels": quantise(observed[:PIXEL_ITEMS].numpy())}


TASK = INRDilation
