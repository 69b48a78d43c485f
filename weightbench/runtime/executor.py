"""What spreads independent pieces of work: the protocol of an executor, and what each of its workers does.

Another engine plugs in as one more class with what `Executor` asks for; nothing else knows how work is spread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Engine = Literal["local", "ray"]


class Executor(Protocol):
    """Runs pieces of work that do not depend on each other.

    Attributes:
        here: the pieces run in this process and may show progress of their own.
    """

    here: bool

    @property
    def jobs(self) -> int | None:
        """How many pieces run at once; None for as many as there is room for."""
        ...

    @property
    def threads(self) -> int:
        """How many threads each piece has."""
        ...

    def device(self, requested: str | None) -> str:
        """The device of every piece; by default a GPU where there is one. Raises BadInput for one that is not there."""
        ...

    def run(
        self, work: Callable[[Item], Outcome], items: Sequence[Item], *, folder: Path
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield (index of the item, `work(item)`) as they are done, in any order.

        `work`, items and outcomes are pickled unless `here`. An error of `work` is raised here. A piece whose process
        died may run again, so that `work` must write its files atomically and do nothing twice.

        Arguments:
            folder: where the work writes; other machines must see the same one.
        """
        ...


def threads_from_environment() -> int | None:
    """OMP_NUM_THREADS, where it is set to a positive number."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) or None if given.isdigit() else None


def in_worker(work: Callable[[Item], Outcome], index: int, item: Item, threads: int) -> tuple[int, Outcome]:
    """Do a piece of work in a process that has no other task."""
    import torch

    from .machine import tune_process
    from .progress import silence

    if torch.get_num_threads() != threads:  # the first piece of work of this process
        torch.set_num_threads(threads)
    tune_process()
    silence()
    return index, work(item)
