"""What networks answer to fixed random inputs, and statistics of that."""

from __future__ import annotations

import torch
from torch import Tensor

from ...zoo.networks.networks import Networks

CONTRASTS = (0.5, 1.0, 2.0)
GRAINS = (2, 4, 8)  # cells to a side of coarse pictures; every fourth has one to a pixel
AT_ONCE = 32  # networks
LARGEST = 1e6  # an answer beyond, as of a diverged network, counts as this: singular values need finite numbers
SINGULAR_VALUES = 10
FLOOR = 1e-3  # added to what is divided by or taken the logarithm of, so that nothing does not become noise
DECIMALS = 5  # of statistics: answers that are sure, 1 but for rounding, differ by the order of neurons otherwise


def random_inputs(shape: tuple[int, ...], count: int, seed: int) -> Tensor:
    """`[count, *shape]`, of three contrasts: normal numbers, or blurred noise in [-1, 1] for `[channels, h, w]`."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for number in range(count):
        contrast = CONTRASTS[number % len(CONTRASTS)]
        if len(shape) != 3:
            drawn.append(contrast * torch.randn(shape, generator=generator))
            continue
        grain = (*GRAINS, max(shape[1:]))[number % (len(GRAINS) + 1)]
        noise = torch.randn(1, shape[0], grain, grain, generator=generator)
        drawn.append((contrast * torch.nn.functional.interpolate(noise, size=shape[1:], mode="bilinear")[0]).tanh())
    return torch.stack(drawn)


def outputs_on(networks: Networks, inputs: Tensor) -> Tensor:
    """`[B, K, outputs]`, finite."""
    parts = [networks[i : i + AT_ONCE].forward(inputs).flatten(2) for i in range(0, len(networks), AT_ONCE)]
    return torch.cat(parts).nan_to_num().clamp(-LARGEST, LARGEST)


def answers(outputs: Tensor) -> Tensor:
    """Probabilities of the classes, of the same shape; a single output is no class and stays."""
    return outputs.softmax(2) if outputs.shape[2] > 1 else outputs


def answer_statistics(outputs: Tensor) -> Tensor:
    """Numbers `[B, d]` that say how sure and how varied answers are, and how many directions they have.

    Of `outputs [B, K, C]`: entropy of the answers (mean and deviation over inputs) and of their mean, the lead of the
    first class over the second, sorted answers; deviations over inputs of each output, sorted, quantiles of the
    deviation over outputs, deviation of the mean outputs; of the outputs less their means over inputs the logarithm of
    the largest singular value, the singular values' shares, and the sum of all correlations. Those of classes are
    constants where there is one output.
    """
    probabilities = outputs.softmax(2)
    entropy = torch.special.entr(probabilities).sum(2)
    ranked = probabilities.sort(2, descending=True).values
    spread = outputs.std(2, correction=0)
    centred = outputs - outputs.mean(1, keepdim=True)
    directions = centred / (centred.norm(dim=1, keepdim=True) + FLOOR)
    strengths = torch.linalg.svdvals(centred)
    quarters = torch.linspace(0, 1, 5).to(spread)
    columns = [
        entropy.mean(1),
        entropy.std(1, correction=0),
        torch.special.entr(probabilities.mean(1)).sum(1),
        (ranked[..., :1] - ranked[..., 1:2]).sum(2).mean(1),
        *ranked.mean(1).T,
        *centred.square().mean(1).sqrt().sort(1).values.T,
        *spread.quantile(quarters, dim=1),
        outputs.mean(1).std(1, correction=0),
        (strengths[:, 0] + FLOOR).log(),
        *(strengths[:, :SINGULAR_VALUES] / (strengths.sum(1, keepdim=True) + FLOOR)).T,
        (directions.mT @ directions).triu(1).abs().sum((1, 2)),
    ]
    return torch.stack(columns, 1).round(decimals=DECIMALS)


def agreement(given: Tensor, mean: Tensor) -> Tensor:
    """Mean squared difference and correlation over inputs of answers `[B, K, C]` and `mean [K, C]`: `[B, 2]`."""
    off = (given - mean).square().mean((1, 2))
    moves, mean_moves = given - given.mean(1, keepdim=True), mean - mean.mean(0)
    scale = moves.square().sum((1, 2)).sqrt() * mean_moves.norm() + FLOOR
    return torch.stack([off, (moves * mean_moves).sum((1, 2)) / scale], 1).round(decimals=DECIMALS)
