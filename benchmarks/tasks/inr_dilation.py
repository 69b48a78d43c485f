"""INR dilation: change an INR's weights so that it renders the dilated image (Zhou et al. 2023, section 4.2).

The target is the 3x3 dilation of the *original* image, not of the INR's rendering; nothing is clipped. With `also` a
method is tested on the INRs of another zoo too, say of other images than it was fitted on.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...zoo.collection import Split, Zoo
from ...zoo.errors import BadInput
from ...zoo.load import load_zoo
from ...zoo.networks import Networks
from ..evidence import IDENTITY, PIXEL_ITEMS, identity, quantise
from ..result import Options
from ..task import Task


class INRDilation(Task):
    name = "inr-dilation"
    description = "Edit an INR so that it renders its image dilated by 3x3"
    output = "networks"
    metric, unit, higher_is_better = "dilation-mse", "1e-2", False
    needs = ("image",)

    def __init__(self, zoo: Zoo, options: Options | None = None, other: Zoo | None = None) -> None:
        self._other = other
        super().__init__(zoo, options)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.zoo, self.options, self._other)

    def _also(self, asked: str | None) -> str | None:
        if asked is None or IDENTITY.fullmatch(asked):
            return asked
        self._other = load_zoo(asked)
        return _identity(self._other)

    @cached_property
    def elsewhere(self) -> INRDilation | None:
        """The same on a zoo that no method has seen, whose INRs have the same architecture."""
        if self.options.also is None:
            return None
        zoo = self._other or load_zoo(self.options.also.partition("@")[0])
        if _identity(zoo) != self.options.also:
            raise BadInput(f"{self.options.also} is asked for, but this machine has {_identity(zoo)}")
        if zoo.architectures != self.architectures:
            shown = ", ".join(map(str, zoo.architectures))
            raise BadInput(f"zoo {zoo.name} holds {shown}, not {self.architectures[0]} as zoo {self.zoo.name}")
        return INRDilation(zoo)

    def ready(self) -> None:
        self.elsewhere  # noqa: B018  # raises where it is not there

    @property
    def output_dim(self) -> int:
        return self.architectures[0].num_params

    def targets(self, split: Split) -> Tensor:
        """Dilated images `[N, pixels]` in [0, 1]."""
        images = self.zoo.images(split.name)
        return torch.nn.functional.max_pool2d(images.unsqueeze(1), 3, stride=1, padding=1).flatten(1)

    def observe(self, output: Networks) -> Tensor:
        return self.zoo.render(output).flatten(1)

    def loss(self, output: Networks, targets: Tensor) -> Tensor:
        return (self.observe(output) - targets).square().mean()

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        return 100 * (observed - targets).square().mean().item()

    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        errors = (observed - targets).square().mean(1)
        return {"squared_error": errors.numpy(), "pixels": quantise(observed[:PIXEL_ITEMS].numpy())}


def _identity(zoo: Zoo) -> str:
    return identity(zoo.name, zoo.version, zoo.manifest.recipe_sha256)


TASK = INRDilation
