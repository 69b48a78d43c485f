"""Orders of neurons as they are stored: the share that is right, and the loss barrier. Torch-free."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...runtime.errors import BadInput
from ..records.evidence import Truth, stored

Arrays = dict[str, np.ndarray]
LINE_POINTS = 11  # where losses are measured on the line between two networks, both ends included


def drawn_order(name: str, sizes: list[int]) -> np.ndarray:
    """The order of the neurons in the copy of network `name`: one permutation per group, side by side."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.concatenate([rng.permutation(size) for size in sizes])


def _orders(arrays: Arrays, truth: Truth, rows: np.ndarray) -> Iterator[tuple[int, list[tuple[int, np.ndarray]]]]:
    """Each network's row, and its orders of neurons with the place where each starts. Raises BadInput for no orders."""
    for row, found in zip(rows, stored(arrays, "permutations", len(rows), None), strict=True):
        parts, start = [], 0
        for size in truth.neurons[truth.table["architecture"].iloc[row]]:
            part = found[start : start + size]
            if not np.array_equal(np.sort(part), np.arange(size)):
                raise BadInput(f"the neurons found for {truth.table.index[row]} are no permutation of {size}")
            parts.append((start, part))
            start += size
        yield row, parts


def matched_shares(arrays: Arrays, truth: Truth, rows: np.ndarray) -> np.ndarray:
    """The share of neurons that each found permutation puts where they were, in %, `[N]`."""
    shares = []
    for row, parts in _orders(arrays, truth, rows):
        drawn = drawn_order(str(truth.table.index[row]), [len(part) for _, part in parts])
        right = sum(int((drawn[at : at + len(part)][part] == np.arange(len(part))).sum()) for at, part in parts)
        shares.append(100 * right / len(drawn))
    return np.asarray(shares)


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


def barriers(arrays: Arrays, truth: Truth, rows: np.ndarray) -> np.ndarray:
    """The loss barrier of each pair, `[N]`: the most by which the loss on the line between the two networks is above
    the line between their losses (Entezari et al. 2022, equation 1).

    Raises BadInput for losses at the ends that are not those of the zoo's networks.
    """
    for _ in _orders(arrays, truth, rows):
        pass
    losses = stored(arrays, "line_loss", len(rows), LINE_POINTS).astype(np.float64)
    a, b = trained_pairs(truth.table)
    partner = dict(zip(a.tolist(), b.tolist(), strict=True))
    known = truth.table["test_loss"].to_numpy(float)
    ends = np.stack([known[rows], known[[partner[row] for row in rows.tolist()]]], 1)
    wrong = ~np.isclose(losses[:, [0, -1]], ends, rtol=1e-3, atol=2e-3).all(1)
    if wrong.any():
        raise BadInput(f"the losses at the ends of {wrong.sum()} lines are not those of the zoo's networks")
    t = np.linspace(0, 1, LINE_POINTS)
    above: np.ndarray = losses - (1 - t) * losses[:, :1] - t * losses[:, -1:]
    return above.max(1)
