"""Consensus: does a network answer as the others do? Ours.

Every network is run on the same random inputs. Networks that have learned one task answer alike also where nothing was
ever taught, and those that have learned little answer in ways of their own; so the mean answer of the *training*
networks is a reference that needs no data set and no label, and a new network's distance from it and correlation with
it say how much it has learned. That networks' disagreement tells their error is known of the test data themselves
(Jiang et al. 2022, arXiv:2106.13799; Baek et al. 2022, arXiv:2206.13089); here the inputs are noise. Beside these two
numbers stand statistics of the answers (how sure and how varied they are) and of the weights (Unterthiner et al. 2020),
the latter in columns that depend on no depth, so that networks of any architecture are read alike. Boosted trees turn
all of it into a prediction.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from ...runtime.errors import BadInput
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..contract.method import Method
from ..contract.network_checks import require_finite, require_wordless
from ..contract.parameter_ranges import PositiveFinite
from ..contract.task_view import TaskView
from ..statistics.answer_statistics import agreement, answer_statistics, answers, outputs_on, random_inputs
from ..statistics.boosted_trees import BoostedTrees
from ..statistics.weight_statistics import depth_free_statistics

Part = Literal["weights", "answers", "consensus"]
Shape = tuple[int, ...]
PATIENCE = 30  # trees without a smaller validation loss


class Consensus(Method):
    """Boosted trees on statistics of weights and answers, and on the agreement with the training networks' answers.

    Networks may be of any architectures with equally many outputs. Where a zoo has several shapes of inputs, each has
    random inputs and a mean answer of its own; networks of a shape that training had none of have no agreement, which
    is missing to the trees.

    Fields:
        probes: how many random inputs every network is run on; drawn by the fit's seed.
        parts: what the trees see.
        trees, lr, leaves, share, members: see `BoostedTrees`.
    """

    name = "consensus"
    tasks = ("property",)
    symmetries = ("permutation",)
    any_operation = True

    probes: PositiveInt = 64
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("weights", "answers", "consensus")
    trees: PositiveInt = 1500
    lr: PositiveFinite = 0.05
    leaves: Annotated[int, Field(ge=2)] = 15
    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    members: PositiveInt = 4

    def check(self, task: TaskView) -> None:
        """Refuse networks that read words, and those of different outputs. Raises BadInput."""
        super().check(task)
        require_wordless(task.architectures, self.name)
        outputs = sorted({arch.output_shape for arch in task.architectures})
        if len(outputs) > 1:
            raise BadInput(f"{self.name} compares what networks answer, this zoo's have outputs of shapes {outputs}")

    @torch.no_grad()
    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """Find the mean answers of the training networks, then boost trees, early stopping on val."""
        self.seed, self.device = seed, device
        self.output_shape = task.architectures[0].output_shape
        self.inputs: dict[Shape, Tensor] = {}
        groups = [networks for networks in train.groups if len(networks)]
        outputs = [self._outputs(networks) for networks in groups]
        given: dict[Shape, list[Tensor]] = {}
        for networks, found in zip(groups, outputs, strict=True):
            given.setdefault(networks.arch.input_shape, []).append(answers(found))
        self.mean_answers = {shape: torch.cat(found).mean(0) for shape, found in given.items()}
        self.model = BoostedTrees(
            task.output,
            task.output_dim,
            seed=seed,
            trees=self.trees,
            lr=self.lr,
            leaves=self.leaves,
            share=self.share,
            members=self.members,
            patience=PATIENCE,
        )
        features = np.concatenate([self._features(*found) for found in zip(groups, outputs, strict=True)])
        val_features = np.concatenate([self._features(n, self._outputs(n)) for n in val.groups if len(n)])
        self.model.fit(features, task.targets(train), val_features, task.targets(val))

    def _outputs(self, networks: Networks) -> Tensor:
        """`[B, K, C]` on the inputs of their shape."""
        shape = networks.arch.input_shape
        if shape not in self.inputs:
            self.inputs[shape] = random_inputs(shape, self.probes, self.seed)
        require_finite(networks, self.name)
        if networks.arch.output_shape != self.output_shape:
            raise BadInput(
                f"{self.name} has learned from networks with outputs of shape {self.output_shape}, "
                f"these have {networks.arch.output_shape}: fit it to such"
            )
        return outputs_on(networks.to(self.device), self.inputs[shape].to(self.device)).cpu()

    def _features(self, networks: Networks, outputs: Tensor) -> np.ndarray:
        """`[B, d]` of networks whose outputs are `[B, K, C]`."""
        return torch.cat([self._part(part, networks, outputs) for part in self.parts], 1).double().numpy()

    def _part(self, part: Part, networks: Networks, outputs: Tensor) -> Tensor:
        if part == "weights":
            return depth_free_statistics(networks)
        if part == "answers":
            return answer_statistics(outputs)
        mean = self.mean_answers.get(networks.arch.input_shape)
        return torch.full((len(networks), 2), torch.nan) if mean is None else agreement(answers(outputs), mean)

    @torch.no_grad()
    def predict(self, networks: Networks) -> Tensor:
        """Values `[B, 1]`, or log-probabilities `[B, output_dim]`."""
        if not len(networks):
            return self.model.predict(np.empty((0, 0)))
        return self.model.predict(self._features(networks, self._outputs(networks)))
