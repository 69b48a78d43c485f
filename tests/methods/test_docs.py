"""The pages that list methods and suites say what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.random_task import RandomTask

import weightbench as wb
from weightbench.benchmarks.running.suite import suite_names
from weightbench.methods.contract.registry import load_class, load_method, method_names
from weightbench.methods.training.neural_method import NeuralMethod

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "methods.md"
MNIST_INR = wb.Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0, output_offset=0.5)


def rows() -> dict[str, list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def facts(name: str) -> tuple[str, str, str]:
    """Paper, parameters and recipe, as the table prints them."""
    method = load_method(name)
    if not isinstance(method, NeuralMethod):
        return method.paper or "-", "-", "-"
    size = sum(p.numel() for p in method.build(RandomTask(MNIST_INR)).parameters())
    recipe = f"{method.epochs} epochs, batches of {method.batch_size}, lr {method.lr:g} {method.schedule}"
    if method.warmup_steps:
        recipe += f", {method.warmup_steps:,} warm-up steps"
    return method.paper or "-", f"{size:,}", recipe


def test_the_table_lists_the_methods_that_there_are() -> None:
    assert sorted(rows()) == method_names()


@pytest.mark.parametrize("name", method_names())
def test_a_row_is_true(name: str) -> None:
    _, paper, _, invariant, parameters, recipe = rows()[name]
    assert (paper, parameters, recipe) == facts(name)
    assert invariant == (", ".join(load_class(name).symmetries) or "-")
    assert issubclass(load_class(name), wb.Method)


def test_the_page_on_tasks_names_the_methods_that_embed() -> None:
    found = re.search(
        r"can be run under both\s+protocols; (.*?) have one", (ROOT / "docs/tasks.md").read_text(), re.DOTALL
    )
    assert found
    assert re.findall(r"`(.+?)`", found[1]) == [name for name in method_names() if load_method(name).has("transform")]


def test_every_suite_is_named_by_its_pages() -> None:
    (line,) = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| suites |")]
    table = (ROOT / "docs/tasks.md").read_text().partition("## Suites")[2]
    for text in (line, "".join(row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `"))):
        assert set(re.findall(r"`(.+?)`", text)) == set(suite_names())
