"""Neuron alignment: which neuron of one network is which of another? (Ainsworth et al. 2023; Li et al. 2015)

The other network is a copy in another order, drawn from the network's id, with Gaussian noise: the answer is known.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ...zoo.collection import Split, Zoo
from ...zoo.errors import BadInput, unknown
from ..alignment import Pairs, copies, neurons
from ..result import Options
from ..task import Task

NOISE = {"exact-copies": 0.0, "copies": 0.1, "noisy-copies": 0.5}  # in standard deviations of each tensor


class NeuronAlignment(Task):
    name = "neuron-alignment"
    description = "Match the neurons of a network and its reordered copy (--target exact-copies, copies, noisy-copies)"
    output = "permutations"
    metric, unit, higher_is_better = "matched", "%", True

    def __init__(self, zoo: Zoo, options: Options | None = None) -> None:
        super().__init__(zoo, options)
        still = [str(arch) for arch in zoo.architectures if not neurons(arch)]
        if still:
            raise BadInput(f"task {self.name}: zoo {zoo.name} has networks without neurons that can move: {still[0]}")

    def _target(self, asked: str | None) -> str:
        if asked not in (None, *NOISE):
            raise unknown(f"target of {self.name}", str(asked), NOISE)
        return asked or "copies"

    @property
    def output_dim(self) -> int:
        """Neurons of the largest networks."""
        return max(sum(neurons(arch)) for arch in self.architectures)

    @cached_property
    def _pairs(self) -> list[Pairs]:
        test, noise = self.splits["test"], NOISE[str(self.options.target)]
        return [copies(group, ids, noise) for group, ids in zip(test.groups, test.group_ids, strict=True)]

    def inputs(self, split: Split) -> list[Pairs]:
        return self._pairs

    def targets(self, split: Split) -> Tensor:
        """None: there is nothing to learn from."""
        return torch.empty(len(split), 0)

    def observe(self, output: Tensor) -> Tensor:
        return torch.nn.functional.pad(output, (0, self.output_dim - output.shape[1]), value=-1)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        raise BadInput(f"task {self.name} has no training loss")

    def quality(self, observed: Tensor, targets: Tensor) -> float:
        raise BadInput(f"task {self.name} has no validation score")

    def evidence(self, observed: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        return {"permutations": observed.numpy().astype(np.int16)}


TASK = NeuronAlignment
