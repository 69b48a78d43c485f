"""What is measured of the machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weightbench.runtime.files import ROOT
from weightbench.runtime.machine import code_sha256, environment

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


def test_one_checksum_covers_all_code_that_can_influence_a_result(tmp_path: Path) -> None:
    """Every module but those of the board, the command line and the benchmarks of speed."""
    leave_out = shutil.ignore_patterns("results", "vendor", "__pycache__", "*.png")
    shutil.copytree(ROOT / "weightbench", tmp_path / "weightbench", ignore=leave_out)

    def checksum() -> str:
        program = "from weightbench.runtime.machine import code_sha256; print(code_sha256())"
        run = [sys.executable, "-c", program]
        return subprocess.run(
            run, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
        ).stdout

    before = checksum()
    assert before.strip() == code_sha256()
    for file, influences in {
        "leaderboard/board/board.py": False,
        "cli/app.py": False,
        "benchmarks/speed/conftest.py": False,
        "methods/training/training_loop.py": True,
        "baselines/mlp.py": True,
        "benchmarks/metrics/accuracy.py": True,
        "zoo/networks/networks.py": True,
        "runtime/machine.py": True,
    }.items():
        path = tmp_path / "weightbench" / file
        text = path.read_text()
        path.write_text(text + "# changed\n")
        assert (checksum() != before) == influences, file
        path.write_text(text)
    assert checksum() == before


def test_the_rate_of_products_is_measured_once_in_a_process() -> None:
    rate = environment("cpu")["gflops"]
    assert rate > 0
    assert environment("cpu")["gflops"] == rate
