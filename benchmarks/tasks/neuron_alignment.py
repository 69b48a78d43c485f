"""Neuron alignment: which neuron of one network is which of another? (Ainsworth et al. 2023; Li et al. 2015)

The other network is a copy in another order, drawn from the network's id, with Gaussian noise: the answer is known. Or
both were trained independently on the same data, and what counts is the loss between them (Entezari et al. 2022); the
network half-way, their merger, has a score too, which Ainsworth et al. (2023) compare.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ...zoo.build.provenance import evaluator_of
from ...zoo.storage.zoo import Split, Zoo
from ...zoo.training.run_evaluation import RunEvaluator
from ..metrics.alignment import trained_pairs
from ..records.predictions import Arrays
from ..records.result import Options
from ..task.network_pairs import Pairs, copies, line_scores, neurons, trained
from ..task.task import Task

NOISE = {"exact-copies": 0.0, "copies": 0.1, "noisy-copies": 0.5}  # in standard deviations of each tensor


class NeuronAlignment(Task):
    """Permutations of the neurons of every second network of a pair."""

    name = "neuron-alignment"
    version = 2  # 1: of trained networks, no scores of the merged ones
    description = "Match neurons of a network and its copy, or of two networks (--target copies, trained, ...)"
    output = "permutations"

    def __init__(self, zoo: Zoo, options: Options | None = None) -> None:
        super().__init__(zoo, options)
        self.trained = self.options.target == "trained"
        self.metric = "barrier" if self.trained else "matched"
        still = [str(arch) for arch in zoo.architectures if not neurons(arch)]
        if still:
            raise BadInput(f"task {self.name}: zoo {zoo.name} has networks without neurons that can move: {still[0]}")
        missing = {"run", "epoch", "source", "test_loss"} - set(zoo.manifest.columns)
        if self.trained and missing:
            raise BadInput(f"task {self.name} of trained networks takes a zoo of runs: {zoo.name} has none")
        if self.trained and not len(trained_pairs(self.splits["test"].table)[0]):
            raise BadInput(f"zoo {zoo.name}: no two test runs have one architecture and data, so there is no pair")

    def _target(self, given: str | None) -> str:
        if given not in (None, "trained", *NOISE):
            raise unknown(f"target of {self.name}", str(given), [*NOISE, "trained"])
        return given or "copies"

    def ready(self) -> None:
        """Load the data that losses are measured on. Raises BadInput where they are missing."""
        if self.trained:
            self._evaluator  # noqa: B018  # raises where the source data are not there

    @cached_property
    def _evaluator(self) -> RunEvaluator:
        found = evaluator_of(self.zoo)
        assert isinstance(found, RunEvaluator)  # its zoos have the columns that are asked for above
        return found

    @cached_property
    def _pairs(self) -> list[Pairs]:
        test = self.splits["test"]
        if self.trained:
            return trained(test)
        noise = NOISE[str(self.options.target)]
        return [copies(group, ids, noise) for group, ids in zip(test.groups, test.group_ids, strict=True)]

    def inputs(self, split: Split) -> list[Pairs]:
        """Pairs of test networks, one batch per architecture."""
        return self._pairs

    def ids(self, split: Split) -> list[str]:
        """The first network of every pair."""
        return [split.ids[row] for row in trained_pairs(split.table)[0]] if self.trained else split.ids

    def evidence(self, observed: Tensor, split: Split) -> Arrays:
        """The found permutations, and losses and scores on the lines between trained networks."""
        found = {"permutations": observed.numpy().astype(np.int16)}
        return found | (line_scores(self._evaluator, self._pairs, observed) if self.trained else {})
