"""What is measured of the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
from weightbench.runtime.machine import peak_memory_mb, reset_peak_memory, tune_process
tune_process()
import torch
earlier = [torch.ones(250_000) for _ in range(400)]
kept = torch.ones(1)  # above the earlier work's memory, so that this is not the end of the heap
del earlier
reset_peak_memory()
before = peak_memory_mb("cpu")
now = torch.ones(25_000_000)
print(before, peak_memory_mb("cpu"))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system has no resettable peak")
def test_peak_memory_is_that_of_the_present_work_alone() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True, timeout=120)
    before, peak = map(int, done.stdout.split())
    assert 90 < peak - before < 120, "100 MB were filled; 400 MB of earlier work are free again"
