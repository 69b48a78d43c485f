"""Graph methods read networks of eleven million parameters in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
import torch
sys.path.insert(0, sys.argv[2])
from helpers.branched_networks import resnet
from helpers.random_task import RandomTask
import weightbench as wb

torch.set_num_threads(1)
arch = resnet(390)
assert arch.num_params > 11_000_000
task = RandomTask(arch, networks=2)
fields = {"readout": "mean", "augment": ()} if sys.argv[1] == "ng-gnn" else {"graphs": 2, "laplacian": "levels"}
method = wb.load_method(sys.argv[1], **fields, epochs=1, batch_size=1)
method.fit(task, task.splits["train"], task.splits["val"], seed=0, device="cpu")
assert method.predict(task.splits["test"].networks).shape == (2, 10)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


@pytest.mark.parametrize("name", ["ng-gnn", "structure-reps"])
def test_eleven_million_parameters_take_less_than_four_gigabytes(name: str) -> None:
    helpers = Path(__file__).resolve().parents[1]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, name, str(helpers)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) < 4e9
