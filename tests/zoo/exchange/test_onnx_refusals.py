"""ONNX files that are no networks, or not safe: one line with the operation's name, nothing left, no memory taken."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.onnx_models import mlp, model, node, weights, write
from onnx import TensorProto, helper

GRAPH = helper.make_graph([node("Relu", ["x"], ["b"])], "branch", [], [helper.make_empty_tensor_value_info("b")])
W = {"w": weights(6, 5)}
DENSE = node("MatMul", ["h", "w"], ["y"])


def claimed(*shape: int, data_type: int = TensorProto.FLOAT, **fields: Any) -> Any:
    """A tensor "w" that claims a shape and holds next to nothing."""
    tensor = TensorProto(name="w", data_type=data_type, dims=shape, **fields)
    if not fields:
        tensor.raw_data = b"\0" * 16
    return tensor


def with_tensor(tensor: Any, *nodes: Any) -> Any:
    described = model(nodes or [node("MatMul", ["x", "w"], ["y"])], ["n", 6])
    described.graph.initializer.append(tensor)
    return described


def external(**entries: str) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(6, 5), data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return with_tensor(tensor)


def two(kind: str) -> Any:
    described = mlp(6, 5)
    entry = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["n", 5])
    getattr(described.graph, kind).append(entry)
    return described


def shapeless() -> Any:
    described = mlp(6, 5)
    described.graph.input[0].type.tensor_type.ClearField("shape")
    return described


BIG, CONST = 10**5, helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
CASES: dict[str, tuple[Any, str]] = {
    "a branch": (
        model([node("If", ["c"], ["h"], then_branch=GRAPH, else_branch=GRAPH), DENSE], ["n", 6], W),
        "If h is control flow: export the network without it",
    ),
    "a loop": (
        model([node("Loop", ["", "", "x"], ["h"], body=GRAPH, name="again"), DENSE], ["n", 6], W),
        "Loop again is control flow",
    ),
    "a scan": (model([node("Scan", ["x"], ["h"], body=GRAPH), DENSE], ["n", 6], W), "Scan h is control flow"),
    "a custom operator": (
        model([node("Sneak", ["x"], ["h"], domain="my.ops"), DENSE], ["n", 6], W, domains=["my.ops"]),
        "my.ops.Sneak is a custom operator, which is not run",
    ),
    "unknown operations": (
        model([node("LSTM", ["x"], ["z"]), node("Frobnicate", ["z"], ["h"]), DENSE], ["n", 6], W),
        "Frobnicate, LSTM: no network of a zoo has such operations",
    ),
    "two values multiplied": (
        model([node("MatMul", ["x", "x"], ["h"]), DENSE], ["n", 6, 6], W),
        "MatMul y: reads a product of two computed values [6, 6], which is no attention",
    ),
    "a row of numbers after others": (
        model([node("Concat", ["x", "row"], ["h"], axis=0), DENSE], [3, 6], W | {"row": weights(1, 6)}),
        "Concat h: ",
    ),
    "two tokens before others": (
        model([node("Concat", ["row", "x"], ["h"], axis=1), DENSE], ["n", 3, 6], W | {"row": weights(1, 2, 6)}),
        "Concat h: joins a constant to [3, 6]: expected one token before others",
    ),
    "an erf of its own": (
        model([node("Erf", ["x"], ["h"]), DENSE], ["n", 6], W),
        "Erf h: belongs to no GELU: expected x / sqrt 2",
    ),
    "a height that is open": (
        model([node("Flatten", ["x"], ["h"]), DENSE], ["n", 1, "height", 6], W),
        "axis 2 is height: fix all but the batch axis",
    ),
    "a height that is not said": (model([DENSE], ["n", 0], W), "has a dynamic shape, axis 1 is"),
    "a vector that is open": (model([DENSE], ["n"], W), "axis 0 is n: fix all but the batch axis"),
    "an input without a shape": (shapeless(), "its input x is no tensor of numbers with a shape"),
    "inputs of a batch that meet": (
        model([node("Reshape", ["x", "s"], ["h"]), DENSE], ["n", 12], W | {"s": np.array([-1, 6])}),
        "Reshape h: reshapes [1, 12] to [2, 6], across the inputs of a batch",
    ),
    "statistics of the batch": (
        model(
            [node("BatchNormalization", ["x", "a", "a", "a", "a"], ["h"], training_mode=1), DENSE],
            ["n", 6],
            W | {"a": np.ones(6, np.float32)},
        ),
        "BatchNormalization h: normalises by the statistics of its batch",
    ),
    "two inputs": (two("input"), "has 2 inputs (x, other), expected one"),
    "two outputs": (two("output"), "has 2 outputs (y, other), expected one"),
    "an operation of older days": (
        model([node("MatMul", ["x", "w"], ["y"])], ["n", 6], W, opset=6),
        "has operations of version 6, expected 7 or later",
    ),
    "wrong shapes": (
        model([node("MatMul", ["x", "w"], ["y"])], ["n", 7], W),
        "MatMul y: a weight [6, 5] does not fit a value [7]",
    ),
    "a kernel that is too large": (
        model(
            [node("Conv", ["x", "k"], ["h"]), node("Flatten", ["h"], ["y"])],
            ["n", 1, 2, 2],
            {"k": weights(1, 1, 5, 5)},
        ),
        "Conv h: conv2d with kernel (5, 5) leaves nothing of (1, 2, 2)",
    ),
    "a bias of another layer": (
        model([node("Gemm", ["x", "w", "b"], ["y"])], ["n", 6], W | {"b": weights(4)}),
        "Gemm y: its bias is [4], expected [5]",
    ),
    "a circle": (
        model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Add", ["b", "a"], ["y"])], ["n", 6]),
        "its operations read each other in a circle",
    ),
    "a value from nowhere": (model([DENSE], ["n", 6], W), "MatMul y: reads h, which nothing computes"),
    "a value of two operations": (
        model([node("Relu", ["x"], ["h"]), node("Tanh", ["x"], ["h"]), DENSE], ["n", 6], W),
        "h is computed twice",
    ),
    "an attribute of another kind": (
        model([node("Flatten", ["x"], ["h"], axis="first"), DENSE], ["n", 6], W),
        "Flatten h: ",
    ),
    "no network": (model([node("Relu", ["x"], ["y"])], ["n", 6]), "at least one operation with parameters"),
    "an output of constants": (model([node("Identity", ["w"], ["y"])], ["n", 6], W), "is not computed from its input"),
    "NaN": (
        model([node("MatMul", ["x", "w"], ["y"])], ["n", 6], {"w": np.full((6, 5), np.nan, np.float32)}),
        "net3.onnx has NaN or infinite weights",
    ),
    "a division by zero": (
        model([node("Div", ["x", "z"], ["h"]), DENSE], ["n", 6], W | {"z": np.zeros(6, np.float32)}),
        "net3.onnx has NaN or infinite weights",
    ),
    "whole numbers for weights": (
        with_tensor(claimed(6, 5, data_type=TensorProto.INT8)),
        "tensor w is int8: expected floating-point weights",
    ),
    "text for weights": (with_tensor(claimed(6, 5, data_type=TensorProto.STRING)), "tensor w is object"),
    "a type that is not known": (with_tensor(claimed(6, 5, data_type=99)), "tensor w is of an unknown type, number 99"),
    "a claim of a billion parameters": (
        with_tensor(claimed(BIG, 10**4)),
        "tensor w claims to be [100000, 10000], more than 100,000,000 numbers",
    ),
    "a claim that is not stored": (
        with_tensor(claimed(6, 10**6)),
        "tensor w claims to be [6, 1000000], but 4 numbers are stored",
    ),
    "a claim in typed numbers": (
        with_tensor(claimed(6, 10**6, float_data=[1.0])),
        "tensor w claims to be [6, 1000000], but 1 numbers are stored",
    ),
    "a negative claim": (with_tensor(claimed(-6, -5)), "tensor w claims to be [-6, -5]"),
    "a constant that is filled": (
        model(
            [node("ConstantOfShape", ["s"], ["w"], value=CONST), node("MatMul", ["x", "w"], ["y"])],
            ["n", 6],
            {"s": np.array([6, 10**9])},
        ),
        "ConstantOfShape w: makes a constant of 6,000,000,000 numbers",
    ),
    "constants that are multiplied": (
        model(
            [node("Mul", ["a", "b"], ["w"]), node("MatMul", ["x", "w"], ["y"])],
            ["n", 6],
            {"a": np.ones((BIG, 1), np.float32), "b": np.ones((1, BIG), np.float32)},
        ),
        "Mul w: makes a constant of 10,000,000,000 numbers",
    ),
    "weights that are used again and again": (
        model(
            [
                node("ConstantOfShape", ["s"], ["w"], value=CONST),
                *(node("MatMul", ["x" if i == 0 else f"h{i}", "w"], [f"h{i + 1}"]) for i in range(40)),
                node("Relu", ["h40"], ["y"]),
            ],
            ["n", 2000],
            {"s": np.array([2000, 2000])},
        ),
        "the network has more than 100,000,000 parameters",
    ),
    "an input that claims much and is scaled": (
        model([node("Div", ["x", "c"], ["h"]), node("Relu", ["h"], ["y"])], ["n", 10**9], {"c": np.float32(255)}),
        "1,000,000,000 channels, more than 100,000,000",
    ),
    "a constant that is filled and added": (
        model(
            [node("ConstantOfShape", ["s"], ["c"], value=CONST), node("Add", ["x", "c"], ["y"])],
            ["n", 10**8],
            {"s": np.array([10**8])},
        ),
        "Add y: meets a constant of 100,000,000 numbers, more than 10,000,000",
    ),
    "a stride of zero": (
        model(
            [node("MaxPool", ["x"], ["h"], kernel_shape=[2, 2], strides=[0, 0], ceil_mode=1), DENSE], ["n", 1, 6, 6], W
        ),
        "MaxPool h: ",
    ),
    "an input that is turned round": (
        model([node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), node("Flatten", ["t"], ["y"])], ["n", BIG, BIG]),
        "Transpose t: (100000, 100000) has 10,000,000,000 places, more than 10,000,000",
    ),
    "a value that is joined to itself": (
        model(
            [*(node("Concat", ["x" if i == 0 else f"h{i}"] * 2, [f"h{i + 1}"], axis=1) for i in range(50)),
             node("MatMul", ["h50", "w"], ["y"])],
            ["n", 6],
            W,
        ),
        "MatMul y: a weight [6, 5] does not fit a value",
    ),
    "data above the folder": (external(location="../secret.bin"), "lies in '../secret.bin', outside the model's"),
    "data of the machine": (external(location="/etc/passwd"), "lies in '/etc/passwd', outside the model's folder"),
    "data through a link": (external(location="link.bin"), "'link.bin', which is no file of the model's folder"),
    "data that is absent": (external(location="nowhere.bin"), "which is no file of the model's folder"),
    "data of no place": (external(), "lies in '', outside the model's folder"),
    "data that is too short": (external(location="short.bin"), "claims 120 bytes, which short.bin does not hold at 0"),
    "data beyond the end": (external(location="short.bin", offset="-4"), "does not hold at -4"),
    "data of another length": (external(location="short.bin", length="8"), "claims 120 bytes"),
    "data at no number": (external(location="short.bin", offset="x"), "lies at no number of bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_that_are_no_networks(name: str, refused: Callable[..., str], tmp_path: Path) -> None:
    described, message = CASES[name]
    (tmp_path / "secret.bin").write_bytes(bytes(120))
    for number in range(4):
        write(tmp_path / f"nets/net{number}.onnx", described if number == 3 else mlp(6, 5, seed=number))
    (tmp_path / "nets/short.bin").write_bytes(bytes(16))
    (tmp_path / "nets/link.bin").symlink_to(tmp_path / "secret.bin")
    tracemalloc.start()
    err = refused(tmp_path / "nets", format="onnx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message in err
    assert "net3.onnx" in err
    assert peak < 2**26


def among_others(folder: Path) -> Path:
    return [write(folder / f"net{number}.onnx", mlp(6, 5, seed=number)) for number in range(4)][-1]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x08", bytes(range(256)), b"PK\x03\x04 no zip"])
def test_files_of_something_else(content: bytes, refused: Callable[..., str], tmp_path: Path) -> None:
    file = among_others(tmp_path)
    file.write_bytes(content)
    assert f"{file}: " in refused(tmp_path, format="onnx")


def test_a_file_that_is_cut(refused: Callable[..., str], tmp_path: Path) -> None:
    file = among_others(tmp_path)
    file.write_bytes(file.read_bytes()[:-9])
    assert f"{file}: is no ONNX file" in refused(tmp_path, format="onnx")


def test_wrong_arguments(refused: Callable[..., str], tmp_path: Path) -> None:
    files = [write(tmp_path / f"nets/net{number}.onnx", mlp(6, 5, seed=number)) for number in range(3)]
    arch = tmp_path / "arch.json"
    arch.write_text('{"input_shape": [2], "operations": [{"op": "linear", "in_features": 2, "out_features": 1}]}')
    for option, value in (("--activation", "tanh"), ("--order", "in-out"), ("--arch", arch)):
        assert f"{option}: an ONNX file says that itself" in refused(files[0], option, value, format="onnx")
    told = refused(files[0], "--output-activation", "tanh", format="onnx")
    assert "--output-activation: the format onnx says that itself" in told
    assert "no such file" in refused(tmp_path / "nets/net7.onnx", format="onnx")
    assert "2 paths: several are for .onnx files" in refused(files[0], files[1])
    assert "have the same name" in refused(files[0], files[0], files[1], format="onnx")
    (tmp_path / "empty").mkdir()
    assert "holds no .onnx files" in refused(tmp_path / "empty", format="onnx")
