"""A real Ray cluster of two nodes: what one process gives, also with a node killed, and what can be wrong with one."""

from __future__ import annotations

import contextlib
import os
import signal
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from small_work import fits, shrunk, write_suite
from weightbench.benchmarks.result import read_results

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A head on which nothing runs; tests add the nodes that they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PATH", sysconfig.get_path("scripts"))  # no compiler: what builds train is trained eagerly
        from ray.cluster_utils import Cluster

        settings = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
        head = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": settings},
        )
        try:
            yield head
        finally:
            head.shutdown()


@pytest.fixture
def nodes(cluster) -> Iterator[list]:
    """Two nodes of one processor each."""
    added = [cluster.add_node(num_cpus=1) for _ in range(2)]
    yield added
    for node in added:
        cluster.remove_node(node)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _processes(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
        except OSError:  # gone meanwhile
            continue
    return [root, *(pid for child in children.get(root, []) for pid in _processes(child))]


@contextmanager
def _killed(node, when: Callable[[list[int]], bool]) -> Iterator[list[float]]:
    """Kill all processes of a node at once when `when(its processes)` first says so; yields the time of that."""
    times: list[float] = []
    over = threading.Event()
    root = node.all_processes["raylet"][0].process.pid

    def watch() -> None:
        while not over.wait(0.02):
            pids = _processes(root)
            if when(pids) and not times:
                times.append(time.time())
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def test_a_suite_with_a_node_killed_gives_what_one_process_gives(nodes, cluster, cli, small_zoo, tmp_path) -> None:
    others = '{ name = "mlp", epochs = 1 }, { name = "weight-stats", trees = 3 }'
    suite = write_suite(tmp_path, small_zoo, list(range(4)), seconds=0.7, others=others)
    out, local = tmp_path / "ray", tmp_path / "local"
    running: list[str] = []

    def in_the_middle(pids: list[int]) -> bool:
        if not (running and list(out.rglob("seed-*.json"))):
            running[:] = [seed for _, seed, _, pid in fits(tmp_path)[-2:] if int(pid) in pids]
        return bool(running and list(out.rglob("seed-*.json")))

    with _killed(nodes[0], in_the_middle) as killed:
        code, _, err = cli("run", "--suite", suite, "--out", out, "--executor", "ray", "--address", cluster.address)
    assert (code, len(killed)) == (0, 1), err
    assert not list(out.rglob("*.tmp"))
    assert not list(out.glob(".shared-*"))
    times = Counter(seed for _, seed, _, _ in fits(tmp_path))
    assert set(times) == set("0123")
    assert {seed for seed, count in times.items() if count > 1} <= set(running)
    assert max(times.values()) <= 2
    assert cli("run", "--suite", suite, "--out", local, "--device", "cpu")[0] == 0
    found, expected = ({str(path): r for path, r in read_results(folder)} for folder in (out, local))
    here = {path.replace(str(out), str(local)): result for path, result in found.items()}
    assert set(here) == set(expected)
    for path, result in expected.items():
        assert here[path].score == result.score
        assert here[path].predictions == result.predictions
        assert here[path].environment["threads"] == result.environment["threads"] == 1


def test_a_build_with_a_node_killed_gives_what_one_process_gives(nodes, cluster, cli, tmp_path) -> None:
    recipe = shrunk("moons-mlps", tmp_path, epochs="60", batch_size="64", chunk="{ cpu = 2, cuda = 2 }")
    seen: dict[str, set[int]] = {}
    finished: set[str] = set()

    def in_the_middle(pids: list[int]) -> bool:
        for path in tmp_path.glob(".ray.building/shards-*/*.safetensors"):
            with contextlib.suppress(OSError):  # removed when the build is done
                seen.setdefault(path.name, set()).add(path.stat().st_mtime_ns)
        if len(seen) >= 3 and not finished:
            finished.update(seen)
        return bool(finished)

    arguments = ("zoo", "build", recipe, "--limit", 8, "--device", "cpu", "--out")
    with _killed(nodes[0], in_the_middle) as killed:
        code, _, err = cli(*arguments, tmp_path / "ray", "--executor", "ray", "--address", cluster.address)
    assert (code, len(killed)) == (0, 1), err
    assert all(len(seen[name]) == 1 for name in finished)  # no shard was written a second time
    assert cli(*arguments, tmp_path / "local")[0] == 0
    files = {path.relative_to(tmp_path / "local") for path in (tmp_path / "local").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "ray") for path in (tmp_path / "ray").rglob("*") if path.is_file()} == files
    for name in files:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
