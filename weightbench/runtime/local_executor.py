"""Work in processes of this machine, or one piece after the other in this one."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from .errors import BadInput
from .executor import Item, Outcome, in_worker, threads_from_environment
from .machine import pick_device


class LocalExecutor:
    """Processes of this machine (joblib's loky), which share its threads out among them.

    Arguments:
        jobs: how many processes; 1 runs the work in this process.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs, self.here = jobs, jobs == 1

    @property
    def threads(self) -> int:
        """This process's threads for work in it, else an equal share of the machine's for each process."""
        import torch

        return torch.get_num_threads() if self.here else max(1, _machine_threads() // self.jobs)

    def device(self, requested: str | None) -> str:
        """`requested` if torch can use it here, see `pick_device`."""
        return pick_device(requested)

    def run(
        self, work: Callable[[Item], Outcome], items: Sequence[Item], *, folder: Path
    ) -> Iterator[tuple[int, Outcome]]:
        """See `Executor.run`. Raises BadInput when a worker process dies."""
        if self.here:
            yield from ((index, work(item)) for index, item in enumerate(items))
            return
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        threads = self.threads
        with parallel_config("loky", inner_max_num_threads=threads), warnings.catch_warnings():
            # loky replaces a worker that has grown, as it should, and says so.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            pool = Parallel(self.jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            try:
                yield from pool(delayed(_in_own_worker)(work, index, item, threads) for index, item in enumerate(items))
            except TerminatedWorkerError:
                raise BadInput(
                    "a worker process died, perhaps because memory ran out: what is finished is kept; "
                    "run the same command again, with fewer --jobs"
                ) from None


def _in_own_worker(work: Callable[[Item], Outcome], index: int, item: Item, threads: int) -> tuple[int, Outcome]:
    _end_with_parent()
    return in_worker(work, index, item, threads)


@cache
def _end_with_parent() -> None:
    """End this process, from now on, when the one that started it is gone.

    Killed, that one can tell nobody, and its workers would go on with what they have been sent, for hours.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _machine_threads() -> int:
    """What one process would use: OMP_NUM_THREADS, else the processors that it may use."""
    import joblib

    return threads_from_environment() or int(joblib.cpu_count())
