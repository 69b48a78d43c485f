"""The harness, with plain versions of `mlp` as the other implementation."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks/parity"

PLAIN = """
import torch
from torch import nn


class Plain(nn.Module):
    def __init__(self, inputs, outputs, width=32):
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.second, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.last = nn.Linear(width, outputs)

    def forward(self, weights, biases):
        x = torch.cat([part.flatten(1) for pair in zip(weights, biases) for part in pair], 1)
        return self.last(self.norm(self.second(self.first(x).relu())).relu())


def plain(arch, outputs):
    return Plain(arch.num_params, outputs)


def wide(arch, outputs):
    torch.rand(1000)  # draws more than the other
    return Plain(arch.num_params, outputs, 64)
"""


@pytest.fixture
def train(small_zoo: Path, tmp_path: Path):
    (tmp_path / "plain.py").write_text(PLAIN)

    def call(*arguments: str, function: str = "plain") -> tuple[int, str]:
        command = [
            sys.executable,
            FOLDER / "train.py",
            "mlp",
            f"{tmp_path / 'plain.py'}:{function}",
            "--zoo",
            small_zoo,
        ]
        recipe = ["-p", "depth=1", "-p", "epochs=3", "-p", "batch_size=32", "-p", "augment=[]", "--networks", "150"]
        done = subprocess.run(
            [*command, *recipe, "--out", tmp_path, *arguments], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    return call


def kept(folder: Path, name: str = "mlp") -> dict:
    found: dict = json.loads((folder / f"{name}.json").read_text())
    return found


def test_one_model_written_twice_has_one_learning_curve(train, tmp_path: Path) -> None:
    assert train("--standardise", "--seeds", "0,1")[0] == 0
    found = kept(tmp_path)
    ours, theirs = found["ours"], found["theirs"]
    assert ours["curves"] == theirs["curves"]
    assert ours["curves"]["0"] != ours["curves"]["1"]
    assert ours["parameters"] == theirs["parameters"]
    assert found["train_networks"] == 150
    for low, high in ours["interval"]:
        assert low < high
    first = [curve[0] for curve in ours["curves"].values()]
    assert ours["mean"][0] == pytest.approx(sum(first) / 2, abs=1e-3)


def test_another_model_or_preprocessing_has_another_curve(train, tmp_path: Path) -> None:
    train("--standardise", "--seeds", "0", "--name", "wide", function="wide")
    train("--seeds", "0", "--name", "raw")
    wide, raw = kept(tmp_path, "wide"), kept(tmp_path, "raw")
    assert wide["ours"]["curves"] == raw["ours"]["curves"]  # whatever the other one draws or is given
    for found in (wide, raw):
        assert found["theirs"]["curves"] != found["ours"]["curves"]


def test_what_is_kept_is_not_trained_again(train, tmp_path: Path) -> None:
    train("--standardise", "--seeds", "0")
    found = kept(tmp_path)
    found["theirs"]["curves"]["0"] = [1.0, 2.0, 3.0]
    (tmp_path / "mlp.json").write_text(json.dumps(found))
    train("--standardise", "--seeds", "0,1")
    later = kept(tmp_path)
    assert later["theirs"]["curves"]["0"] == [1.0, 2.0, 3.0]
    assert set(later["theirs"]["curves"]) == set(later["ours"]["curves"]) == {"0", "1"}
    code, error = train("--seeds", "0")
    assert code == 1
    assert "was made with another standardised: give the comparison another --name" in error


def test_wrong_arguments_are_one_line(train) -> None:
    code, error = train(function="missing")
    assert (code, error.count("\n")) == (1, 1)
    assert "has no function missing" in error


def test_the_page_is_that_of_the_kept_curves() -> None:
    page = runpy.run_path(str(FOLDER / "page.py"))
    assert (ROOT / "docs/parity.md").read_text() == page["page"](page["kept_comparisons"]())


def test_a_page_says_whether_intervals_overlap(train, tmp_path: Path) -> None:
    train("--standardise", "--seeds", "0,1", "--repository", "owner/name", "--commit", "0123456789", "--remark", "Why.")
    found, page = kept(tmp_path), runpy.run_path(str(FOLDER / "page.py"))["page"]
    text = page({"mlp": found})
    assert "| yes | 2 |" in text
    assert "[owner/name](https://github.com/owner/name/tree/0123456789) at `0123456`" in text
    assert "\n- Why.\n" in text
    found["theirs"]["interval"][-1] = [200.0, 201.0]
    assert "| no | 2 |" in page({"mlp": found})
