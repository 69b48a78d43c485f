"""Weight statistics, read by a linear model (Unterthiner et al. 2020, arXiv:2002.11448, compare it with trees)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods.contract.feature_method import FeatureMethod
from ..methods.contract.network_checks import require_finite
from ..methods.statistics.weight_statistics import NUMBERS, statistics
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks


class WeightStatsLinear(FeatureMethod):
    """Mean, variance and five quantiles of every tensor into ridge or logistic regression."""

    name = "weight-stats-linear"
    symmetries = ("permutation",)
    any_operation = True
    paper = "arXiv:2002.11448"

    def size(self, arch: Architecture) -> int:
        """Seven numbers per tensor."""
        return NUMBERS * len(arch.tensors)

    def transform(self, networks: Networks) -> Tensor:
        """The statistics themselves, `[B, columns]`; 0 for what an architecture does not have."""
        if not len(networks):
            return torch.empty(0, self.columns)
        found = statistics(require_finite(networks, self.name))
        return torch.nn.functional.pad(found, (0, self.columns - found.shape[1]))
