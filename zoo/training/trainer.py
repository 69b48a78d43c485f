"""The engine that trains many networks at once: one fused step of loss, gradient and optimiser over a chunk of them.

The networks of a chunk share an architecture and the tensors that batches are taken from; data order, learning rate,
weight decay, dropout, optimiser and random numbers are each network's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..networks.architecture import Architecture
from ..recipes.run_recipe import Loss
from .network_scores import mean_losses

Row = TypeVar("Row")

# Elementwise loops of fewer steps run in one thread: starting the others costs more. It also keeps torch 2.13 from
# starting them once per network, which it does for sums over rows shorter than a vector register.
MIN_THREADED_STEPS = 2**16
NO_KEYS = torch.zeros(0, dtype=torch.int32)


class Optimizer(NamedTuple):
    """Coefficients of the one update that SGD with momentum, RMSprop and Adam are cases of.

    m <- momentum m + gain g;  v <- decay v + (1 - decay) g^2;
    params <- params - lr m / (sqrt(v) + epsilon), or - lr m where not adaptive; Adam divides m and v by 1 - beta^t.
    """

    momentum: float
    gain: float
    decay: float
    epsilon: float
    adaptive: bool
    corrected: bool


OPTIMIZERS = {
    "adam": Optimizer(0.9, 0.1, 0.999, 1e-8, adaptive=True, corrected=True),  # Kingma and Ba 2015
    "sgd": Optimizer(0.9, 1.0, 0.0, 0.0, adaptive=False, corrected=False),
    "rmsprop": Optimizer(0.0, 1.0, 0.9, 1e-7, adaptive=True, corrected=False),  # Keras' defaults
}


class Coefficients(NamedTuple, Generic[Row]):
    """What one step of each network's update is computed from, a row `[B]` or `[B, 1]` for each.

    Attributes:
        rate: learning rate over Adam's 1 - beta_1^t.
        unbias: 1 over Adam's 1 - beta_2^t, a factor of the second moment.
        momentum, gain, decay, epsilon, adaptive: see `Optimizer`.
        weight_decay: factor of the weights, not biases, in the gradient.
        keep: probability that dropout keeps a hidden unit.
    """

    rate: Row
    unbias: Row
    momentum: Row
    gain: Row
    decay: Row
    epsilon: Row
    adaptive: Row
    weight_decay: Row
    keep: Row


class TrainingSettings:
    """What each of B networks is trained with; every argument is one value for all or a sequence of B.

    Arguments:
        optimizer: names in `OPTIMIZERS`.
        lr, weight_decay, dropout: see `recipe.Hyperparameters`.
        keys: 64-bit numbers that dropout's random numbers come from.
    """

    def __init__(
        self,
        size: int,
        *,
        lr: float | Sequence[float],
        optimizer: str | Sequence[str] = "adam",
        weight_decay: float | Sequence[float] = 0.0,
        dropout: float | Sequence[float] = 0.0,
        keys: Sequence[int] | int = 0,
    ) -> None:
        names = [optimizer] * size if isinstance(optimizer, str) else optimizer
        rows = np.array([OPTIMIZERS[name] for name in names], np.float64).T
        self.momentum, self.gain, self.decay, self.epsilon, self.adaptive, corrected = rows
        self.corrected = corrected.astype(bool)
        self.lr, self.weight_decay, self.dropout = (
            np.broadcast_to(np.asarray(values, np.float64), size) for values in (lr, weight_decay, dropout)
        )
        self.keys = np.broadcast_to(np.asarray(keys, np.uint64), size)
        first = Coefficients(
            rate=np.zeros(size),  # this and the next change with the step
            unbias=np.zeros(size),
            momentum=self.momentum,
            gain=self.gain,
            decay=self.decay,
            epsilon=self.epsilon,
            adaptive=self.adaptive,
            weight_decay=self.weight_decay,
            keep=1 - self.dropout,
        )
        self._coefficients: np.ndarray = np.stack(first).astype(np.float32)[..., None]

    def coefficients(self, step: int) -> np.ndarray:
        """The update's `Coefficients` at `step` (from 1), one below the other: float32 `[9, B, 1]`."""
        rows = self._coefficients.copy()
        rows[0, :, 0] = self.lr / np.where(self.corrected, 1 - self.momentum**step, 1.0)
        rows[1, :, 0] = 1 / np.where(self.corrected, 1 - self.decay**step, 1.0)
        return rows

    def dropout_keys(self, step: int) -> np.ndarray:
        """A number for every (key, step), int32 `[B]` (the finaliser of SplitMix64, Steele et al. 2014)."""
        mixed = self.keys + np.uint64(step * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (mixed >> np.uint64(32)).astype(np.uint32).view(np.int32)


class TrainingState(NamedTuple):
    """A chunk in training: `params`, first and second moments `[B, P]`, and the steps done."""

    params: Tensor
    mean: Tensor
    square: Tensor
    steps: int

    @classmethod
    def start(cls, params: Tensor) -> TrainingState:
        """Before the first step, from initial parameters `[B, P]`."""
        return cls(params, torch.zeros_like(params), torch.zeros_like(params), 0)


def compiler() -> str:
    """ "inductor" where torch.compile can work on this machine's CPU, else "eager"."""
    return "inductor" if any(shutil.which(name) for name in ("g++", "clang++")) else "eager"


class Trainer:
    """Trains chunks of networks of `arch`.

    Arguments:
        loss: "cross-entropy" (targets int64 `[..., n]`) or "mse" (float `[..., n, out]`), the mean over a batch.
        engine: "inductor" or "eager"; the first falls back to the second when compiling fails.
        dropout: whether any network uses it; without, its random numbers cost nothing.
    """

    def __init__(self, arch: Architecture, loss: Loss, *, engine: str, dropout: bool = False) -> None:
        self.arch, self.loss, self.engine, self.dropout = arch, loss, engine, dropout
        self._compiled: dict[tuple[tuple[int, ...], ...], Callable[..., Sequence[Tensor]]] = {}

    @torch.no_grad()
    def step(
        self, state: TrainingState, settings: TrainingSettings, inputs: Tensor, targets: Tensor, index: Tensor | None
    ) -> TrainingState:
        """One optimiser step of all networks.

        Arguments:
            inputs, targets: `[N, ...]`, from which `index [B, n]` takes each network's batch; without `index` the
                inputs `[n, ...]` are common to all and the targets are each network's own, `[B, n, out]`.
        """
        device, step = state.params.device, state.steps + 1
        coefficients = torch.from_numpy(settings.coefficients(step)).to(device)
        keys = torch.from_numpy(settings.dropout_keys(step)).to(device) if self.dropout else NO_KEYS.to(device)
        arguments = [*state[:3], coefficients, keys, inputs, targets, *([] if index is None else [index])]
        params, mean, square = self._update(arguments)(*arguments)
        return TrainingState(params, mean, square, step)

    def _update(self, arguments: list[Tensor]) -> Callable[..., Sequence[Tensor]]:
        """What takes a step with arguments of this layout.

        The step is traced once for each, as one graph, and called without torch.compile's checks, which take a third of
        the time of a step of few small networks.
        """
        layout = tuple((*argument.shape, *argument.stride()) for argument in arguments)
        if self.engine == "inductor" and layout not in self._compiled:
            try:
                self._compiled[layout] = _compile(self._eager_update, arguments)
            except RuntimeError:  # what torch's own errors of tracing and compiling are kinds of
                self.engine = "eager"
        return self._compiled[layout] if self.engine == "inductor" else self._eager_update

    def _eager_update(
        self,
        params: Tensor,
        mean: Tensor,
        square: Tensor,
        coefficients: Tensor,
        keys: Tensor,
        inputs: Tensor,
        targets: Tensor,
        index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        now = Coefficients(*coefficients.unbind(0))
        if index is not None:  # items outermost in memory: the layout of one grouped convolution
            inputs, targets = inputs[index.mT].transpose(0, 1), targets[index]
        thin = (lambda x, layer: _drop(x, layer, keys, now.keep)) if self.dropout else None

        def summed_losses(params: Tensor) -> tuple[Tensor, dict[int, dict[str, Tensor]]]:
            buffers: dict[int, dict[str, Tensor]] = {}
            return mean_losses(self.arch, self.loss, params, inputs, targets, thin, buffers).sum(), buffers

        # The networks share no parameter, so the gradient of the sum holds every network's own gradient.
        grad, buffers = torch.func.grad(summed_losses, has_aux=True)(params)
        grad = grad + now.weight_decay * params * self._is_weight(params)
        mean = now.momentum * mean + now.gain * grad
        square = now.decay * square + (1 - now.decay) * grad * grad
        scale = torch.where(now.adaptive > 0, (square * now.unbias).sqrt() + now.epsilon, 1.0)
        return self._with_buffers(params - now.rate * mean / scale, buffers), mean, square

    def _with_buffers(self, params: Tensor, buffers: dict[int, dict[str, Tensor]]) -> Tensor:
        """`params` with the running statistics that a step left."""
        if all(tensor.spec.trained for tensor in self.arch.tensors):
            return params
        parts = [
            params[:, t.start : t.stop] if t.spec.trained else buffers[t.operation][t.kind] for t in self.arch.tensors
        ]
        return torch.cat(parts, 1)

    def _is_weight(self, params: Tensor) -> Tensor:
        parts = [
            torch.full((t.stop - t.start,), float(t.kind == "weight"), device=params.device) for t in self.arch.tensors
        ]
        return torch.cat(parts)


def _compile(update: Callable[..., Sequence[Tensor]], arguments: list[Tensor]) -> Callable[..., Sequence[Tensor]]:
    import torch._inductor  # takes seconds, which who does not build need not wait
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(lambda *tensors: update(*tensors))(*arguments)
    compiled: Callable[..., Sequence[Tensor]] = torch._inductor.compile(
        graph, [*arguments], options={"cpp.min_chunk_size": MIN_THREADED_STEPS}
    )
    return compiled


def _drop(x: Tensor, layer: int, keys: Tensor, keep: Tensor) -> Tensor:
    """Dropout whose random numbers come from a hash of (key, layer, position): equal in any chunk and engine."""
    batch, n, *shape = x.shape
    position = torch.arange(x[0].numel(), dtype=torch.int32, device=x.device).view(1, n, *shape)
    bits = position * -1640531527 + (keys + layer * 668265263).view(batch, *[1] * (x.ndim - 1))
    for shift, factor in (
        (16, -2048144789),
        (13, -1028477387),
    ):  # the finaliser of MurmurHash3 (Appleby, public domain)
        bits = (bits ^ ((bits >> shift) & ((1 << (32 - shift)) - 1))) * factor
    uniform = ((bits >> 8) & 0xFFFFFF).to(x.dtype) * 2.0**-24
    keep = keep.view(batch, *[1] * (x.ndim - 1))
    return torch.where(uniform < keep, x / keep, 0.0)
