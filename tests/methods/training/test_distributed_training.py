"""One cell in two processes, and batches in parts: the losses of one process and of whole batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.recorded import read_results

import weightbench as wb

METHOD = '''
import os
from pathlib import Path
from weightbench.methods.ng_gnn_residual import NGGNNResidual
from weightbench.runtime import progress

progress.LOG_SECONDS = 0.0

class Watched:
    def __init__(self, task, log):
        self._task, self._log = task, log

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, output, targets):
        value = self._task.loss(output, targets)
        with open(self._log, "a") as stream:
            print(value.item(), len(targets), file=stream)
        return value

class Logged(NGGNNResidual):
    """Writes every loss, and of how many networks it is the mean, into a file of each process."""
    name = "logged"
    folder: str = ""

    def fit(self, task, train, val, *, seed, device):
        Path(self.folder).mkdir(exist_ok=True)
        log = f"{self.folder}/{os.environ.get('RANK', 0)}"
        super().fit(Watched(task, log), train, val, seed=seed, device=device)
'''
SETTINGS = {
    "width": 16,
    "depth": 2,
    "probes": 4,
    "fourier_features": 8,
    "dropout": 0.0,
    "augment": [],
    "epochs": 9,
    "batch_size": 31,
    "warmup_steps": 0,
}


@pytest.fixture
def logged(tmp_path: Path, small_zoo: Path):
    """Run a cell of ng-gnn-residual, which has no norm over a batch: logged(name, processes) -> (losses, the command).

    The losses are those of every step, the command is the finished one.
    """
    (tmp_path / "logged.py").write_text(METHOD)

    def call(name: str, processes: int = 1) -> tuple[torch.Tensor, subprocess.CompletedProcess[str]]:
        settings = SETTINGS | {"folder": str(tmp_path / name)}
        options = [f"-p{key}={json.dumps(v) if isinstance(v, list) else v}" for key, v in settings.items()]
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        start = [sys.executable, *(torchrun if processes > 1 else []), "-m", "weightbench", "run"]
        arguments = [str(tmp_path / "logged.py"), "--task", "inr-classification", "--zoo", str(small_zoo)]
        arguments += ["--device", "cpu", "--out", str(tmp_path / f"{name}-runs")]
        done = subprocess.run([*start, *arguments, *options], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        ranks = [
            [[float(word) for word in line.split()] for line in (tmp_path / name / str(rank)).read_text().splitlines()]
            for rank in range(processes)
        ]
        parts = torch.tensor(ranks).transpose(0, 1)  # [steps, processes, 2]
        return (parts[..., 0] * parts[..., 1]).sum(1) / parts[..., 1].sum(1), done

    return call


def test_two_processes_train_as_one_does(logged, tmp_path: Path) -> None:
    alone, _ = logged("alone")
    together, done = logged("together", 2)
    assert len(alone) == len(together) > 50
    assert (alone - together).abs().max() < 1e-4
    assert alone[-6:].mean() < alone[:6].mean() - 0.01  # it learned something
    assert done.stdout.count("\nlogged ") == 1  # one board
    steps = len(together) - 1  # the last loss is of the step whose operations are counted
    assert done.stderr.count(f"train logged: {steps}/") == 1  # one progress display
    ((_, one),) = read_results(tmp_path / "alone-runs")
    ((_, two),) = read_results(tmp_path / "together-runs")
    assert one.budget is not None
    assert two.budget == one.budget | {"processes": 2}
    assert one.score is not None
    assert two.score == pytest.approx(one.score, abs=5)


def test_a_batch_in_parts_trains_as_the_whole_does(small_zoo: Path, tmp_path: Path) -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != "epochs"}
    cell = {"task": "inr-classification", "zoo": small_zoo, "device": "cpu", "out": tmp_path}
    (whole,) = wb.run(wb.load_method("ng-gnn", epochs=2, **settings), **cell)
    (parts,) = wb.run(wb.load_method("ng-gnn", epochs=2, accumulate=4, **settings), **cell)
    assert parts.selection is not None
    assert whole.selection is not None
    assert parts.selection["val_score"] == pytest.approx(whole.selection["val_score"], abs=5)
    assert parts.method.params == whole.method.params | {"accumulate": 4}
    assert "precision" not in parts.method.params  # as in results from before there was a choice
    with pytest.raises(wb.BadInput, match="accumulate of mlp takes int, not 0: Input should be greater than 0"):
        wb.run(wb.load_method("mlp", accumulate=0), **cell)
