"""Attention in ONNX files, as it is written there: products, a scale, a softmax, and the moving of axes around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from helpers.onnx_models import model, node, reference, weights, write

import weightbench as wb
from weightbench.zoo.exchange.graphs.onnx.onnx_graphs import read_onnx

TOKENS = ["n", 4, 6]
W = {name: weights(6, 6, seed=seed) for seed, name in enumerate("qkvo")} | {f"b{i}": weights(6, seed=i) for i in "012"}
PACKED = {"w": weights(6, 18), "b": weights(18), "o": W["o"]}
LATER = np.triu(np.full((4, 4), -np.inf, np.float32), 1)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CONSTANTS = {
    "split": ints(0, 0, 2, 3),  # [n, 4, 6] to [n, 4, 2, 3]
    "joined": ints(0, 0, 6),
    "half": np.float32(3**-0.25),
    "scale": np.float32(3**-0.5),
    "root": np.float32(3**0.5),
    "zero": np.zeros((1, 1, 4, 4), np.float32),
    "later": LATER,
    "low": np.where(LATER < 0, np.float32(-3.4e38), 0)[None, None].astype(np.float32),
    "bias": weights(2, 4, 4),
    "one": np.ones((), np.float32),
}


def layer(name: str) -> list[Any]:
    """Tokens through a linear layer, with a bias where it has one, heads apart: `[n, heads, tokens, features]`."""
    place = "qkv".index(name)
    axes = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
    return [
        node("MatMul", ["x", name], [f"{name}0"]),
        node("Add", [f"b{place}", f"{name}0"], [f"{name}1"]),
        node("Reshape", [f"{name}1", "split"], [f"{name}2"]),
        node("Transpose", [f"{name}2"], [f"{name}3"], perm=axes),
    ]


HEADS = [*layer("q"), *layer("k"), *layer("v")]
JOINED = [
    node("Transpose", ["a"], ["a1"], perm=[0, 2, 1, 3]),
    node("Reshape", ["a1", "joined"], ["a2"]),
    node("MatMul", ["a2", "o"], ["y"]),
]


def attention(*between: Any, queries: str = "q3", keys: str = "k3", values: str = "v3", first: Any = ()) -> Any:
    """From scores "s" to weights "p"; what is `between` says how."""
    product = [node("MatMul", [queries, keys], ["s"]), *between, node("MatMul", ["p", values], ["a"])]
    return model([*HEADS, *first, *product, *JOINED], TOKENS, W | CONSTANTS)


def softmax(source: str, **attributes: Any) -> Any:
    return node("Softmax", [source], ["p"], **({"axis": -1} | attributes))


def packed(*apart: Any) -> Any:
    """One layer whose features are queries, keys and values `[n, tokens, 6]`, told `apart` as q, k, v."""
    heads = [
        made
        for name in "qkv"
        for made in (
            node("Reshape", [name, "split"], [f"{name}2"]),
            node("Transpose", [f"{name}2"], [f"{name}3"], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]),
        )
    ]
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Add", ["h", "b"], ["z"]),
        *apart,
        *heads,
        node("MatMul", ["q3", "k3"], ["s"]),
        node("Div", ["s", "root"], ["t"]),
        softmax("t"),
        node("MatMul", ["p", "v3"], ["a"]),
        *JOINED,
    ]
    moved = {f"i{number}": ints(number * 6) for number in range(4)} | {"two": ints(2), "five": ints(0, 0, 3, 6)}
    moved |= {"n0": np.int64(0), "n1": np.int64(1), "n2": np.int64(2), "sizes": ints(6, 6, 6)}
    return model(nodes, TOKENS, PACKED | CONSTANTS | {k: v for k, v in moved.items() if k not in CONSTANTS})


def moving(size: int | str) -> Any:
    """torch.nn.MultiheadAttention: tokens first, the batch joined with the heads."""
    shapes = {"t3": ints(4, -1, 3, 6), "t2": ints(4, -1, 3), "rows": ints(-1, 6), "back": ints(4, -1, 6)}
    nodes = [
        node("Transpose", ["x"], ["x1"], perm=[1, 0, 2]),
        node("MatMul", ["x1", "w"], ["h"]),
        node("Add", ["b", "h"], ["z"]),
        node("Reshape", ["z", "t3"], ["z1"]),
        node("Unsqueeze", ["z1", "front"], ["z2"]),
        node("Transpose", ["z2"], ["z3"], perm=[3, 1, 2, 0, 4]),
        node("Squeeze", ["z3", "third"], ["z4"]),
    ]
    for number, name in enumerate("qkv"):
        nodes += [
            node("Gather", ["z4", f"n{number}"], [name], axis=0),
            node("Reshape", [name, "t2"], [f"{name}1"]),
            node("Transpose", [f"{name}1"], [f"{name}2"], perm=[1, 2, 0] if name == "k" else [1, 0, 2]),
        ]
    nodes += [
        node("Mul", ["q2", "scale"], ["q3"]),
        node("MatMul", ["q3", "k2"], ["s"]),
        softmax("s"),
        node("MatMul", ["p", "v2"], ["a"]),
        node("Transpose", ["a"], ["a1"], perm=[1, 0, 2]),
        node("Reshape", ["a1", "rows"], ["a2"]),
        node("Gemm", ["a2", "o"], ["a3"]),
        node("Reshape", ["a3", "back"], ["a4"]),
        node("Transpose", ["a4"], ["y"], perm=[1, 0, 2]),
    ]
    numbers = {f"n{number}": np.int64(number) for number in range(3)} | {"front": ints(0), "third": ints(3)}
    return model(nodes, [size, 4, 6], PACKED | {"scale": CONSTANTS["scale"]} | shapes | numbers)


HALVES = [node("Mul", ["q3", "half"], ["q4"]), node("Mul", ["k3", "half"], ["k4"])]
CASES: dict[str, Any] = {
    "scores divided": attention(node("Div", ["s", "root"], ["t"]), softmax("t")),
    "scores multiplied": attention(node("Mul", ["scale", "s"], ["t"]), softmax("t")),
    "queries and keys scaled": attention(softmax("s", axis=3), queries="q4", keys="k4", first=HALVES),
    "the root of a shape": attention(
        softmax("s"),
        queries="q4",
        keys="k4",
        first=[
            node("Shape", ["q3"], ["f"], start=3),
            node("Cast", ["f"], ["f1"], to=1),
            node("Sqrt", ["f1"], ["f2"]),
            node("Div", ["one", "f2"], ["f3"]),
            node("Sqrt", ["f3"], ["f4"]),
            node("Mul", ["q3", "f4"], ["q4"]),
            node("Mul", ["k3", "f4"], ["k4"]),
        ],
    ),
    "a mask of nothing": attention(
        node("Div", ["s", "root"], ["t"]),
        node("Add", ["zero", "t"], ["u"]),
        node("Dropout", ["u"], ["d"]),
        softmax("d"),
    ),
    "later tokens masked": attention(
        node("Div", ["s", "root"], ["t"]), node("Add", ["t", "later"], ["u"]), softmax("u")
    ),
    "later tokens masked by a number": attention(
        node("Div", ["s", "root"], ["t"]), node("Add", ["low", "t"], ["u"]), softmax("u")
    ),
    "packed and split": packed(node("Split", ["z"], ["q", "k", "v"], axis=-1)),
    "packed and split by sizes": packed(node("Split", ["z", "sizes"], ["q", "k", "v"], axis=2)),
    "packed and sliced": packed(
        *(node("Slice", ["z", f"i{number}", f"i{number + 1}", "two"], [name]) for number, name in enumerate("qkv"))
    ),
    "packed and gathered": packed(
        node("Reshape", ["z", "five"], ["z1"]),
        *(node("Gather", ["z1", f"n{number}"], [name], axis=2) for number, name in enumerate("qkv")),
    ),
    "torch's own, of any batch": moving("n"),
    "torch's own, of one input": moving(1),
}


@pytest.mark.parametrize("name", CASES)
def test_attention_computes_what_the_reference_does(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "net.onnx", CASES[name])
    count = onnx.load(file).graph.input[0].type.tensor_type.shape.dim[0].dim_value or 5
    x = np.random.default_rng(3).standard_normal((count, 4, 6)).astype(np.float32)
    notes: dict[str, None] = {}
    arch, params = read_onnx(file, notes)
    assert sum(op.op == "attention" for op in arch.operations) == 1
    assert sum(op.op == "linear" for op in arch.operations) == len(arch.layers) == 4
    found = wb.Networks(arch, torch.from_numpy(params)[None]).forward(torch.from_numpy(x))[0]
    np.testing.assert_allclose(found.numpy(), reference(file, x), atol=1e-5, rtol=1e-5)
    assert list(notes) == ["files move the batch axis: what they compute for one input was read"] * (name[-1:] == "h")


REFUSED: dict[str, tuple[Any, str]] = {
    "another scale": (attention(softmax("s")), "MatMul a: attends with scale 1, expected 1 / sqrt(features), 0.57735"),
    "no softmax": (attention(node("Mul", ["s", "scale"], ["p"])), "MatMul a: multiplies three computed values"),
    "over the wrong axis": (attention(softmax("s", axis=2)), "Softmax p: takes the softmax of what tokens attend to"),
    "scores that are biased": (
        attention(node("Add", ["s", "bias"], ["t"]), softmax("t")),
        "Add t: masks or biases what tokens attend to",
    ),
    "a mask that is computed": (
        attention(node("Relu", ["s"], ["t"]), softmax("t")),
        "Relu t: reads a product of two computed values [2, 4, 4], which is no attention",
    ),
    "a part of an activation": (
        packed(node("Relu", ["z"], ["r"]), node("Split", ["r"], ["q", "k", "v"], axis=-1)),
        "Split q, k, v: takes a part of what no linear layer computes",
    ),
    "some tokens": (
        model([node("Slice", ["x", "from", "to"], ["h"]), node("MatMul", ["h", "o"], ["y"])], TOKENS, {
            "o": W["o"], "from": ints(0, 1), "to": ints(9, 3),
        }),
        "Slice h: takes a part of [4, 6]: of a linear layer's features, or one token alone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_attention_is_named(name: str, tmp_path: Path) -> None:
    described, message = REFUSED[name]
    file = write(tmp_path / "net.onnx", described)
    with pytest.raises(wb.BadInput) as error:
        wb.import_network(file)
    assert str(error.value).startswith(f"{file}: {message}")
    assert "\n" not in str(error.value)
