"""Work on a Ray cluster: what runs where, what runs again after a death, and the dashboard are Ray's.

Ray brings the work to the nodes and the outcomes back. Files go over a folder that all nodes see.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import BadInput
from .executor import Item, Outcome, threads_from_environment
from .files import make_folder

MAX_RETRIES = 3  # of a piece of work whose process or node died
CONNECT_SECONDS = 30.0  # to wait for a cluster to answer
DEFAULT_MEMORY_GB = 2.0  # of a piece of work
NODE_CHECK_SECONDS = 15.0  # between looks at whether any node is left, while nothing gets done
TOKEN_FILE = Path.home() / ".ray/auth_token"  # where Ray keeps the token that a cluster asks for
QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray announces that this will be its default
}


@contextlib.contextmanager
def connected(address: str | None, jobs: int | None, memory: float | None) -> Iterator[RayExecutor]:
    """The cluster at `address`, else at `RAY_ADDRESS`, else one started on this machine for as long as this lasts.

    Raises BadInput without Ray, and for an address where no cluster of the same Ray answers.
    """
    memory = DEFAULT_MEMORY_GB if memory is None else memory
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if find_spec("ray") is None:
        raise BadInput("--executor ray needs Ray: pip install 'weightbench[ray]'")
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():  # by the program that calls this library
        yield RayExecutor(jobs, memory)
        return
    if address not in ("local", "auto"):
        _check_answers(address)
    import ray

    local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (RuntimeError, ValueError, OSError) as error:
        raise BadInput(f"--address {address}: {' '.join(str(error).split())[:300]}") from None
    try:
        with contextlib.redirect_stdout(_WithoutRay(sys.stdout)):
            yield RayExecutor(jobs, memory)
    finally:
        ray.shutdown()


class _WithoutRay:
    """Standard output without what Ray's own threads print there: pages of state when a node dies."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Pass on what this program prints."""
        own = not threading.current_thread().name.startswith("ray_")
        return int(self.stream.write(text)) if own else len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _check_answers(address: str) -> None:
    """Raises BadInput where no cluster answers soon; Ray itself would try for minutes.

    Sends the token where the cluster asks for it: Ray reads RAY_AUTH_MODE when it is imported, which comes after this.
    """
    if not re.fullmatch(r"[^/\s]+:\d+", address):
        raise BadInput(f"--address {address}: write HOST:PORT, which `ray start --head` prints")
    host, _, port = address.rpartition(":")
    remedy = "start one with `ray start --head`, or leave --address out (and RAY_ADDRESS unset) for one on this machine"
    check = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check", "--address", address]

    def ask() -> tuple[bool, bool]:
        done = subprocess.run(
            check, stdin=subprocess.DEVNULL, capture_output=True, timeout=CONNECT_SECONDS, check=False
        )
        return done.returncode == 0, b"AuthenticationError" in done.stderr

    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        answers, refuses = ask()
        if refuses and TOKEN_FILE.exists():
            os.environ["RAY_AUTH_MODE"] = "token"
            answers, refuses = ask()
    except (OSError, OverflowError, subprocess.TimeoutExpired):
        answers = refuses = False
    if refuses:
        raise BadInput(
            f"--address {address}: the cluster asks for its token: copy its head's {TOKEN_FILE} to this machine"
        )
    if not answers:
        raise BadInput(f"--address {address}: no Ray cluster answers there: {remedy}")


class RayExecutor:
    """The cluster that this process is connected to. A piece of work has `threads` processors, and a GPU on cuda.

    Arguments:
        jobs: how many pieces run at once; None for as many as there is room for.
        memory: GB of each; Ray counts them, it does not enforce them.
    """

    here = False

    def __init__(self, jobs: int | None, memory: float) -> None:
        self.jobs, self.gpus, self.memory = jobs, 0, int(memory * 1e9)
        self.threads = threads_from_environment() or 1

    def device(self, requested: str | None) -> str:
        """ "cpu" or "cuda"; Ray chooses the GPU. Raises BadInput for more GPUs than the cluster has."""
        import ray

        gpus = int(ray.cluster_resources().get("GPU", 0))
        device = requested or ("cuda" if gpus else "cpu")
        if device not in ("cpu", "cuda"):
            raise BadInput(f"--device {device}: on a cluster write cpu or cuda, Ray chooses the GPU of every task")
        if device == "cuda" and gpus < (self.jobs or 1):
            raise BadInput(
                f"--device cuda asks for {self.jobs or 1} GPU{'s' * ((self.jobs or 1) > 1)}, the cluster has {gpus}: "
                + ("fewer --jobs, or --device cpu" if gpus else "try --device cpu")
            )
        self.gpus = int(device == "cuda")
        return device

    @property
    def room(self) -> int:
        """How many pieces of work the cluster can run at once. Raises BadInput for none."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        needs = {"CPU": self.threads, "GPU": self.gpus, "memory": self.memory}
        room = sum(min(int(node.get(name, 0) // need) for name, need in needs.items() if need) for node in nodes)
        if not room:
            wanted = f"{self.threads} processor{'s' * (self.threads > 1)}" + ", a GPU" * self.gpus
            raise BadInput(
                f"no node of the cluster has {wanted} and {self.memory / 1e9:g} GB of memory, which one task asks for: "
                "set OMP_NUM_THREADS to its threads, --memory to its GB"
            )
        return room

    def run(
        self, work: Callable[[Item], Outcome], items: Sequence[Item], *, folder: Path
    ) -> Iterator[tuple[int, Outcome]]:
        """See `Executor.run`. Raises BadInput for a node that cannot do the work, and when a piece dies every time."""
        import ray
        from ray import cloudpickle
        from ray.exceptions import RayError, RayTaskError

        room = self.room
        at_once = self.jobs or 2 * room  # two for every place, so that none waits for this process
        remote = ray.remote(max_retries=MAX_RETRIES)(_on_node())
        task = remote.options(name="weightbench", num_cpus=self.threads, num_gpus=self.gpus, memory=self.memory)
        queue = iter(enumerate(items))
        running: set[Any] = set()
        with _token(folder.resolve()) as token:
            common = (ray.put(cloudpickle.dumps(work)), self.threads, token, version("weightbench"))
            try:
                while True:
                    for index, item in islice(queue, at_once - len(running)):
                        running.add(task.remote(index, cloudpickle.dumps(item), *common))
                    if not running:
                        return
                    done, _ = ray.wait(list(running), timeout=NODE_CHECK_SECONDS)
                    if not done:
                        _ = self.room  # raises when no node is left
                        continue
                    running -= set(done)
                    index, outcome, trouble = ray.get(done[0])
                    if trouble:
                        raise BadInput(f"{trouble}; what is finished is kept")
                    yield index, outcome
            except RayTaskError as error:
                raise error.cause from error
            except RayError as error:  # the process or node of one piece died again and again
                raise BadInput(
                    f"a task died {MAX_RETRIES + 1} times ({type(error).__name__}), perhaps because memory ran out: "
                    "what is finished is kept; run the same command again, with fewer --jobs"
                ) from None
            finally:
                for left in running:
                    ray.cancel(left, force=True)


@contextlib.contextmanager
def _token(folder: Path) -> Iterator[Path]:
    """A file by which a node sees that `folder` is the same one there."""
    token = make_folder(folder) / f".shared-{uuid.uuid4().hex}"
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def _on_node() -> Callable[..., tuple[int, Any, str]]:
    """What Ray runs: (index, outcome, "") or (index, None, one line of what is wrong with this node).

    A function within a function travels as code, so that a node without this package can say so.
    """

    def run(index: int, item: bytes, work: bytes, threads: int, token: Path, wanted: str) -> tuple[int, Any, str]:
        import importlib.metadata
        import pickle

        import ray

        node = f"node {ray.util.get_node_ip_address()}"
        try:
            found = f"weightbench {importlib.metadata.version('weightbench')}"
            from .errors import BadInput
            from .executor import in_worker
        except ImportError:
            found = "no weightbench"
        if found != f"weightbench {wanted}":
            return index, None, f"{node} has {found}, this machine {wanted}: install weightbench {wanted} there"
        if not token.exists():
            return index, None, f"{node} does not see {token.parent}: put it on a disk that all nodes share"

        try:
            return *in_worker(pickle.loads(work), index, pickle.loads(item), threads), ""
        except BadInput as error:
            return index, None, f"{node}: {error}"
        except OSError as error:  # a full disk
            where = f"{error.filename}: " if error.filename else ""
            return index, None, f"{node}: {where}{error.strerror or error}"

    return run
