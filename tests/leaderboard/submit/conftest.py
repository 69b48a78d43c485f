"""Honest results on the small zoo, and the command that hands them in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import weightbench as wb


@pytest.fixture(scope="session")
def honest(small_zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One classification and one dilation cell on the small zoo."""
    out = tmp_path_factory.mktemp("honest") / "runs"
    wb.run(wb.load_method("weight-stats", trees=2), task="inr-classification", zoo=small_zoo, out=out, seeds=[0, 1])
    wb.run(wb.load_method("mlp", epochs=1), task="inr-dilation", zoo=small_zoo, out=out)
    return out


@pytest.fixture
def runs(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "runs"))


@pytest.fixture
def submit(cli, small_zoo: Path, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    return lambda runs: cli("submit", runs, "--zoo", small_zoo, "--home", tmp_path / "home")
