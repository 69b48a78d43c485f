"""What ONNX files compute of constants: shapes and masks, as onnx's reference evaluator does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.onnx_models import model, node, reference, weights, write

import weightbench as wb


def numbers(*values: float, dtype: type = np.int64) -> np.ndarray:
    return np.array(values, dtype)


FOLDED: dict[str, list[Any]] = {
    "counted": [node("Range", ["zero", "four", "one"], ["c"])],
    "compared": [node("Range", ["zero", "four", "one"], ["r"]), node("LessOrEqual", ["r", "two"], ["c"])],
    "both": [
        node("Range", ["zero", "four", "one"], ["r"]),
        node("GreaterOrEqual", ["r", "one"], ["a"]),
        node("Less", ["r", "three"], ["b"]),
        node("And", ["a", "b"], ["c"]),
    ],
    "a lower triangle, spread": [
        node("Expand", ["two", "square"], ["e"]),
        node("Trilu", ["e"], ["c"], upper=0),
    ],
    "the triangle above a diagonal": [node("Expand", ["two", "square"], ["e"]), node("Trilu", ["e", "one"], ["c"])],
    "places of a table": [
        node("Expand", ["two", "square"], ["e"]),
        node("Trilu", ["e"], ["f"]),
        node("GatherElements", ["f", "places"], ["c"], axis=1),
    ],
    "a power, flattened": [
        node("Pow", ["places", "two"], ["p"]),
        node("Flatten", ["p"], ["f"], axis=0),
        node("Reshape", ["f", "square"], ["c"]),
    ],
}


@pytest.mark.parametrize("name", FOLDED)
def test_constants_are_computed_as_the_reference_does(name: str, tmp_path: Path) -> None:
    last = [node("Cast", ["c"], ["d"], to=1), node("Add", ["x", "d"], ["s"]), node("MatMul", ["s", "w"], ["y"])]
    tensors = {"w": weights(4, 3), "square": numbers(4, 4), "places": np.arange(16).reshape(4, 4)[::-1] % 4}
    tensors |= {name: np.int64(number) for number, name in enumerate(("zero", "one", "two", "three", "four"))}
    file = write(tmp_path / "net.onnx", model([*FOLDED[name], *last], [1, 4, 4], tensors))
    x = torch.randn(1, 4, 4)
    found = wb.import_network(file).forward(x)[0].numpy()
    np.testing.assert_allclose(found, reference(file, x.numpy()), atol=1e-5, rtol=1e-5)


BROKEN: dict[str, tuple[Any, str]] = {
    "a constant that is spread far": (
        node("Expand", ["one", "big"], ["c"]),
        "Expand c: makes a constant of 10,000,000",
    ),
    "a count without an end": (node("Range", ["zero", "far", "one"], ["c"]), "Range c: makes a constant of 1,000,000"),
    "steps of zero": (node("Range", ["zero", "one", "zero"], ["c"]), "Range c: counts in steps of zero"),
    "a triangle of a row": (node("Trilu", ["big"], ["c"]), r"Trilu c: takes a triangle of \[2\]"),
    "a place that is not there": (node("GatherElements", ["big", "far"], ["c"]), "GatherElements c: "),
    "a negative size": (node("Expand", ["one", "minus"], ["c"]), "Expand c: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_constants_that_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    made, message = BROKEN[name]
    tensors = {"w": weights(4, 3), "big": numbers(10**5, 10**5), "minus": numbers(-2, 4), "far": np.int64(10**12)}
    tensors |= {"zero": np.int64(0), "one": np.int64(1)}
    nodes = [made, node("Cast", ["c"], ["d"], to=1), node("Add", ["x", "d"], ["s"]), node("MatMul", ["s", "w"], ["y"])]
    file = write(tmp_path / "net.onnx", model(nodes, [1, 4, 4], tensors))
    with pytest.raises(wb.BadInput, match=f"net.onnx: {message}") as error:
        wb.import_network(file)
    assert "\n" not in str(error.value)
