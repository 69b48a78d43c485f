"""What tests of zoos share: small raw data sets, and builds without a compiler."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import raw_data as raw


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw.write_all(tmp_path_factory.mktemp("raw"))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without compiling, which would take longer than the fits here."""
    monkeypatch.setattr("weightbench.zoo.build.build_plan.compiler", lambda: "eager")
