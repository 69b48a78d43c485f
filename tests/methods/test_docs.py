"""The table of docs/methods.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_memory import RandomTask
from weightbench.methods.neural import NeuralMethod
from weightbench.methods.registry import load_class, load_method, method_names

import weightbench as wb

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
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
