"""Which methods there are, and what tells one version of a method from another."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import weightbench as wb
from weightbench.methods.contract.builtin import builtin_methods
from weightbench.methods.contract.registry import METHODS, load_class, method_names

PLUGIN = """
import weightbench as wb

class Mine(wb.Method):
    name = "mine"
    tasks = ("property",)
    version = "3"
"""

WITH_BASE = """
import weightbench as wb

class Base(wb.Method):
    tasks = ("property",)

class Mine(Base):
    paper = ""
    name = "mine"
"""


@pytest.mark.parametrize(("name", "module"), builtin_methods().items())
def test_every_file_of_methods_and_baselines_is_one_method_of_its_name(name: str, module: str) -> None:
    loaded = importlib.import_module(module)
    classes = [value for value in vars(loaded).values() if isinstance(value, type) and issubclass(value, wb.Method)]
    (method,) = [found for found in classes if found.__module__ == module]
    assert method.name == name == module.rpartition(".")[2].replace("_", "-")
    assert load_class(name) is method
    assert METHODS.version_of(method) == method.version


def test_built_in_methods_are_listed_without_importing_them() -> None:
    program = "import sys; from weightbench.methods.contract.builtin import builtin_methods; " + (
        "print(len(builtin_methods()), {'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(builtin_methods())} set()"
    assert set(builtin_methods()) <= set(method_names())


def test_a_base_without_a_name_is_no_method(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(WITH_BASE)
    assert load_class(str(path)).name == "mine"
    path.write_text(WITH_BASE.replace('    name = "mine"\n', ""))
    with pytest.raises(wb.BadInput, match="several methods"):
        load_class(str(path))
    with pytest.raises(wb.BadInput, match="sets no `name`"):
        load_class(f"{path}:Mine")


def test_an_edited_plug_in_is_another_version(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    first = METHODS.version_of(load_class(str(path)))
    assert first.startswith("3+")
    assert len(first) == len("3+") + 12
    assert METHODS.version_of(load_class(str(path))) == first
    path.write_text(PLUGIN + "# edited\n")
    second = METHODS.version_of(load_class(str(path)))
    assert second.startswith("3+")
    assert second != first


def test_a_subclass_of_a_built_in_method_is_not_built_in() -> None:
    class Mine(load_class("mlp")):  # type: ignore[misc]
        name = "mine"

    assert METHODS.version_of(Mine).startswith("1+")
