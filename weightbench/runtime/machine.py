"""This process and its machine: device, allocator, memory, and what a result says about them."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import resource
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .errors import BadInput
from .files import ROOT, digest, file_sha256

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h


def tune_process() -> None:
    """Make numeric work on CPUs faster. For programs, before torch is imported; a library leaves its host alone.

    Waiting OpenMP threads sleep instead of spinning, which beside another busy process is up to 100 times faster; but
    not at once: waking them takes longer than a small operation, so they first spin for some microseconds.
    glibc keeps freed blocks instead of returning them to the kernel: fresh pages cost more than the arithmetic on them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if _glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def pick_device(name: str | None) -> str:
    """`name` if torch can use it; for None a GPU where there is one, else the CPU. Raises BadInput."""
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun's processes have a GPU each
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise BadInput(f"device {name!r} cannot be used by torch {torch.__version__} here: try --device cpu") from None
    return name


def reset_peak_memory() -> None:
    """Start a new measurement of `peak_memory_mb` (only where the system can: Linux and CUDA)."""
    gc.collect()
    if _glibc():  # give back what `tune_process` had it keep, or earlier work would count
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_mb(device: str) -> int:
    """The maximum of memory held since `reset_peak_memory`, in MB: of the GPU, or resident memory of the process."""
    if device.startswith("cuda"):
        import torch

        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    try:
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6)
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


@cache
def commit() -> tuple[str | None, bool | None]:
    """The clone's commit and whether its code has changes; (None, None) for an installed package."""
    if not (ROOT / ".git").exists():
        return None, None
    try:
        run = [
            subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "--", "*.py"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return run[0].strip(), bool(run[1].strip())


@cache
def code_sha256() -> str:
    """Checksum of all code that can influence a result: every module but those of the board and the command line."""
    package = Path(__file__).parents[1]
    folders = ("baselines", "benchmarks", "methods", "runtime", "zoo")
    files = {
        f"{folder}/{file.relative_to(home).as_posix()}": file_sha256(file)
        for folder in folders
        for home in [(package / folder).resolve()]
        for file in home.rglob("*.py")
        if not {"speed", "parity"} & set(file.relative_to(home).parts)  # they run, but are not run by, the rest
    }
    return digest(files)


@cache
def cpu_name() -> str:
    """The processor's model name, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def matmul_gflops(device: str, threads: int) -> float:
    """Billions of operations a second of the machine's matrix product in single precision, on so many threads.

    A short measurement, once per process, so that times taken on machines of different speed, or beside other work, can
    be compared: the mean of the products that are done in a tenth of a second.
    """
    import torch

    on_gpu = device.startswith("cuda")
    size = 4096 if on_gpu else 512
    matrix = torch.full((size, size), 0.5, device=device)

    def multiply() -> None:
        _ = matrix @ matrix
        if on_gpu:
            torch.cuda.synchronize(device)

    multiply()  # a first one, which is slower
    started, products = time.perf_counter(), 0
    while (seconds := time.perf_counter() - started) < 0.1 or not products:
        multiply()
        products += 1
    return round(products * 2 * size**3 / seconds / 1e9, 1)


def environment(device: str) -> dict[str, Any]:
    """What a result records about where it was made."""
    import torch

    sha, dirty = commit()
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "weightbench": version("weightbench"),
        "commit": sha,
        "dirty": dirty,
        "code_sha256": code_sha256(),
        "device": device,
        "cpu": cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),  # models of one name differ, and round otherwise
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "gflops": matmul_gflops(device, torch.get_num_threads()),
    }
    if hasattr(os, "getloadavg"):  # not on Windows
        found["load"] = round(os.getloadavg()[1], 1)  # of the last five minutes; this process is a part of it
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
    return found
