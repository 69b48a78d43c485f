"""One small real zoo for the whole session; every test has its own cache folder in the session's temporary one."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

_HUB_CACHE = tempfile.mkdtemp(prefix="weightbench-hf-")
atexit.register(shutil.rmtree, _HUB_CACHE, ignore_errors=True)

settings.register_profile("suite", deadline=None)  # no test asserts a time
settings.load_profile("suite")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Torch reads it when it is imported. Threads of processes side by side would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The Hub's clients read these when they are imported: no test reaches the internet or the user's own cache.
os.environ |= {
    "HF_HOME": _HUB_CACHE,
    "HF_ENDPOINT": "http://127.0.0.1:9",  # nobody listens there
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "2",
    "HF_HUB_DOWNLOAD_TIMEOUT": "2",
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["WEIGHTBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("WEIGHTBENCH_SOURCE_DIR", None)


@pytest.fixture(scope="session")
def small_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits-inrs of 60 images (240 networks), fitted with the full recipe."""
    from weightbench.zoo.build.build_zoo import build_zoo

    folder = tmp_path_factory.mktemp("zoos") / "digits-inrs"
    build_zoo("digits-inrs", limit=60, out=folder, device="cpu")
    return folder


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: cli("zoo", "list") -> (exit code, stdout, stderr)."""
    from weightbench import __main__ as face

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["weightbench", *map(str, arguments)])
        monkeypatch.setattr("weightbench.cli.options.tune", lambda: None)  # a test process keeps its own allocator
        code = 0
        try:
            face.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        out, err = capsys.readouterr()
        return code, out, err

    return call
