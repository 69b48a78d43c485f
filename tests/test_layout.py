"""The shape of the project: what is packaged, and who may import whom."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import PEP420PackageFinder

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["zoo", "methods", "baselines", "benchmarks", "leaderboard"]


def absolute(node: ast.AST) -> list[str]:
    """The modules that an import names in full."""
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_every_folder_is_packaged() -> None:
    """The folders are linked from `weightbench/`, and what packaging finds there is all that a wheel needs."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = PEP420PackageFinder.find(str(ROOT), include=found["include"], exclude=found["exclude"])
    wanted = {"weightbench", "weightbench.cli", "weightbench.runtime"}
    for folder in FOLDERS:
        assert (ROOT / "weightbench" / folder).resolve() == ROOT / folder
        files = [file for ending in ("*.py", "*.toml", "*.html", "*.js") for file in (ROOT / folder).rglob(ending)]
        wanted |= {".".join(["weightbench", *file.parent.relative_to(ROOT).parts]) for file in files}
    assert set(packages) == wanted - {f"weightbench.benchmarks.{name}" for name in ("speed", "parity")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, to be planted with imports that must not be."""
    copy = tmp_path_factory.mktemp("house")
    nothing = shutil.ignore_patterns("results", "__pycache__", "vendor", "speed", "parity")
    for folder in ("weightbench", *FOLDERS):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=nothing)
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    return copy


@contextlib.contextmanager
def planted(house: Path, **lines: str) -> Iterator[None]:
    """Files of the copy, named like `zoo__load_zoo`, with a line more."""
    before = {house / f"{name.replace('__', '/')}.py": line for name, line in lines.items()}
    texts = {path: path.read_text() for path in before}
    for path, line in before.items():
        path.write_text(f"{texts[path]}\n\n{line}\n")
    yield
    for path, text in texts.items():
        path.write_text(text)


def broken_contracts(house: Path) -> list[str]:
    """What `make lint` finds wrong with the imports."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-logo"]
    environment = os.environ | {"PYTHONPATH": str(house), "COLUMNS": "200"}
    done = subprocess.run(
        [*command, "--no-cache"], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    broken = [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]
    assert done.returncode == (1 if broken else 0), done.stdout + done.stderr
    return broken


def test_imports_point_down_the_floors_and_no_circle_exists(house: Path) -> None:
    assert broken_contracts(house) == []


def test_an_upward_import_fails(house: Path) -> None:
    """Between floors and between the rooms of one, also where only the type checker looks."""
    with planted(house, weightbench__runtime__errors="from ..zoo.storage import manifest"):
        assert "Floors" in broken_contracts(house)
    with planted(house, zoo__storage__zoo="if TYPE_CHECKING:\n    from ..build import build_zoo"):
        assert "Rooms of zoo" in broken_contracts(house)
    with planted(house, methods__contract__registry="def _later():\n    from ..training import neural_method"):
        assert "Rooms of methods" in broken_contracts(house)
    with planted(house, benchmarks__records__result="from ..metrics import metric"):
        assert "Rooms of benchmarks" in broken_contracts(house)
    with planted(house, leaderboard__evidence__intervals="from ..board import board"):
        assert "Rooms of leaderboard" in broken_contracts(house)


def test_a_circle_within_a_room_fails(house: Path) -> None:
    one = "def _later():\n    from . import machine"
    with planted(house, weightbench__runtime__machine="from . import drawing", weightbench__runtime__drawing=one):
        assert broken_contracts(house) == ["No circles, inside a room neither"]


def test_no_room_is_too_full_to_be_seen() -> None:
    folders = {path.parent for folder in ("weightbench", *FOLDERS) for path in (ROOT / folder).rglob("*.py")}
    sizes = {f.relative_to(ROOT): len([p for p in f.glob("*.py") if p.stem != "__init__"]) for f in folders}
    assert max(sizes.values()) <= 12, sizes


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["ray"], *extras["onnx"]]
    declared = {canonicalize_name(Requirement(text).name) for text in declared} | {"weightbench"}
    owners = packages_distributions()
    paths = [path for folder in (*FOLDERS, "weightbench") for path in (ROOT / folder).rglob("*.py")]
    for path in set(paths) - set((ROOT / "benchmarks/speed").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for module in {name.partition(".")[0] for name in absolute(node)} - sys.stdlib_module_names:
                assert declared & {canonicalize_name(name) for name in owners[module]}, f"{path} imports {module}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'pydantic', 'typer'}"
    program = f"import sys, weightbench; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_is_there() -> None:
    import weightbench as wb

    assert all(getattr(wb, name) is not None for name in wb.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wb.nonsense


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-docs.lock"])
def test_a_lock_pins_everything_and_names_no_index(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and line[0] not in " #"]
    assert all("==" in line for line in lines)
    assert {"torch==2.13.0", "datasets==5.2.0", "huggingface-hub==2.4.0"} <= {line.split(" ")[0] for line in lines}


def test_the_page_on_architecture_names_what_there_is() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {name for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+)(?:\.py)?`", page) if "my_" not in name}
    files = [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("*/**/*.py")]
    rooms = {Path(file).parent.as_posix() for file in files}
    assert named
    assert [name for name in named if not any(f"/{place}".endswith(f"/{name}") for place in {*files, *rooms})] == []
