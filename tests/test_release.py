"""Releases: one version everywhere, and what `make release` refuses before it builds anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import weightbench as wb

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_is_named_everywhere() -> None:
    assert PROJECT["version"] == wb.__version__
    assert re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [wb.__version__]
    newest = re.search(
        r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert newest is not None
    assert newest[1] == wb.__version__


@pytest.mark.parametrize(
    ("file", "old", "new", "tag", "says"),
    [
        ("CHANGELOG.md", r"\(\d{4}-\d\d-\d\d\)", "(unreleased)", "", 'CHANGELOG.md: has no "## {} (YYYY-MM-DD)"'),
        ("CITATION.cff", "(?m)^version: .*", "version: 0.0.1", "", "CITATION.cff: names another version than {}"),
        ("README.md", "", "", "v9.9.9", "tag v9.9.9: pyproject.toml has version {}, so the tag is v{}"),
    ],
)
def test_a_release_is_refused_in_one_line(tmp_path: Path, file: str, old: str, new: str, tag: str, says: str) -> None:
    for name in (
        "pyproject.toml",
        "CHANGELOG.md",
        "CITATION.cff",
        "README.md",
        ".ci/release",
        "weightbench/__init__.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("(unreleased)", "(2026-01-31)"))
    (tmp_path / file).write_text(re.sub(old, new, (tmp_path / file).read_text(), count=1))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    call = [str(tmp_path / ".ci/release"), *([tag] if tag else [])]
    done = subprocess.run(call, env=os.environ | {"BIN": "bin"}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {says.format(wb.__version__, wb.__version__)}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "dist").exists()


def test_the_lowest_versions_are_those_of_the_project() -> None:
    call = [sys.executable, str(ROOT / ".ci/lowest")]
    lines = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()
    assert len(lines) == len(PROJECT["dependencies"])
    for line, text in zip(lines, PROJECT["dependencies"], strict=True):
        name, _, version = line.partition("==")
        assert text.startswith(f"{name}>={version}")
