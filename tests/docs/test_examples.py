"""Every public name has an example in its docstring, and the examples are true."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import weightbench as wb
from weightbench.zoo.recipes.catalogue import catalogue_entry, default_folder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def zoo_in_the_cache(small_zoo: Path) -> Iterator[None]:
    """A small digits-inrs where `load_zoo` finds it; what examples say of it is true of the whole one."""
    folder = default_folder(catalogue_entry("digits-inrs"))
    shutil.copytree(small_zoo, folder)
    yield
    shutil.rmtree(folder)


def examples_of(name: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(getattr(wb, name)) or "", name)


def test_every_public_name_has_an_example() -> None:
    assert [name for name in wb.__all__ if not examples_of(name)] == []


def test_the_page_on_the_api_has_every_public_name() -> None:
    named = re.findall(r"^::: weightbench\.(\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(wb.__all__)


@pytest.mark.parametrize("name", wb.__all__)
@pytest.mark.usefixtures("zoo_in_the_cache")
def test_an_example_is_true(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTest(examples_of(name), {"__name__": "__main__"}, name, None, None, None)
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert not said, "".join(said)
