"""Where independent pieces of work run: here one after the other, in processes of this machine, or on a Ray cluster.

Another engine plugs in as one more class with what `Executor` asks for; nothing else knows how work is spread.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from .errors import BadInput, unknown
from .machine import pick_device

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Engine = Literal["local", "ray"]


class Executor(Protocol):
    """Runs pieces of work that do not depend on each other.

    Attributes:
        here: the pieces run in this process and may show progress of their own.
        jobs: how many pieces run at once; None for as many as there is room for.
        threads: of each piece.
    """

    here: bool

    @property
    def jobs(self) -> int | None: ...

    @property
    def threads(self) -> int: ...

    def device(self, asked: str | None) -> str:
        """The device of every piece; by default a GPU where there is one. Raises BadInput for one that is not there."""
        ...

    def run(
        self, work: Callable[[Item], Outcome], items: Sequence[Item], *, folder: Path
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield (index of the item, `work(item)`) as they are done, in any order.

        `work`, items and outcomes are pickled unless `here`. An error of `work` is raised here. A piece whose process
        died may run again, so that `work` writes its files atomically and looks for them first.

        Arguments:
            folder: where the work writes; other machines must see the same one.
        """
        ...


@contextmanager
def open_executor(
    engine: str = "local", *, jobs: int | None = None, address: str | None = None, memory: float | None = None
) -> Iterator[Executor]:
    """The executor that a command asks for.

    Arguments:
        engine: "local", or "ray".
        jobs: how many pieces run at once; by default 1 here, and with Ray as many as the cluster has room for.
        address: of a running Ray cluster, "HOST:PORT"; by default `RAY_ADDRESS`, else one is started on this machine.
        memory: GB that Ray sets aside for each piece; by default 2.

    Raises BadInput.
    """
    if engine not in ("local", "ray"):
        raise unknown("executor", engine, ("local", "ray"))
    if jobs is not None and jobs < 1:
        raise BadInput(f"--jobs {jobs}: how many pieces of work run at once, 1 or more")
    if engine == "ray":
        from .ray_executor import connected

        with connected(address, jobs, memory) as cluster:
            yield cluster
        return
    if address:
        raise BadInput(f"--address {address}: is of a Ray cluster: say --executor ray too")
    if memory is not None:
        raise BadInput(f"--memory {memory:g}: is what Ray sets aside for a piece of work: say --executor ray too")
    yield Local(1 if jobs is None else jobs)


class Local:
    """Processes of this machine (joblib's loky), which share its threads out among them.

    Arguments:
        jobs: how many; 1 runs the work in this process.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs, self.here = jobs, jobs == 1

    @property
    def threads(self) -> int:
        import torch

        return torch.get_num_threads() if self.here else max(1, _threads() // self.jobs)

    def device(self, asked: str | None) -> str:
        return pick_device(asked)

    def run(
        self, work: Callable[[Item], Outcome], items: Sequence[Item], *, folder: Path
    ) -> Iterator[tuple[int, Outcome]]:
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
                yield from pool(delayed(in_worker)(work, index, item, threads) for index, item in enumerate(items))
            except TerminatedWorkerError:
                raise BadInput(
                    "a worker process died, perhaps for want of memory: what is finished is kept; "
                    "run the same command again, with fewer --jobs"
                ) from None


def _threads() -> int:
    """What one process would use: OMP_NUM_THREADS, else the processors that it may use."""
    import joblib

    return asked_threads() or int(joblib.cpu_count())


def asked_threads() -> int | None:
    """OMP_NUM_THREADS, where it is set."""
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
