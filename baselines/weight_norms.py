"""Weight norms: a few norms per layer into a linear model; the floor that any learned representation has to clear."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods.base import Method, TaskView
from ..methods.inputs import finite
from ..methods.readout import Readout
from ..zoo.collection import Split
from ..zoo.networks import Networks


def norms(networks: Networks) -> Tensor:
    """Per layer five numbers, `[B, 5 * layers]`: the weight's Frobenius norm, its square and its spectral norm (of the
    matrix `[out, in * kernel]`), the bias's norm and its square (0 without bias). Blind to the order of the neurons.
    """
    columns = []
    for weight, bias in zip(networks.weights, networks.biases, strict=True):
        matrix = weight.flatten(2).double()
        whole = matrix.flatten(1).norm(dim=1)
        offset = torch.zeros_like(whole) if bias is None else bias.double().norm(dim=1)
        spectral = torch.linalg.matrix_norm(matrix, 2)
        columns += [whole, whole.square(), spectral, offset, offset.square()]
    return torch.stack(columns, 1).float()


class WeightNorms(Method):
    """Per-layer weight norms into ridge or logistic regression.

    Architectures of other depth share the columns: layers are numbered from the input on, missing ones are 0.

    Fields:
        alpha: weight of the L2 penalty on standardised features.
    """

    name = "weight-norms"
    tasks = ("inr-classification", "property")
    symmetries = ("permutation", "sign")

    alpha: float = 1.0

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        self.columns = 5 * max(len(arch.layers) for arch in task.architectures)
        if task.output == "embeddings":
            return
        self.readout = Readout(task.output, task.output_dim, self.alpha)
        self.readout.fit(torch.cat([self.transform(networks) for networks in train.groups]), task.targets(train))

    def predict(self, networks: Networks) -> Tensor:
        return self.readout.predict(self.transform(networks))

    def transform(self, networks: Networks) -> Tensor:
        """The norms themselves, `[B, columns]`."""
        found = norms(finite(networks, self.name))
        return torch.nn.functional.pad(found, (0, self.columns - found.shape[1]))
