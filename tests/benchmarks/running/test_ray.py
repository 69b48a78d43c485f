"""A real Ray cluster of two nodes: what one process gives, also with a node killed, and what can be wrong with one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from helpers.counted_work import fits, shrunk, write_suite
from helpers.recorded import read_results

import weightbench as wb

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


@pytest.fixture
def own_node(cluster) -> Iterator[Callable[..., None]]:
    """Start a node as `ray start` does, with another Python or environment, or under the shell commands `first`."""
    started: list[subprocess.Popen] = []

    def alive() -> int:
        return sum(node["Alive"] for node in cluster.global_state.node_table())

    def start(python: Path | str = sys.executable, first: str = "", **environment: str) -> None:
        command = [str(python), "-m", "ray.scripts.scripts", "start", f"--address={cluster.address}", "--num-cpus=1"]
        if first:
            command = ["unshare", "--mount", "sh", "-ec", f'{first}\nexec "$@"', "sh", *command]
        before = alive()
        path = f"{os.environ['PATH']}:/usr/bin:/bin:/usr/sbin:/sbin"
        started.append(
            subprocess.Popen(
                [*command, "--block"],
                env=os.environ | {"PATH": path} | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        while alive() == before:
            assert started[-1].poll() is None, "the node did not start"
            time.sleep(0.05)

    before = alive()
    yield start
    for process in started:
        for pid in _processes(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    while alive() > before:
        time.sleep(0.05)


needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="this user may not mount, so a node cannot have a disk of its own",
)


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
def _killed(nodes: list, when: Callable[[list[int]], bool]) -> Iterator[list[int]]:
    """Kill all processes of a node at once, the first for which `when(its processes)` says so; yields those killed."""
    killed: list[int] = []
    over = threading.Event()
    roots = [node.all_processes["raylet"][0].process.pid for node in nodes]

    def watch() -> None:
        while not over.wait(0.02) and not killed:
            for pids in map(_processes, roots):
                if when(pids) and not killed:
                    killed.extend(pids)
                    for pid in pids:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_a_suite_with_a_node_killed_gives_what_one_process_gives(nodes, cluster, cli, small_zoo, tmp_path) -> None:
    others = '{ name = "mlp", epochs = 1 }, { name = "weight-stats", trees = 3 }'
    suite = write_suite(tmp_path, small_zoo, list(range(4)), seconds=0.7, others=others)
    out, local = tmp_path / "ray", tmp_path / "local"

    def in_the_middle(pids: list[int]) -> bool:
        return any(int(pid) in pids for *_, pid in fits(tmp_path)) and bool(list(out.rglob("seed-*.json")))

    with _killed(nodes, in_the_middle) as killed:
        code, _, err = cli("run", "--suite", suite, "--out", out, "--executor", "ray", "--address", cluster.address)
    assert (code, bool(killed)) == (0, True), err
    assert not list(out.rglob("*.tmp"))
    assert not list(out.rglob(".shared-*"))
    times = Counter(seed for _, seed, _, _ in fits(tmp_path))
    assert set(times) == set("0123")
    last = {pid: seed for _, seed, _, pid in fits(tmp_path)}  # what a killed process was at, if anything
    assert set((times - Counter("0123")).elements()) <= {last.get(str(pid)) for pid in killed}
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
    with _killed(nodes, in_the_middle) as killed:
        code, _, err = cli(*arguments, tmp_path / "ray", "--executor", "ray", "--address", cluster.address)
    assert (code, bool(killed)) == (0, True), err
    assert all(len(seen[name]) == 1 for name in finished)  # no shard was written a second time
    assert cli(*arguments, tmp_path / "local")[0] == 0
    files = {path.relative_to(tmp_path / "local") for path in (tmp_path / "local").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "ray") for path in (tmp_path / "ray").rglob("*") if path.is_file()} == files
    for name in files:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name


def test_a_program_that_is_connected_itself_stays_so(cluster, small_zoo, tmp_path) -> None:
    import ray

    node = cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        cell = {"task": "inr-classification", "zoo": small_zoo, "device": "cpu"}
        (there,) = wb.run(wb.load_method("weight-stats", trees=3), **cell, executor="ray", out=tmp_path / "there")
        assert ray.is_initialized()
    finally:
        ray.shutdown()
        cluster.remove_node(node)
    (here,) = wb.run(wb.load_method("weight-stats", trees=3), **cell, out=tmp_path / "here")
    assert (there.score, there.predictions) == (here.score, here.predictions)


def test_no_node_left_ends_the_command(cluster, cli, small_zoo, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("weightbench.runtime.ray_executor.NODE_CHECK_SECONDS", 2.0)
    node = cluster.add_node(num_cpus=1)
    suite, out = write_suite(tmp_path, small_zoo, [0, 1, 2], seconds=0.5), tmp_path / "runs"
    with _killed([node], lambda pids: bool(list(out.rglob("seed-*.json")))):
        code, _, err = cli("run", "--suite", suite, "--out", out, "--executor", "ray", "--address", cluster.address)
    cluster.remove_node(node)
    assert code == 2
    assert "error: no node of the cluster has 1 processor" in err
    assert read_results(out)


@pytest.fixture
def refused(cluster, cli, small_zoo, tmp_path, monkeypatch):
    """Run a suite of which one cell is finished on the cluster: refused(options) -> the one line that refuses it."""

    def call(*options: object, address: str = cluster.address) -> str:
        out = tmp_path / "runs"
        assert cli("run", "--suite", write_suite(tmp_path, small_zoo, [0]), "--out", out, "--device", "cpu")[0] == 0
        suite = write_suite(tmp_path, small_zoo, [0, 1])
        monkeypatch.chdir(tmp_path)  # Ray's workers import from where this process is
        arguments = ("--executor", "ray", "--address", address, *options)
        code, _, err = cli("run", "--suite", suite, "--out", out, *arguments)
        assert code == 2
        assert [result.seed for _, result in read_results(out)] == [0]
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, err
        return lines[0]

    return call


def test_a_node_without_the_package(own_node, refused, tmp_path) -> None:
    import ray

    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(ray.__file__).parent.parent.iterdir():
        if "weightbench" not in path.name:
            (packages / path.name).symlink_to(path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    site = next((tmp_path / "bare").glob("lib/python3*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    own_node(tmp_path / "bare/bin/python")
    assert "has no weightbench, this machine 0.1.0: install weightbench 0.1.0 there" in refused()


def test_a_node_with_another_version(own_node, refused, tmp_path) -> None:
    metadata = tmp_path / "old/weightbench-0.0.9.dist-info/METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: weightbench\nVersion: 0.0.9\n")
    own_node(PYTHONPATH=str(tmp_path / "old"))
    assert "has weightbench 0.0.9, this machine 0.1.0" in refused()


@needs_mounts
def test_a_node_without_the_zoo(own_node, refused, small_zoo, tmp_path) -> None:
    own_node(first=f"mount -t tmpfs none '{small_zoo}'", WEIGHTBENCH_CACHE=str(tmp_path / "empty"))
    line = refused()
    assert "node " in line
    assert f"has no zoo digits-inrs@1.0.0: put {small_zoo} on a disk that all nodes share" in line


@needs_mounts
def test_a_node_that_does_not_see_the_results(own_node, refused, tmp_path) -> None:
    (tmp_path / "runs").mkdir()
    own_node(first=f"mount -t tmpfs none '{tmp_path / 'runs'}'")
    assert f"does not see {tmp_path / 'runs/.locks'}: put it on a disk that all nodes share" in refused()


@needs_mounts
def test_a_node_whose_disk_is_full(own_node, refused, tmp_path) -> None:
    full = tmp_path / "runs/inr-classification"
    full.mkdir(parents=True)
    own_node(first=f"mount -t tmpfs -o size=4k none '{full}'\nhead -c 4096 /dev/zero > '{full}/much'")
    assert "No space left on device" in refused()


def test_more_than_the_cluster_has(nodes, refused, monkeypatch) -> None:
    assert "--device cuda asks for 1 GPU, the cluster has 0: try --device cpu" in refused("--device", "cuda")
    assert "asks for 3 GPUs" in refused("--device", "cuda", "--jobs", 3)
    assert "--jobs 0: how many" in refused("--jobs", 0)
    assert "has 1 processor and 90000 GB of memory, which one task asks for" in refused("--memory", 90_000)
    assert "--memory 0: GB that" in refused("--memory", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "no node of the cluster has 3 processors" in refused()


def test_no_cluster_at_the_address(refused, monkeypatch) -> None:
    monkeypatch.setattr("weightbench.runtime.ray_executor.CONNECT_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        assert f"--address 127.0.0.1:{port}: no Ray cluster answers there" in refused(address=f"127.0.0.1:{port}")
    assert "no Ray cluster answers there" in refused(address=f"127.0.0.1:{port}")  # where nobody listens any more
    assert "write HOST:PORT" in refused(address="ray://cluster")


def test_a_cluster_that_asks_for_its_token(refused, tmp_path, monkeypatch) -> None:
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    theirs = os.environ | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    start = ["start", "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", "--block"]
    subprocess.run([*ray, "get-auth-token", "--generate"], env=theirs, check=True, capture_output=True)
    head = subprocess.Popen([*ray, *start], env=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        check = [*ray, "health-check", "--skip-version-check", "--address", f"127.0.0.1:{port}"]
        while subprocess.run(check, env=theirs, capture_output=True, check=False).returncode:
            assert head.poll() is None, "the head did not start"
        monkeypatch.setattr("weightbench.runtime.ray_executor.TOKEN_FILE", tmp_path / "absent")
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        assert "the cluster asks for its token: copy" in refused(address=f"127.0.0.1:{port}")
    finally:
        for pid in _processes(head.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        head.wait()


def test_options_that_do_not_fit(cli, monkeypatch, tmp_path, small_zoo) -> None:
    suite = write_suite(tmp_path, small_zoo, [0])
    code, _, err = cli("run", "--suite", suite, "--address", "127.0.0.1:6379", "--out", tmp_path / "runs")
    assert (code, "say --executor ray too" in err) == (2, True)
    code, _, err = cli("run", "--suite", suite, "--memory", 4, "--out", tmp_path / "runs")
    assert (code, "say --executor ray too" in err) == (2, True)
    code, _, err = cli("zoo", "build", "digits-inrs", "--executor", "rya", "--out", tmp_path / "zoo")
    assert (code, "unknown executor 'rya': did you mean ray?" in err) == (2, True)
    monkeypatch.setitem(sys.modules, "ray", None)  # what importing a missing package finds
    code, _, err = cli("run", "--suite", suite, "--executor", "ray", "--out", tmp_path / "runs")
    assert (code, "pip install 'weightbench[ray]'" in err) == (2, True)
