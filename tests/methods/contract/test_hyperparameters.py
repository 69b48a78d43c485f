"""Hyperparameters: given as text, and refused where they fit neither a field nor each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weightbench as wb
from weightbench.methods.contract.method import field_types
from weightbench.methods.contract.registry import load_class, method_names
from weightbench.methods.training.augmentation import compose


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


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("set-nn", {"dropout": 1.5}),
        ("set-nn", {"dropout": float("nan")}),
        ("nfn-np", {"head_dropout": -0.1}),
        ("ng-gnn", {"aggregators": ""}),
        ("ng-gnn", {"fourier_sigma": 0}),
        ("ng-t", {"heads": 0}),
        ("probegen", {"probes": 0}),
        ("mlp", {"weight_decay": float("inf")}),
        ("weight-norms", {"alpha": -1}),
        ("weight-stats", {"leaves": 1}),
        ("structure-reps", {"epochs": -1}),
        ("activation-matching", {"inputs": 1}),
    ],
)
def test_values_out_of_range_are_refused(name: str, params: dict[str, object]) -> None:
    (field,) = params
    with pytest.raises(wb.BadInput, match=f"parameter {field} of {name} takes .*: (Input|Tuple) should") as refused:
        wb.load_method(name, **params)
    assert "\n" not in str(refused.value)


NONSENSE = st.one_of(
    st.integers(max_value=-1),
    st.floats(max_value=-1e-6, allow_nan=False),
    st.sampled_from([float("nan"), float("inf"), "", "many", "1e400", "-0x1", None, [], [1], {"a": 1}]),
)


@given(data=st.data())
def test_no_number_of_a_built_in_method_takes_nonsense(data: st.DataObject) -> None:
    """Negative, infinite, no number at all: refused in one line that names the field, of every method."""
    name = data.draw(st.sampled_from(method_names()))
    ranged = [key for key, kind in field_types(load_class(name)).items() if _plain(kind) in (int, float)]
    if not ranged:
        return
    field, value = data.draw(st.sampled_from(ranged)), data.draw(NONSENSE)
    with pytest.raises(wb.BadInput, match=f"parameter {field} of {name} takes ") as refused:
        wb.load_method(name, **{field: value})
    assert "\n" not in str(refused.value)


def _plain(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", -3), ("lr", "nan"), ("lr", 0), ("width", 0), ("batch_size", 0), ("depth", -1), ("dropout", 2)],
)
def test_what_every_method_refuses(field: str, value: object) -> None:
    asked = [name for name in method_names() if field in field_types(load_class(name))]
    assert asked
    for name in asked:
        with pytest.raises(wb.BadInput, match=f"parameter {field} of {name} takes "):
            wb.load_method(name, **{field: value})


@pytest.mark.parametrize("text", ["noise=-1", "noise=nan", "noise=inf", "dropout=1", "dropout=2", "quantile=-0.1"])
def test_numbers_of_augmentations_have_a_range_too(text: str) -> None:
    with pytest.raises(wb.BadInput, match=f"augmentation {text}: expected a number from 0"):
        compose([text])
    assert compose(["noise=0.3", "dropout=0", "quantile=0.5"])


def test_every_number_of_a_built_in_method_has_a_range() -> None:
    for name in method_names():
        method = load_class(name)
        numbers = {key for key, kind in field_types(method).items() if kind in (int, float)}
        assert not numbers, (name, numbers)
        assert wb.load_method(name).variant is None, "defaults lie in their ranges"


def test_a_field_declared_again_keeps_its_range_and_others_have_none() -> None:
    class Own(wb.NeuralMethod):
        name = "own"
        tasks = ("inr-classification",)
        epochs: int = 7
        batch_size: int | None = None  # type: ignore[assignment]  # another type: as its author says
        shift: int = -2
        power: float = float("inf")

    with pytest.raises(wb.BadInput, match="epochs of own takes int, not -3"):
        wb.load_method(Own, epochs=-3)
    found = wb.load_method(Own, shift="-5")
    assert (found.epochs, found.batch_size, found.shift, found.power) == (7, None, -5, float("inf"))


def test_aggregators_can_be_given_as_text() -> None:
    assert wb.load_method("ng-gnn", aggregators="mean+max").aggregators == ("mean", "max")
    with pytest.raises(wb.BadInput, match="aggregators of ng-gnn"):
        wb.load_method("ng-gnn", aggregators="mean,max")
