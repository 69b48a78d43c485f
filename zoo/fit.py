"""The engine that trains many networks at once: one fused step of gradient and Adam over a chunk of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from torch import Tensor

from .architecture import Architecture
from .functional import evaluate

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults (Kingma and Ba 2015)

Step = Callable[..., tuple[Tensor, Tensor, Tensor]]


def compiler() -> str:
    """ "inductor" where torch.compile can work on this machine's CPU, else "eager"."""
    return "inductor" if any(shutil.which(name) for name in ("g++", "clang++")) else "eager"


class FullBatchFitter:
    """Fits chunks of `arch` to targets on one common set of inputs; mean squared error, Adam, full batch.

    Arguments:
        x: inputs `[n, in]`.
        lr, steps: of Adam.
        engine: "inductor" or "eager"; the first falls back to the second when compiling fails.
    """

    def __init__(self, arch: Architecture, x: Tensor, *, lr: float, steps: int, engine: str) -> None:
        self.arch, self.x, self.lr, self.steps, self.engine = arch, x, lr, steps, engine
        self._step: Step = self._adam_step
        if engine == "inductor":  # as one graph or not at all: in pieces it is slower than eager
            self._step = torch.compile(self._adam_step, dynamic=False, fullgraph=True)

    def mse(self, params: Tensor, x: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of each network, `[B]`; targets `[B, n, out]`."""
        return (evaluate(self.arch, params, x)[0] - targets).square().mean((1, 2))

    def _adam_step(
        self, params: Tensor, mean: Tensor, square: Tensor, corrections: Tensor, x: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        # The networks share no parameter, so the gradient of the sum holds every network's own gradient.
        grad = torch.func.grad(lambda p: self.mse(p, x, targets).sum())(params)
        mean = mean.lerp(grad, 1 - BETA_1)
        square = BETA_2 * square + (1 - BETA_2) * grad * grad
        params = params - self.lr * (mean / corrections[0]) / ((square / corrections[1]).sqrt() + EPSILON)
        return params, mean, square

    @torch.no_grad()
    def __call__(self, params: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Train `params [B, P]` on `targets [B, n, out]`; returns the trained ones and their final error `[B]`."""
        mean, square = torch.zeros_like(params), torch.zeros_like(params)
        for step in range(1, self.steps + 1):
            corrections = torch.tensor([1 - BETA_1**step, 1 - BETA_2**step], device=params.device)
            arguments = (params, mean, square, corrections, self.x, targets)
            try:
                params, mean, square = self._step(*arguments)
            except torch._dynamo.exc.TorchDynamoException:
                self.engine, self._step = "eager", self._adam_step
                params, mean, square = self._step(*arguments)
        return params, self.mse(params, self.x, targets)
