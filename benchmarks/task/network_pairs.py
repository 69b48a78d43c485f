"""Pairs of networks whose neurons are to be matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...zoo.networks import symmetry
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ...zoo.training.run_evaluation import RunEvaluator
from ..metrics.alignment import LINE, LINE_POINTS, drawn_permutation, trained_pairs
from ..records.predictions import Arrays


def neurons(arch: Architecture) -> list[int]:
    """Sizes of the groups of hidden neurons that can be moved."""
    return [group.size for group in symmetry.neuron_groups(arch, "permutation")]


@dataclass(frozen=True, eq=False)
class Pairs:
    """B pairs of networks of one architecture.

    Arguments:
        runs: `[B]`, numbers of the runs that trained a; where both were trained.
    """

    a: Networks
    b: Networks
    runs: Tensor | None = None

    @property
    def arch(self) -> Architecture:
        """Of all of them."""
        return self.a.arch

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: slice | Tensor) -> Pairs:
        return Pairs(self.a[index], self.b[index], None if self.runs is None else self.runs[index])


def copies(networks: Networks, ids: list[str], noise: float) -> Pairs:
    """Each network and its copy permuted by `drawn_permutation`, with Gaussian noise.

    Arguments:
        noise: its standard deviation, in those of each tensor.
    """
    drawn = np.stack([drawn_permutation(name, neurons(networks.arch)) for name in ids])
    params = networks.permuted(list(torch.split(torch.from_numpy(drawn), neurons(networks.arch), 1))).params
    generator = torch.Generator().manual_seed(0)
    for tensor in networks.arch.tensors:
        part = params[:, tensor.start : tensor.stop]  # a view
        part += noise * part.std(1, correction=0, keepdim=True) * torch.randn(part.shape, generator=generator)
    return Pairs(networks, Networks(networks.arch, params))


def trained(split: Split) -> list[Pairs]:
    """Pairs of a split's networks that were trained independently on the same data, see `alignment.trained_pairs`."""
    firsts, seconds = trained_pairs(split.table)
    numbers, found, start = split.table["run"].to_numpy(), [], 0
    for group in split.groups:
        here = (start <= firsts) & (firsts < start + len(group))
        a, b = (torch.from_numpy(rows[here] - start) for rows in (firsts, seconds))
        if len(a):
            found.append(Pairs(group[a], group[b], torch.from_numpy(numbers[firsts[here]])))
        start += len(group)
    return found


def line_scores(evaluator: RunEvaluator, pairs: list[Pairs], permutations: Tensor) -> Arrays:
    """Losses and scores on the test items along the line from each a to its b, whose neurons are permuted.

    Arguments:
        permutations: `[pairs, neurons]`, as `Alignment.output` gives them, all groups below each other.

    Returns `line_loss` and, of a classifier, `line_accuracy`, or `line_r2`: float32 `[pairs, LINE_POINTS]`.
    """
    lines = []
    t = torch.linspace(0, 1, LINE_POINTS)[:, None]
    for group, found in zip(pairs, torch.split(permutations, [len(group) for group in pairs]), strict=True):
        sizes = neurons(group.arch)
        moved = group.b.permuted(list(torch.split(found[:, : sum(sizes)], sizes, 1)))
        assert group.runs is not None
        for a, b, run in zip(group.a.params, moved.params, group.runs.tolist(), strict=True):
            lines.append(evaluator.evaluate(a * (1 - t) + b * t, evaluator.runs[run], ["test"]))
    return {name.replace("test_", LINE): np.stack([line[name] for line in lines]) for name in lines[0]}
