"""INR dilation: change an INR's weights so that it renders the dilated image (Zhou et al. 2023, section 4.2).

The target is the 3x3 dilation of the *original* image, not of the INR's rendering; nothing is clipped in training. With
`also` a method is tested on the INRs of other zoos too, say of other images than it was fitted on. A score is that of
the stored renderings alone; in version 1 it was the mean of stored errors, and not all of them had a rendering.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split, Zoo
from ..metrics.dilation import dilated, drawn, quantise
from ..records.predictions import Arrays
from ..task.other_zoos import OtherZoosTask


class INRDilation(OtherZoosTask):
    """Edited networks, judged by what they render."""

    name, version = "inr-dilation", 2
    description = "Edit an INR so that it renders its image dilated by 3x3"
    output, metric = "networks", "dilation-mse"
    needs = ("image",)

    @property
    def output_dim(self) -> int:
        """P, the length of a network's parameters."""
        return self.architectures[0].num_params

    def _accept(self, zoo: Zoo) -> None:
        if zoo.architectures != self.zoo.architectures:
            shown = ", ".join(map(str, zoo.architectures))
            raise BadInput(f"zoo {zoo.name} holds {shown}, not {self.zoo.architectures[0]} as zoo {self.zoo.name}")

    def targets(self, split: Split) -> Tensor:
        """Dilated images `[N, pixels]` in [0, 1]."""
        return torch.from_numpy(dilated(self.zoo.images(split.name).numpy())).flatten(1)

    def observe(self, output: Networks) -> Tensor:
        """What edited INRs render, `[B, pixels]`."""
        return self.render(output).flatten(1)

    def loss(self, output: Networks, targets: Tensor) -> Tensor:
        """Mean squared error of the pixels."""
        return (self.observe(output) - targets).square().mean()

    def ids(self, split: Split) -> list[str]:
        """The networks that are scored: all, or 1,000 drawn by their ids."""
        return [split.ids[place] for place in drawn(split.ids)]

    def evidence(self, observed: Tensor, split: Split) -> Arrays:
        """The renderings of the networks that are scored, as bytes."""
        return {"pixels": quantise(observed.numpy()[drawn(split.ids)])}
