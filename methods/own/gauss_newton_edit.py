"""Gauss-Newton editing: predict the wanted picture, then take a few damped Gauss-Newton steps towards it; ours.

An INR f_theta renders y = f_theta(x) at the pixels x. A small convolutional network, trained with everything else,
predicts from y the picture t that the edited INR should render. Each of a few steps then moves all weights at once,
    theta' = theta + eta D J^T (J D J^T + lambda I)^-1 (t - y),   J = dy / dtheta,
with a learned step size eta, damping lambda and scale D of every tensor (Levenberg 1944, Marquardt 1963; here the steps
are few, and training sets what is adapted there). J is never formed: of a network of dense layers J D J^T is
    sum over layers of (Delta Delta^T) * (d_W A A^T + d_b),
where A has the layer's inputs at every pixel, Delta the derivatives of y by its outputs, and * multiplies entries: the
tangent kernel (Jacot et al. 2018) between pixels. Permutations and sign flips of hidden neurons leave it as it is, so
edits move along.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ...runtime.errors import BadInput
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.networks.operations.elementwise import Activation
from ...zoo.networks.operations.layers import Linear
from ..contract.network_checks import require_finite
from ..contract.task_view import TaskView
from ..training.neural_method import NeuralMethod

DAMPING = 0.1  # at first, in mean diagonal entries of the kernel
AT_ONCE = 3 * 2**19  # entries of n x n matrices on a CPU: those of more networks do not stay in its cache


class WantedPicture(nn.Module):
    """From rendered pictures `[B, height, width]` to those that edited networks should render.

    A convolutional network that also sees the largest value around each pixel, and changes that.

    Arguments:
        channels: of its layers; 0 for the largest values themselves, which are the 3x3 dilation.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change: nn.Module | None = None
        if channels:
            last = nn.Conv2d(channels, 1, 3, padding=1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # it has one
            self.change = nn.Sequential(
                *(nn.Conv2d(2, channels, 3, padding=1), nn.GELU()),
                *(nn.Conv2d(channels, channels, 3, padding=1), nn.GELU()),
                last,
            )

    def forward(self, pictures: Tensor) -> Tensor:
        """The wanted pictures, of the same shape."""
        x = pictures.unsqueeze(1)
        largest = nn.functional.max_pool2d(x, 3, stride=1, padding=1)
        wanted: Tensor = largest if self.change is None else largest + self.change(torch.cat([x, largest], 1))
        return wanted.squeeze(1)


class GaussNewtonStep(nn.Module):
    """One step of all parameters of networks of one architecture towards other outputs."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.log_damping = nn.Parameter(torch.tensor(DAMPING).log())
        self.size = nn.Parameter(torch.tensor(1.0))
        self.log_scales = nn.Parameter(torch.zeros(len(arch.tensors)))

    def forward(self, networks: Networks, x: Tensor, missing: Tensor) -> Networks:
        """Networks whose outputs at `x [n, d]` are nearer to what they should be, by `missing [B, n]` larger."""
        if not networks.params.requires_grad:
            networks = Networks(networks.arch, networks.params.detach().requires_grad_())
        inputs, derivatives = _tape(networks, x, create_graph=self.training)
        scales = iter(self.log_scales.exp())
        of_layers = [
            (a, delta, next(scales), None if bias is None else next(scales))
            for a, delta, bias in zip(inputs, derivatives, networks.biases, strict=True)
        ]
        kernel = networks.params.new_zeros(())
        for a, delta, weight, bias in of_layers:
            scaled = weight.sqrt() * a  # with the bias as one more input, so that its part costs no pass over n x n
            if bias is not None:
                scaled = torch.cat([scaled, bias.sqrt().expand(*a.shape[:2], 1)], 2)
            kernel = torch.addcmul(kernel, delta @ delta.mT, scaled @ scaled.mT)
        diagonal = kernel.diagonal(dim1=1, dim2=2)
        damping = self.log_damping.exp() * diagonal.mean(1, keepdim=True)
        factor = torch.linalg.cholesky(kernel.diagonal_scatter(diagonal + damping, dim1=1, dim2=2))
        pull = torch.cholesky_solve(missing.unsqueeze(2), factor)
        change = []
        for a, delta, weight, bias in of_layers:
            pulled = delta * pull
            change.append(weight * (pulled.mT @ a).flatten(1))
            if bias is not None:
                change.append(bias * pulled.sum(1))
        return Networks(networks.arch, networks.params + self.size * torch.cat(change, 1))


def _tape(networks: Networks, x: Tensor, *, create_graph: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Of each layer its inputs `[B, n, in]`, and the network's derivatives by its outputs `[B, n, out]`."""
    value, inputs, sums, layer = x.expand(len(networks), *x.shape), [], [], 0
    for operation in networks.arch.operations:
        if isinstance(operation, Linear):
            inputs.append(value)
            value = value @ networks.weights[layer].mT
            bias = networks.biases[layer]
            value = value if bias is None else value + bias.unsqueeze(1)
            sums.append(value)
            layer += 1
        else:
            value = operation.apply({}, value)
    # Every output depends on its own pixel alone, so the derivative of their sum has those of all.
    derivatives = torch.autograd.grad(value.sum(), sums, create_graph=create_graph)
    return inputs if create_graph else [a.detach() for a in inputs], list(derivatives)


class GaussNewtonEditor(nn.Module):
    """The wanted picture, then the steps."""

    def __init__(self, task: TaskView, steps: int, channels: int) -> None:
        super().__init__()
        (arch,) = task.architectures
        self.task, self.wanted = task, WantedPicture(channels)
        self.steps = nn.ModuleList(GaussNewtonStep(arch) for _ in range(steps))

    @torch.enable_grad()  # derivatives are part of the answer
    def forward(self, networks: Networks) -> Networks:
        """Edited networks `[B, P]`."""
        if not self.training:
            require_finite(networks, GaussNewtonEdit.name)
        x = self.task.coordinates.to(networks.params)
        size = max(1, AT_ONCE // len(x) ** 2 if x.device.type == "cpu" else len(networks))
        parts = [self._edit(networks[i : i + size], x) for i in range(0, len(networks), size)]
        return Networks(networks.arch, torch.cat([part.params for part in parts])) if parts else networks

    def _edit(self, networks: Networks, x: Tensor) -> Networks:
        wanted = self.wanted(self.task.render(networks)).flatten(1)
        for step in self.steps:
            networks = step(networks, x, wanted - self.task.render(networks).flatten(1))
            if not self.training:  # no step is differentiated through
                networks = Networks(networks.arch, networks.params.detach())
        return networks


class GaussNewtonEdit(NeuralMethod):
    """A few learned Gauss-Newton steps towards a predicted picture.

    Unlike `refit` it learns from the training networks what to render, and its cost is fixed: for n pixels and every
    step a product of two n x n matrices per layer and one Cholesky decomposition.

    Fields:
        steps: of Gauss-Newton.
        channels: of the network that predicts the picture; 0 takes the 3x3 dilation of what is rendered.
    """

    name = "gauss-newton-edit"
    tasks = ("inr-dilation",)
    symmetries = ("permutation", "sign")
    one_architecture = True

    steps: PositiveInt = 3
    channels: NonNegativeInt = 16
    epochs: int = 3
    batch_size: int = 64
    lr: float = 1e-2
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"

    def check(self, task: TaskView) -> None:
        """Refuse what are no INRs of grey images made of dense layers. Raises BadInput."""
        super().check(task)
        for arch in task.architectures:
            if arch.output_shape != (1,) or not all(isinstance(op, Linear | Activation) for op in arch.operations):
                raise BadInput(f"{self.name} edits INRs of grey images made of dense layers, not {arch}")

    def build(self, task: TaskView) -> nn.Module:
        """The editor of the one architecture."""
        return GaussNewtonEditor(task, self.steps, self.channels)
