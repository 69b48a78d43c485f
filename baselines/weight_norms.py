"""Weight norms: a few norms per layer into a linear model; the floor that any learned representation has to clear."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods.contract.feature_method import FeatureMethod
from ..methods.contract.network_checks import require_finite
from ..zoo.networks.architecture import Architecture
from ..zoo.networks.networks import Networks


def norms(networks: Networks) -> Tensor:
    """Per layer five numbers, `[B, 5 * layers]`: the weight's Frobenius norm, its square and its spectral norm (of the
    matrix `[out, in * kernel]`; a vector is one column), the bias's norm and its square (0 without bias). Blind to the
    order of the neurons.
    """
    columns = []
    for weight, bias in zip(networks.weights, networks.biases, strict=True):
        matrix = (weight.flatten(2) if weight.ndim > 2 else weight.unsqueeze(2)).double()
        whole = matrix.flatten(1).norm(dim=1)
        offset = torch.zeros_like(whole) if bias is None else bias.double().norm(dim=1)
        spectral = torch.linalg.matrix_norm(matrix, 2)
        columns += [whole, whole.square(), spectral, offset, offset.square()]
    return torch.stack(columns, 1).float()


class WeightNorms(FeatureMethod):
    """Per-layer weight norms into ridge or logistic regression."""

    name = "weight-norms"
    symmetries = ("permutation", "sign")
    any_operation = True

    def size(self, arch: Architecture) -> int:
        """Five norms per layer."""
        return 5 * len(arch.layers)

    def transform(self, networks: Networks) -> Tensor:
        """The norms themselves, `[B, columns]`."""
        found = norms(require_finite(networks, self.name))
        return torch.nn.functional.pad(found, (0, self.columns - found.shape[1]))
