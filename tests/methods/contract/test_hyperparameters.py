"""Hyperparameters: given as text, and refused where they fit neither a field nor each other."""

from __future__ import annotations

from pathlib import Path

import pytest

import weightbench as wb


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ng-t", {"attention_width": 30}, "attention_width=30 is no multiple of heads=8"),
        ("dwsnet", {"width": 12}, "width 12 is no multiple of heads 8"),
        ("mlp", {"augment": ["rotate"]}, "did you mean rotation"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_a_fit(
    small_zoo: Path, tmp_path: Path, name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(wb.BadInput, match=message):
        wb.run(wb.load_method(name, **params), task="inr-classification", zoo=small_zoo, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_aggregators_can_be_given_as_text() -> None:
    assert wb.load_method("ng-gnn", aggregators="mean+max").aggregators == ("mean", "max")
    with pytest.raises(wb.BadInput, match="aggregators of ng-gnn"):
        wb.load_method("ng-gnn", aggregators="mean,max")
