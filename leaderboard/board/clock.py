"""Whether methods read more off the weights than how long a network was trained: against `epoch-clock`, in words.

The comparison is on the late half of training: early on, scores rise in every run, and time alone tells them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evidence.intervals import LEVEL, MIN_SEEDS, MIN_UNITS, Intervals, holm
from .row_names import row_names
from .rows import Row
from .wording import how_many

CLOCK = "epoch-clock"


def against_clock(rows: Sequence[Row], late: Intervals | None, *, higher_is_better: bool) -> str:
    """Which rows beat the clock on the late half of training, best first; "" where there is no clock or no such half.

    Arguments:
        rows: with a score, of one board.
        late: their statistics on the late half.
    """
    clocks = [place for place, row in enumerate(rows) if row.first.method.name == CLOCK]
    others = np.array([place for place, row in enumerate(rows) if not row.is_control], dtype=int)
    if late is None or not clocks or not len(others):
        return ""
    clock, sign = clocks[0], 1 if higher_is_better else -1
    others = others[np.argsort(-sign * late.scores[others], kind="stable")]  # without a score: last
    names = row_names([row.first for row in rows])
    ahead = [bool(sign * (late.scores[place] - late.scores[clock]) > 0) for place in others]
    said = f"On the late half of training {CLOCK}, which sees no network, scores {late.scores[clock]:.2f}."
    tested = late.p[others, clock]
    if np.isnan(tested).any():
        units = rows[clock].units
        short = f"fewer than {MIN_SEEDS} seeds of a row"
        if units and np.isnan(late.low).any():
            many = units.count / units.shared >= MIN_UNITS  # of the whole; in some, no score changes in that half
            counted = how_many(units.count, units.name)
            short = f"fewer than {MIN_UNITS} of {counted} whose score changes then" if many else counted
        return f"{said} {_listed('Above it', names, others, ahead)}; {short} are too few for a test."
    beaten = [better and p <= 1 - LEVEL for better, p in zip(ahead, holm(tested), strict=True)]
    return f"{said} {_listed('Better than it by a paired test (Holm, 5 %)', names, others, beaten)}."


def _listed(what: str, names: Sequence[str], places: np.ndarray, chosen: Sequence[bool]) -> str:
    """ "Better: a, b" or "Better: no method of 4"."""
    found = [names[place] for place, yes in zip(places, chosen, strict=True) if yes]
    return f"{what}: {', '.join(found) if found else f'no method of {len(places)}'}"
