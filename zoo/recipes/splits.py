"""Which source items and runs go to which split: fixed by the zoo's version, never drawn when it is loaded.

INRs are split by image (all copies together), runs as a whole; a snapshot zoo has a second, leaky set of splits inside
every run, as published results use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.errors import BadInput
from .raw_data import Source

SPLIT_SEED = 0  # splits belong to the zoo's version, not to a build's seed
HELD_OUT = {"test": 0.2, "val": 0.1}  # of each run's snapshots, in the splits `within-run`
SPLITS = {
    "train": 11,
    "val": 1,
    "test": 2,
}  # shares where a zoo has no splits of its own: 55,000, 5,000, 10,000 of 70,000

Parts = dict[str, np.ndarray]


def split_items(sizes: dict[str, int], source: Source, order: str, limit: int | None) -> Parts:
    """The source items of each split in their fixed order; with `limit`, the first of each, in proportion.

    A data set's own test items are the test split. The others are shuffled once (or left in their order): "train" takes
    them from the front, the other splits one after the other from the back, so that a zoo of fewer items of the same
    source is a part of the larger one. A smaller source (a subset) is split in the same proportions.
    """
    total = len(source.inputs)
    pool, own_test = np.arange(total - source.n_test), np.arange(total - source.n_test, total)
    if order == "shuffled":
        pool = np.random.default_rng(SPLIT_SEED).permutation(pool)
        own_test = np.random.default_rng(SPLIT_SEED).permutation(own_test)
    if order == "index":
        own_test = own_test[:0]  # Zhou et al. (2023) cut the 60,000 training images alone
    ends = {"test": own_test} if len(own_test) else {}
    wanted = {name: size for name, size in sizes.items() if name not in ends}
    room = dict(zip(wanted, shares(wanted, min(len(pool), sum(wanted.values()))), strict=True))
    parts: Parts = {}
    taken = 0
    for name in sizes:
        if name in ends:
            parts[name] = ends[name][: sizes[name]]
        elif order == "index":
            parts[name] = pool[taken : taken + room[name]]
            taken += room[name]
        elif name == "train":
            parts[name] = pool[: room[name]]
        else:
            parts[name] = pool[::-1][taken : taken + room[name]]
            taken += room[name]
    return limited(parts, limit)


def split_runs(sizes: dict[str, int], strata: Sequence[str], limit: int | None) -> Parts:
    """The runs of each split, every split with the same share of each stratum.

    Arguments:
        strata: the stratum of each run.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    names = np.asarray(strata)
    queues = [rng.permutation(np.flatnonzero(names == name)) for name in dict.fromkeys(strata)]
    # Each run stands at its quantile within its stratum, so that any stretch of the order holds equal shares.
    places = np.concatenate([(np.arange(len(queue)) + 0.5) / len(queue) for queue in queues])
    order = np.concatenate(queues)[np.argsort(places, kind="stable")]
    cuts = np.cumsum(list(sizes.values()))
    return limited(dict(zip(sizes, np.split(order, cuts)[:-1], strict=True)), limit)


def split_groups(groups: Sequence[str], given: Sequence[str], strata: Sequence[str]) -> np.ndarray:
    """The split of each network `[N]`, all networks of a group on one side.

    Arguments:
        groups: of each network.
        given: its split, or "" where that is free; free groups are drawn for the splits that nothing is given to.
        strata: every split has the same share of each.

    Raises BadInput for a group that is given to two splits, and when there are too few groups to fill every split.
    """
    names, first, of = np.unique(np.asarray(groups, object), return_index=True, return_inverse=True)
    fixed = np.full(len(names), "", object)
    for split in SPLITS:
        mine = np.unique(of[np.asarray(given, object) == split])
        taken = mine[fixed[mine] != ""]
        if len(taken):
            raise BadInput(
                f"{names[taken[0]]} is in split {fixed[taken[0]]} and in split {split}: networks of one group belong "
                "on one side"
            )
        fixed[mine] = split
    free = np.flatnonzero(fixed == "")
    wanted = {split: part for split, part in SPLITS.items() if split not in set(fixed)}
    if len(free) < len(wanted):
        raise BadInput(
            f"{len(names):,} groups of networks do not fill the splits {', '.join(SPLITS)}: give more networks, or a "
            "column `split` in the --labels CSV"
        )
    if len(free):
        room = {split: part * len(free) for split, part in wanted.items()} or {"train": len(free)}
        sizes = dict(zip(room, shares(room, len(free)), strict=True))
        for split, part in split_runs(sizes, [strata[i] for i in first[free]], None).items():
            fixed[free[part]] = split
    return fixed[of]


def limited(parts: Parts, limit: int | None) -> Parts:
    """The first items of every split, `limit` over all in proportion."""
    if limit is None:
        return parts
    if limit < len(parts):
        raise BadInput(f"--limit {limit}: at least {len(parts)}, one item for each split")
    total = sum(map(len, parts.values()))
    if limit > total:
        raise BadInput(
            f"--limit {limit}: the source has {total:,} items for this zoo; leave --limit out for the whole one"
        )
    kept = shares({name: len(items) for name, items in parts.items()}, limit)
    return {name: items[:n] for (name, items), n in zip(parts.items(), kept, strict=True)}


def shares(sizes: dict[str, int], total: int) -> list[int]:
    """`total` shared out as `sizes` are: rounded down, at least one each; what is left goes where there is room."""
    whole = sum(sizes.values())
    found = [max(1, size * total // whole) for size in sizes.values()]
    for index, size in enumerate(sizes.values()):
        found[index] += min(total - sum(found), max(size - found[index], 0)) if total <= whole else 0
    return found


def within_run(run: int, snapshots: int) -> list[str]:
    """The split of each snapshot of a run under `within-run`: epochs drawn at random, neighbours on both sides."""
    order = np.random.default_rng([SPLIT_SEED, run]).permutation(snapshots)
    names = np.full(snapshots, "train", object)
    start = 0
    for name, share in HELD_OUT.items():
        stop = start + round(share * snapshots)
        names[order[start:stop]] = name
        start = stop
    return names.tolist()
