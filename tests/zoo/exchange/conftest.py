"""How a refused import is tested, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def refused(cli, tmp_path: Path) -> Callable[..., str]:
    """Run an import that must be refused; returns its one line."""

    def call(path: object, *options: object, format: str = "state-dicts", name: str = "mine") -> str:
        home = tmp_path / "zoos"
        home.mkdir(exist_ok=True)
        code, out, err = cli("zoo", "import", format, path, "--name", name, "--out", home / "mine", *options)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert list(home.iterdir()) == []
        return err

    return call
