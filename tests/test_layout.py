"""The shape of the project: what is packaged, and who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import PEP420PackageFinder

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["zoo", "methods", "baselines", "benchmarks", "leaderboard"]


def absolute(node: ast.AST) -> list[str]:
    """The modules that an import names in full."""
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_every_folder_is_packaged() -> None:
    """The folders are linked from `weightbench/`, and what packaging finds there is all that a wheel needs."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = PEP420PackageFinder.find(str(ROOT), include=found["include"], exclude=found["exclude"])
    wanted = {"weightbench"}
    for folder in ORDER:
        assert (ROOT / "weightbench" / folder).resolve() == ROOT / folder
        files = [file for ending in ("*.py", "*.toml", "*.html", "*.js") for file in (ROOT / folder).rglob(ending)]
        wanted |= {".".join(["weightbench", *file.parent.relative_to(ROOT).parts]) for file in files}
    assert set(packages) == wanted - {"weightbench.benchmarks.speed"}


@pytest.mark.parametrize("folder", ORDER)
def test_imports_point_one_way(folder: str) -> None:
    later = set(ORDER[ORDER.index(folder) + 1 :])
    for path in set((ROOT / folder).rglob("*.py")) - set(
        (ROOT / "benchmarks/speed").glob("*.py")
    ):  # scripts, from outside
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                depth = len(path.relative_to(ROOT).parts) - node.level
                first = (node.module or "").split(".")[0]
                assert depth > 0 or first not in later, f"{path} imports {first}"
            full = {name.partition(".")[0] for name in absolute(node)}
            assert "weightbench" not in full, f"{path}: relative imports only"


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["ray"]
    declared = {canonicalize_name(Requirement(text).name) for text in declared} | {"weightbench"}
    owners = packages_distributions()
    paths = [path for folder in (*ORDER, "weightbench") for path in (ROOT / folder).rglob("*.py")]
    for path in set(paths) - set((ROOT / "benchmarks/speed").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for module in {name.partition(".")[0] for name in absolute(node)} - sys.stdlib_module_names:
                assert declared & {canonicalize_name(name) for name in owners[module]}, f"{path} imports {module}"


@pytest.mark.parametrize("folder", [folder for folder in ORDER if folder != "zoo"])
def test_files_of_a_folder_import_each_other_one_way(folder: str) -> None:
    """Also within functions, where a circle would not show."""
    graph: dict[str, set[str]] = {}
    for path in (ROOT / folder).glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
            if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = []
        near = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
        graph[path.stem] = {node.module.split(".")[0] for node in near if node.module}
    assert list(TopologicalSorter(graph).static_order())


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


def test_the_lock_pins_everything_and_names_no_index() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] not in " #"]
    assert all("==" in line for line in lines)
    assert {"torch==2.13.0", "datasets==5.2.0", "huggingface-hub==2.4.0"} <= {line.split(" ")[0] for line in lines}
