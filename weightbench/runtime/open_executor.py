"""`open_executor`: from an `Execution` to the executor that does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .execution import Execution
from .executor import Executor
from .local_executor import LocalExecutor


@contextmanager
def open_executor(execution: Execution) -> Iterator[Executor]:
    """The executor for as long as it is needed. Raises BadInput where there is no Ray, or no cluster answers."""
    if execution.executor == "ray":
        from .ray_executor import connected

        with connected(execution.address, execution.jobs, execution.memory) as cluster:
            yield cluster
    else:
        yield LocalExecutor(execution.jobs or 1)
