"""Benchmarks run as the commands do: with the process tuned before torch is imported."""

from __future__ import annotations

from weightbench.runtime.machine import tune_process

tune_process()

import statistics  # noqa: E402
import time  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

SIDE = 2048


@pytest.fixture
def gflops() -> float:
    """This machine's rate of a float32 2048 x 2048 x 2048 matrix product now: rates divided by it carry to others.

    Measured beside every timing: a shared machine's speed drifts within minutes.
    """
    a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    seconds = []
    for _ in range(12):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / statistics.median(seconds[2:]) / 1e9
