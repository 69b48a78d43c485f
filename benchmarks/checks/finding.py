"""What a check of a plug-in finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ...runtime.errors import BadInput
from ..running.task_views import BadOutput


class Broken(Exception):
    """A plug-in does not keep the contract; says how."""


@dataclass(frozen=True)
class Finding:
    """One check on one task; `why` is empty where it is kept."""

    task: str
    check: str
    why: str
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether this part of the contract is kept."""
        return not self.why


def examined(task: str, check: str, test: Callable[[], object]) -> Finding:
    """What a test finds; a crash is a finding too."""
    started, why = time.perf_counter(), ""
    try:
        test()
    except (Broken, BadOutput, BadInput) as error:
        why = str(error)
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Finding(task, check, why, round(time.perf_counter() - started, 2))
