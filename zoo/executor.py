"""Where independent pieces of work run: one after the other here, or in several processes of this machine.

Another engine plugs in as one more class with `workers` and `run`; nothing else knows how work is spread.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from .errors import BadInput

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Executor(Protocol):
    """Runs pieces of work that do not depend on each other.

    Attributes:
        workers: how many pieces run at once; with 1 they run in this process and may show progress of their own.
        threads: of each.
    """

    workers: int

    @property
    def threads(self) -> int: ...

    def run(self, work: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield (index of the item, `work(item)`) as they are done, in any order.

        `work`, items and outcomes are pickled where there are several workers. An error of `work` is raised here.
        """
        ...


class Local:
    """Processes of this machine (joblib's loky), which share its threads out among them.

    Arguments:
        jobs: how many; 1 runs the work in this process.

    Raises BadInput for fewer than 1.
    """

    def __init__(self, jobs: int = 1) -> None:
        if jobs < 1:
            raise BadInput(f"--jobs {jobs}: how many processes, 1 or more")
        self.workers = jobs

    @property
    def threads(self) -> int:
        import torch

        return torch.get_num_threads() if self.workers == 1 else max(1, _threads() // self.workers)

    def run(self, work: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        if self.workers == 1:
            yield from ((index, work(item)) for index, item in enumerate(items))
            return
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        threads = self.threads
        with parallel_config("loky", inner_max_num_threads=threads), warnings.catch_warnings():
            # loky replaces a worker that has grown, as it should, and says so.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            pool = Parallel(self.workers, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            try:
                yield from pool(delayed(_in_worker)(work, index, item, threads) for index, item in enumerate(items))
            except TerminatedWorkerError:
                raise BadInput(
                    "a worker process died, perhaps for want of memory: what is finished is kept; "
                    "run the same command again, with fewer --jobs"
                ) from None


def _threads() -> int:
    """What one process would use: OMP_NUM_THREADS, else the processors that it may use."""
    import joblib

    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else int(joblib.cpu_count())


def _in_worker(work: Callable[[Item], Outcome], index: int, item: Item, threads: int) -> tuple[int, Outcome]:
    import torch

    from .machine import tune_process
    from .progress import silence

    if torch.get_num_threads() != threads:  # the first piece of work of this process
        torch.set_num_threads(threads)
    tune_process()
    silence()
    return index, work(item)
