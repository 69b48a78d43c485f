"""Metrics of matched neurons: the share that is right, and the loss barrier between two networks. Torch-free."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

from ...runtime.errors import BadInput
from ..records.truth import Truth
from .metric import Answers, Evaluation, Items, Metric, Units

LINE_POINTS = 11  # where losses are measured on the line between two networks, both ends included
LINE = "line_"  # begins the names of arrays of them


def drawn_permutation(name: str, sizes: list[int]) -> np.ndarray:
    """What the neurons of the copy of network `name` are permuted by: one permutation per group, side by side."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.concatenate([rng.permutation(size) for size in sizes])


def trained_pairs(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows of networks that were trained independently on the same data, and rows of their partners, `[pairs]` each.

    Of every run its latest network, with that of the next run of the same architecture and data; the last run goes
    with the first. Two runs are one pair.
    """
    table = table.reset_index(drop=True)
    latest = table.sort_values("epoch", kind="stable").groupby("run", sort=True).tail(1).sort_values("run")
    pairs = []
    for _, group in latest.groupby(["architecture", "source"], sort=True):
        rows = group.index.tolist()
        pairs += list(zip(rows, rows[1:] + rows[:1], strict=True))[: len(rows) if len(rows) > 2 else len(rows) - 1]
    found = np.asarray(sorted(pairs), int).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _permutations(answers: Answers) -> list[list[np.ndarray]]:
    """For each network the permutations found, one per group of neurons. Raises BadInput for what is none."""
    found = []
    for row, neurons in zip(answers.networks, answers.array("permutations", None), strict=True):
        parts, start = [], 0
        for size in answers.truth.neurons[answers.truth.table["architecture"].iloc[row]]:
            parts.append(neurons[start : start + size])
            if not np.array_equal(np.sort(parts[-1]), np.arange(size)):
                name = answers.truth.table.index[row]
                raise BadInput(f"the neurons found for {name} are no permutation of {size}")
            start += size
        found.append(parts)
    return found


class MatchedNeurons(Metric):
    """The share of neurons that a found permutation puts where they were, in %."""

    name, unit = "matched", "%"

    def read(self, answers: Answers) -> tuple[list[list[np.ndarray]], list[str]]:
        """The permutations of each network, and its id, which says what its copy was drawn with."""
        return _permutations(answers), answers.truth.table.index[answers.networks].map(str).tolist()

    def items(self, permutations: list[list[np.ndarray]], ids: list[str]) -> Items:
        """The share of each network."""
        shares = []
        for parts, name in zip(permutations, ids, strict=True):
            sizes = [len(part) for part in parts]
            drawn = np.split(drawn_permutation(name, sizes), np.cumsum(sizes)[:-1])
            right = [int((order[part] == np.arange(len(part))).sum()) for order, part in zip(drawn, parts, strict=True)]
            shares.append(100 * sum(right) / sum(sizes))
        return Items(np.asarray(shares)[:, None], bounds=(0, 100))


class LossBarrier(Metric):
    """The loss barrier of a pair: by how much at most the loss on the line between two networks is above the line
    between their losses (Entezari et al. 2022, equation 1). In the unit of the zoo's loss."""

    name, higher_is_better = "barrier", False

    def asks_about(self, truth: Truth) -> np.ndarray:
        """The first networks of the pairs."""
        return trained_pairs(truth.table)[0]

    def read(self, answers: Answers) -> tuple[np.ndarray]:
        """Losses along the lines. Raises BadInput for losses at the ends that are not those of the zoo's networks."""
        _permutations(answers)
        return (self._line(answers, "loss"),)

    def _line(self, answers: Answers, name: str) -> np.ndarray:
        """`[pairs, LINE_POINTS]`, a loss or score along the lines, whose ends the zoo knows."""
        line = answers.array(LINE + name, LINE_POINTS).astype(np.float64)
        a, b = trained_pairs(answers.truth.table)
        known = answers.truth.table[f"test_{name}"].to_numpy(float)
        wrong = ~np.isclose(line[:, [0, -1]], np.stack([known[a], known[b]], 1), rtol=1e-3, atol=2e-3).all(1)
        if wrong.any():
            raise BadInput(f"the {name} at the ends of {wrong.sum()} lines is not that of the zoo's networks")
        return line

    def items(self, losses: np.ndarray) -> Items:
        """The barrier of each pair, from `[pairs, LINE_POINTS]`."""
        t = np.linspace(0, 1, LINE_POINTS)
        above = losses - (1 - t) * losses[:, :1] - t * losses[:, -1:]
        return Items(above.max(1)[:, None])

    def evaluate(self, answers: Answers) -> Evaluation:
        """The barrier, and the mean score half-way, of the merged networks; version 1 of the task stored none."""
        found = super().evaluate(answers)
        for name in sorted(answers.arrays):
            if name.startswith(LINE) and name != LINE + "loss":
                score = name.removeprefix(LINE)
                found.scores[f"merged_{score}"] = float(self._line(answers, score)[:, LINE_POINTS // 2].mean())
        return found

    def units(self, answers: Answers) -> Units:
        """The pairs. Each run is in two of them, but for two runs that are one pair."""
        pairs = trained_pairs(answers.truth.table)
        return Units(np.arange(len(pairs[0])), "pair of runs", shared=int(np.bincount(np.concatenate(pairs)).max()))
