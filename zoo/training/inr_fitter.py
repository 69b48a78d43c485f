"""Fitting implicit neural representations (INRs) to images, many at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..networks.architecture import Architecture
from .trainer import Trainer, TrainingSettings, TrainingState

# On a CPU, networks are fitted in blocks whose activations stay in a core's second cache, 1 to 2 MiB on servers:
# those of larger blocks are fetched from memory several times a step.
BLOCK_BYTES = 7 * 2**18


class INRFitter:
    """Full-batch Adam on the parameters of INRs of one architecture, each towards an image of its own.

    Arguments:
        pixels: coordinates at which all images are given, `[n, 2]`, on the device that fits.
        engine: see `Trainer`.
    """

    def __init__(self, arch: Architecture, pixels: Tensor, *, lr: float, engine: str) -> None:
        self.arch, self.pixels, self.lr = arch, pixels, lr
        self.trainer = Trainer(arch, "mse", engine=engine)

    def largest_block(self, most: int) -> int:
        """How many networks are best fitted at once, at most `most`: on a CPU those that its cache holds."""
        if self.pixels.device.type != "cpu":
            return most
        *hidden, _ = (tensor.stop - tensor.start for tensor in self.arch.tensors if tensor.kind == "bias")
        values = 2 * sum(hidden) * len(self.pixels)  # before and after each sine
        return min(most, max(1, BLOCK_BYTES // (4 * values)))

    def fit(
        self, params: Tensor, targets: Tensor, *, steps: int, block: int, advance: Callable[[int], None] | None = None
    ) -> Tensor:
        """`params [B, P]` after `steps` steps towards `targets [B, n, channels]`.

        Arguments:
            block: networks that are fitted at once; the last block is padded, because a step is compiled for its
                size, and the bits of what it computes depend on that.
            advance: called with the number of networks after each block.
        """
        settings = TrainingSettings(block, lr=self.lr)
        fitted = [params[:0]]
        for start in range(0, len(params), block):
            part = torch.arange(start, start + block).clamp(max=len(params) - 1).to(params.device)
            state, wanted = TrainingState.start(params[part]), targets[part]
            for _ in range(steps):
                state = self.trainer.step(state, settings, self.pixels, wanted, None)
            fitted.append(state.params)
            if advance:
                advance(min(block, len(params) - start))
        return torch.cat(fitted)[: len(params)]
