"""Cross-fitting over runs: every run is tested once, by a fit that saw other runs alone.

Which runs are tested together follows from their numbers and architectures, never from a score.
"""

from __future__ import annotations

import re

import numpy as np

from ....runtime.errors import BadInput

CROSS_FITTED = "cross-fitted"
FOLDS = 5
SEED = 0


def fold_of(policy: str) -> int | None:
    """The number in "cross-fitted-2"; None for the name of other splits."""
    found = re.fullmatch(rf"{CROSS_FITTED}-([0-{FOLDS - 1}])", policy)
    return int(found[1]) if found else None


def runs_of_fold(runs: list[list[int]], fold: int, zoo: str) -> dict[str, tuple[int, ...]]:
    """The runs of a fold's splits: test, val (tested in the next fold) and train (the others).

    Arguments:
        runs: of each architecture; every fold has an equal share of each.
        zoo: its name, for the message.

    Raises BadInput where there are fewer runs than folds.
    """
    rng = np.random.default_rng(SEED)
    order = list(dict.fromkeys(run for these in runs for run in rng.permutation(these).tolist()))
    if len(order) < FOLDS:
        raise BadInput(f"zoo {zoo} has {len(order)} runs, {CROSS_FITTED} takes {FOLDS} at least")
    parts = [tuple(order[number::FOLDS]) for number in range(FOLDS)]
    test, val = parts[fold], parts[(fold + 1) % FOLDS]
    return {"train": tuple(run for run in order if run not in {*test, *val}), "val": val, "test": test}
