"""Weight matching: put the neurons so that the two networks' weights are as near as can be (Ainsworth et al. 2023)."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor

from ..methods.contract.method import Method
from ..methods.contract.neuron_matching import incoming_weights, linear_assignment, outgoing_weights, squared_distances
from ..methods.contract.task_view import TaskView
from ..zoo.networks.networks import Networks
from ..zoo.networks.symmetry import neuron_groups
from ..zoo.storage.zoo import Split


class WeightMatching(Method):
    """Coordinate descent over layers, each step exact by the linear assignment solver.

    The first sweep goes from the inputs on and looks at incoming weights alone, whose other ends are settled by then;
    so a copy without noise is matched exactly. Later sweeps look at outgoing weights too. One sweep alone is fusion by
    optimal transport between weights (Singh and Jaggi 2020, arXiv:1910.05653): between equally many neurons of one
    mass, the best transport plan is a permutation.

    Fields:
        sweeps: over all layers; fewer when no neuron moves any more.
    """

    name = "weight-matching"
    tasks = ("neuron-alignment",)
    paper = "arXiv:2209.04836"

    sweeps: PositiveInt = 20

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """There is nothing to learn."""

    def align(self, a: Networks, b: Networks) -> list[Tensor]:
        """A permutation `[B, n]` of b's neurons per group of hidden neurons."""
        groups = neuron_groups(a.arch)
        found = [torch.arange(group.size).repeat(len(a), 1) for group in groups]
        for sweep in range(self.sweeps):
            before = torch.cat(found, 1)
            for number, group in enumerate(groups):
                unmoved = torch.arange(group.size).repeat(len(a), 1)
                moved = b.permuted([*found[:number], unmoved, *found[number + 1 :]])
                far = squared_distances(incoming_weights(a, group), incoming_weights(moved, group))
                if sweep:
                    far = far + squared_distances(outgoing_weights(a, group), outgoing_weights(moved, group))
                found[number] = linear_assignment(-far)
            if sweep and torch.equal(before, torch.cat(found, 1)):
                break
        return found
