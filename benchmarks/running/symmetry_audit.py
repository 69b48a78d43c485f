"""The symmetry audit: how far answers move when weights change and functions do not, and how far when both do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...zoo.networks import symmetry
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ..records.result import SymmetryName, SymmetryPart
from .protocols import Representation, Supervised

AUDITED_NETWORKS = 128  # spread evenly over the test split, in equal shares of each architecture
DRAWS = 5  # random elements of each symmetry for every network
WORST = 0.99  # the quantile of the changes that stands for the largest: one rounding that flips an answer is no fault
TAIL = 0.05  # of a coordinate's values on either side, which its spread does not see
ROUNDING = 1e-6  # of a coordinate's largest value: smaller differences are those of single precision
FLOOR = 1e-3  # of the largest coordinate's spread: a smaller one counts as that


@dataclass(frozen=True)
class Scale:
    """How much answers differ between networks of one architecture.

    Arguments:
        centres: of every architecture, `[D]`: the median of each coordinate.
        spread, largest: `[D]`, the deviation and the largest value of each coordinate, over all architectures.
        varying: how many coordinates differ between networks.
    """

    centres: list[np.ndarray]
    spread: np.ndarray
    largest: np.ndarray
    varying: int

    @classmethod
    def of(cls, answers: Sequence[np.ndarray]) -> Scale | None:
        """That of answers `[N, D]` for each architecture; None where they do not differ.

        A coordinate's spread is its winsorised standard deviation (Dixon and Tukey 1968): a few outliers cannot make it
        huge, and answers that 19 of 20 networks share differ as little as if all did. The floor keeps coordinates that
        hardly differ at all from making it tiny. An architecture with one network is centred on the others.
        """
        together = np.concatenate(answers)
        centres = [np.median(found if len(found) > 1 else together, axis=0) for found in answers]
        centred = np.concatenate([found - centre for found, centre in zip(answers, centres, strict=True)])
        spread = _winsorised(centred).std(0)
        largest = np.abs(_winsorised(together)).max(0)
        varying = spread > np.maximum(1e-12, ROUNDING * largest)
        if not varying.any():
            return None
        floor = FLOOR * spread[varying].max()
        return cls(centres, np.maximum(spread, floor), largest, int((varying & (spread > floor)).sum()))

    def changes(self, before: np.ndarray, after: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """How far answers `[N, D]` of an architecture move beyond rounding, `[N]`.

        The root mean square over coordinates in their spreads, for an outlier in its own distance from the centre.
        """
        rounding = ROUNDING * np.maximum(np.abs(before), self.largest)
        moved = np.maximum(np.abs(after - before) - rounding, 0.0)
        found: np.ndarray = self._lengths(moved) / np.maximum(1.0, self._lengths(before - centre))
        return found

    def _lengths(self, differences: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.linalg.norm(differences / self.spread, axis=1) / np.sqrt(self.varying)
        return found


def _winsorised(values: np.ndarray) -> np.ndarray:
    return values.clip(*np.quantile(values, (TAIL, 1 - TAIL), axis=0))


def audit(protocol: Supervised | Representation, split: Split, *, seed: int) -> SymmetryPart:
    """The figures of `SymmetryPart` for a fitted method, and the mean change of the headline metric.

    Under the representation protocol it is the embeddings that move.
    """
    return _Audit(protocol, split, seed).report()


class _Audit:
    """One audit: some test networks, the answers about them, and a source of random changes."""

    def __init__(self, protocol: Supervised | Representation, split: Split, seed: int) -> None:
        self.protocol, task = protocol, protocol.task
        share = max(1, AUDITED_NETWORKS // len(split.groups))
        chosen = [_spread_evenly(len(networks), share) for networks in split.groups]
        self.groups = [networks[places] for networks, places in zip(split.groups, chosen, strict=True)]
        starts = torch.tensor([0, *(len(networks) for networks in split.groups[:-1])]).cumsum(0).tolist()
        rows = torch.cat([start + places for start, places in zip(starts, chosen, strict=True)])
        self.table, self.targets = split.table.iloc[rows.numpy()], task.targets(split)[rows]
        self.generator = torch.Generator().manual_seed(seed)
        self.outputs = [protocol.output(group) for group in self.groups]

    def report(self) -> SymmetryPart:
        """What is recorded."""
        plain = self._answers(self.outputs)
        declared = list(self.protocol.method.symmetries)
        if (scale := Scale.of(plain)) is None:
            return SymmetryPart(constant=True, draws=DRAWS, declared=declared)
        figures: dict[str, float | None] = {}
        score_changes: dict[SymmetryName, float | None] = {}
        quality = self._quality(self.outputs)
        for kind in symmetry.KINDS:
            draws = [self._transformed(kind) for _ in range(DRAWS)]
            figures[kind] = self._figure(scale, plain, draws, WORST)
            qualities = [self._quality(self._filled(draw)) for draw in draws] if figures[kind] is not None else []
            score_changes[kind] = round(float(np.mean(qualities)) - quality, 4) if qualities else None
        reordered = [
            self._output_of([rows_reordered(group, self.generator) for group in self.groups]) for _ in range(DRAWS)
        ]
        return SymmetryPart(
            **figures,
            sensitivity=self._figure(scale, plain, reordered, 0.5),
            constant=False,
            draws=DRAWS,
            declared=declared,
            score_change=score_changes,
        )

    def _transformed(self, kind: symmetry.Kind) -> list[Any]:
        """One output per architecture after a random element of a symmetry; None for one without that symmetry."""
        elements = [symmetry.sample(group.arch, kind, len(group), self.generator) for group in self.groups]
        pairs = zip(self.groups, elements, strict=True)
        return self._output_of([group.transformed(kind, element) if element else None for group, element in pairs])

    def _output_of(self, changed: Sequence[Networks | None]) -> list[Any]:
        return [None if networks is None else self.protocol.output(networks) for networks in changed]

    def _filled(self, outputs: Sequence[Any]) -> list[Any]:
        return [plain if found is None else found for found, plain in zip(outputs, self.outputs, strict=True)]

    def _figure(self, scale: Scale, plain: list[np.ndarray], draws: list[list[Any]], quantile: float) -> float | None:
        """A quantile of the changes over networks and draws; None where there was nothing to change."""
        changes = [
            scale.changes(before, after, centre)
            for outputs in draws
            for before, after, centre, output in zip(
                plain, self._answers(self._filled(outputs)), scale.centres, outputs, strict=True
            )
            if output is not None and len(before)
        ]
        return float(f"{np.quantile(np.concatenate(changes), quantile):.3g}") if changes else None

    def _answers(self, outputs: Sequence[Any]) -> list[np.ndarray]:
        """What can move of the outputs, `[B, D]` for each architecture."""
        return [answer.detach().cpu().double().flatten(1).numpy() for answer in self.protocol.seen(outputs)]

    def _quality(self, outputs: Sequence[Any]) -> float:
        return self.protocol.task.quality(self.protocol.judged(outputs, self.table), self.targets)


def rows_reordered(networks: Networks, generator: torch.Generator) -> Networks | None:
    """Other functions of the same numbers: one hidden layer's neurons, weights and biases, in another order, which the
    next layer does not follow. None where no hidden layer has two neurons.

    Every network has a layer of its own drawn, all of whose neurons move, in one random cycle.
    """
    groups = symmetry.neuron_groups(networks.arch)
    producers = [layer for group in groups if group.size > 1 for layer in group.producers]
    hidden = [(layer, networks.weights[layer].shape[1]) for layer in producers]  # of heads, all neurons of all of them
    if not hidden:
        return None
    found = Networks(networks.arch, networks.params.detach().clone())
    chosen = torch.randint(len(hidden), (len(networks),), generator=generator)
    for number, (layer, size) in enumerate(hidden):
        cycle = torch.rand(len(networks), size, generator=generator).argsort(1)
        order = torch.where(
            (chosen == number)[:, None],
            torch.empty_like(cycle).scatter_(1, cycle, cycle.roll(1, 1)),
            torch.arange(size),
        )
        for tensor in (found.weights[layer], found.biases[layer]):
            if tensor is not None:
                tensor.copy_(tensor.take_along_dim(_along_rows(order.to(tensor.device), tensor), 1))
    return found


def _along_rows(order: Tensor, like: Tensor) -> Tensor:
    return order.view(*order.shape, *[1] * (like.ndim - 2))


def _spread_evenly(count: int, wanted: int) -> Tensor:
    """At most `wanted` places of `count`, from the first to the last."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()
