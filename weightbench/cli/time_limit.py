"""A limit on the time that a command may take."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator

from weightbench.runtime.errors import BadInput

SECONDS = {"s": 1, "m": 60, "h": 3600}
AGAIN_S = 5.0  # after which what was raised in a finaliser, where Python drops it, is raised again


class BudgetSpent(KeyboardInterrupt):
    """The time is over: work stops as by Ctrl-C, with what is finished kept."""


def parsed_budget(text: str, option: str = "--budget") -> float:
    """Seconds from "90s", "9m" or "1.5h". Raises BadInput, which names the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or not float(found[1]):
        raise BadInput(f"{option} {text}: a number and s, m or h, for instance 9m")
    return float(found[1]) * SECONDS[found[2]]


@contextlib.contextmanager
def within(budget: str | None) -> Iterator[None]:
    """Raises BudgetSpent in the main thread when the time is over; None is no limit."""
    if budget is None:
        yield
        return

    def stop(*_: object) -> None:
        raise BudgetSpent

    seconds = parsed_budget(budget)
    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
