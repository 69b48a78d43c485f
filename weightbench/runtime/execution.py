"""`Execution`: where work runs and how much at once, as a command or a call says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from .errors import BadInput, unknown
from .executor import Engine


@dataclass(frozen=True)
class Execution:
    """Where independent pieces of work run.

    Arguments:
        executor: "local", or "ray".
        jobs: how many pieces run at once; by default 1 here, and with Ray as many as the cluster has room for.
        address: of a running Ray cluster, "HOST:PORT"; by default `RAY_ADDRESS`, else one is started on this machine.
        memory: GB that Ray sets aside for each piece; by default 2.
        device: "cpu", "cuda", ...; by default a GPU where there is one.

    Raises BadInput for what does not fit together.
    """

    executor: str = "local"
    jobs: int | None = None
    address: str | None = None
    memory: float | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in get_args(Engine):
            raise unknown("executor", self.executor, get_args(Engine))
        if self.jobs is not None and self.jobs < 1:
            raise BadInput(f"--jobs {self.jobs}: how many pieces of work run at once, 1 or more")
        if self.executor == "ray":
            if self.memory is not None and not 0 < self.memory < math.inf:
                raise BadInput(f"--memory {self.memory:g}: GB that a piece of work may take, more than 0")
            return
        if self.address:
            raise BadInput(f"--address {self.address}: is of a Ray cluster: say --executor ray too")
        if self.memory is not None:
            raise BadInput(
                f"--memory {self.memory:g}: is what Ray sets aside for a piece of work: say --executor ray too"
            )
