"""The bundle for a machine without internet: what it asks for and what it brings are all that it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from helpers.recorded import read_results
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from weightbench.zoo.storage.manifest import read_manifest

ROOT = Path(__file__).resolve().parent.parent
# Runs the command line in a Python that has no module of the names given first.
PROGRAM = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

absent = set(sys.argv.pop(1).split(","))
sys.meta_path[:] = map(Without, sys.meta_path)
from weightbench.__main__ import main
main()
"""


def travelling() -> set[str]:
    """The distributions that `make bundle` packs."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    found = re.search(r"^TRAVELLING := (.*)$", text, re.M)
    assert found
    return set(map(canonicalize_name, found[1].split()))


def asked_for() -> set[str]:
    """The distributions that `run.sh` refuses to start without."""
    found = re.search(r"for name in (\(.*?\)):", (ROOT / "benchmarks/portable/run.sh").read_text())
    assert found
    return {canonicalize_name(name) for name in re.findall(r'"(.+?)"', found[1])}


def with_dependencies(names: set[str]) -> set[str]:
    """These distributions and all that `pip install` brings with them."""
    found, left = set(), set(names)
    while left:
        found |= (known := left - found)
        needed = [Requirement(text) for name in known for text in distribution(name).requires or []]
        needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
        left = {canonicalize_name(one.name) for one in needed} - found
    return found


def test_what_travels_brings_its_own_dependencies() -> None:
    assert with_dependencies(travelling()) <= travelling() | with_dependencies(asked_for())


def test_a_zoo_is_built_and_a_suite_run_with_what_is_there(tmp_path: Path) -> None:
    present = travelling() | with_dependencies(asked_for()) | {"weightbench"}
    owners = {module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()}
    absent = {module for module, names in owners.items() if not names & present}
    assert {"matplotlib", "huggingface_hub", "datasets", "PIL"} <= absent

    def call(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, ",".join(sorted(absent)), *map(str, arguments)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    said = call("zoo", "build", "digits-inrs", "--limit", 30, "--out", "zoo", "--device", "cpu")
    assert re.search(r"digits-inrs: no card beside it, because \w+ is missing", said)
    assert read_manifest(tmp_path / "zoo")[0].splits.keys() == {"train", "val", "test"}
    (tmp_path / "own.toml").write_text(
        'description = "a test"\nseeds = [0]\n[[runs]]\ntask = "inr-classification"\nzoo = "zoo"\n'
        'methods = [{ name = "mlp", epochs = 1 }, { name = "ng-gnn", width = 8, depth = 1, probes = 2, epochs = 1 }]\n'
    )
    call("run", "--suite", "own.toml", "--device", "cpu", "--out", "runs", "--budget", "10m")
    assert [result.status for _, result in read_results(tmp_path / "runs")] == ["ok", "ok"]
    assert (tmp_path / "runs/board/index.html").exists()


def test_the_card_is_there_where_its_libraries_are(small_zoo: Path) -> None:
    assert {"README.md", "picture.png"} <= {path.name for path in small_zoo.iterdir()}
