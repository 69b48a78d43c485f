"""Builds that are killed, that run in several processes, at once or on a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.counted_work import shrunk

import weightbench as wb
from weightbench.zoo.build.build_zoo import build_zoo

BUILD = """
import sys, torch
from pathlib import Path
from weightbench.zoo.build import build_plan, build_zoo
from weightbench.zoo.training import run_builder
torch.set_num_threads(1)
build_plan.compiler = lambda: "eager"
run_builder.SEGMENT_EPOCHS = 3
build_zoo.build_zoo(sys.argv[1], limit=int(sys.argv[3]), out=Path(sys.argv[2]), device="cpu")
"""


@pytest.mark.parametrize(("name", "limit", "kept"), [("digits-inrs", 20, 3), ("moons-mlps", 10, 5)])
def test_a_killed_build_goes_on_and_gives_the_same_zoo(tmp_path: Path, name: str, limit: int, kept: int) -> None:
    path = shrunk(name, tmp_path, steps="200", epochs="24", chunk="{ cpu = 4, cuda = 4 }")

    def build(folder: Path) -> list[str]:
        return [sys.executable, "-c", BUILD, str(path), str(folder), str(limit)]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(build(whole), check=True, capture_output=True)
    process = subprocess.Popen(build(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = tmp_path / ".killed.building"
    while len(list(shards.glob("shards-*/*.safetensors"))) < kept:
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "zoo.json").exists()
    done = {path: path.stat().st_mtime_ns for path in shards.glob("shards-*/*.safetensors")}
    watcher = subprocess.Popen(build(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while watcher.poll() is None and shards.exists():
        for path, stamp in done.items():
            if path.exists():
                assert path.stat().st_mtime_ns == stamp, "a finished shard was computed again"
        time.sleep(0.05)
    assert watcher.wait() == 0
    assert (killed / "zoo.json").read_bytes() == (whole / "zoo.json").read_bytes()
    assert not shards.exists()


def test_several_processes_build_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal threads; a build that two processes began is finished by one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # of which each of two gets one
    path = shrunk("moons-mlps", tmp_path)
    together = build_zoo(str(path), out=tmp_path / "together", device="cpu", jobs=2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = build_zoo(str(path), out=tmp_path / "alone", device="cpu")
    finally:
        torch.set_num_threads(before)
    assert together.manifest.build["threads"] == 1
    assert together.manifest_sha256 == alone.manifest_sha256


def test_two_builds_of_one_zoo_at_once(tmp_path: Path) -> None:
    """One goes on, the other says so and changes nothing."""
    path = shrunk("moons-mlps", tmp_path)
    command = [sys.executable, "-c", BUILD, str(path), str(tmp_path / "zoo"), "20"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".zoo.building/shards-*/*.safetensors")):
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)  # or it might end before the second starts
    second = subprocess.run(
        [
            sys.executable,
            "-m",
            "weightbench",
            "zoo",
            "build",
            str(path),
            "--limit",
            "20",
            "--out",
            str(tmp_path / "zoo"),
        ],
        capture_output=True,
        text=True,
    )
    os.kill(first.pid, signal.SIGCONT)
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "another process is writing it" in second.stderr
    assert first.wait() == 0
    wb.load_zoo(tmp_path / "zoo")


def test_a_full_disk_leaves_no_zoo_and_the_build_goes_on_later(tmp_path: Path) -> None:
    """No file may grow beyond 200 kB in the first process: shards fit, a split's file does not."""
    path = shrunk("digits-inrs", tmp_path, chunk="{ cpu = 32, cuda = 32 }")
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY)); "
        "from weightbench.zoo.build import build_plan; build_plan.compiler = lambda: 'eager'; "
        "from weightbench.__main__ import main; main()"
    )
    command = ["zoo", "build", str(path), "--limit", "150", "--out", str(tmp_path / "zoo"), "--device", "cpu"]
    full = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert full.returncode == 2, full.stderr
    assert full.stderr.count("\n") == 1
    assert "File too large" in full.stderr
    assert not (tmp_path / "zoo" / "zoo.json").exists()
    shards = list(tmp_path.glob(".zoo.building/shards-*/*.safetensors"))
    assert len(shards) == 19
    program = program.replace("200_000", "resource.RLIM_INFINITY")
    again = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(wb.load_zoo(tmp_path / "zoo")["train"]) > 400
