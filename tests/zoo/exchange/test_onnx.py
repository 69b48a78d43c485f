"""ONNX files: every operation computes what onnx's reference evaluator does; files of any kind make one zoo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from helpers.onnx_models import mlp, model, node, reference, weights, write
from onnx import TensorProto

import weightbench as wb
from weightbench.zoo.exchange.graphs.onnx.onnx_graphs import read_onnx

IMAGE, VECTOR, TOKENS = ["n", 2, 6, 6], ["n", 6], ["n", 4, 6]
KERNEL, DENSE = weights(3, 2, 3, 3), weights(6, 5)
HEAD = [node("Flatten", ["z"], ["f"]), node("MatMul", ["f", "head"], ["y"])]


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def conv(**attributes: Any) -> list[Any]:
    return [node("Conv", ["x", "k"], ["z"], **attributes), node("Flatten", ["z"], ["y"])]


def norm(channels: int) -> dict[str, np.ndarray]:
    return {f"n{i}": np.abs(weights(channels, seed=i)) + (0.5 if i == 3 else 0) for i in range(4)}


CASES: dict[str, Any] = {
    "gemm": model([node("Gemm", ["x", "w", "b"], ["y"])], VECTOR, {"w": DENSE, "b": weights(5)}),
    "gemm transposed and scaled": model(
        [node("Gemm", ["x", "w", "b"], ["y"], transB=1, alpha=0.5, beta=2.0)],
        VECTOR,
        {"w": DENSE.T, "b": weights(1, 5)},
    ),
    "matmul and add": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Add", ["b", "h"], ["z"]), node("Tanh", ["z"], ["y"])],
        VECTOR,
        {"w": DENSE, "b": weights(5)},
    ),
    "a constant times a column": model(
        [node("MatMul", ["w", "x"], ["h"]), node("Add", ["h", "b"], ["y"])],
        ["n", 6, 1],
        {"w": DENSE.T, "b": weights(5, 1)},
    ),
    "a layer that is read with and without its bias": model(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Identity", ["h"], ["same"]),
            node("Add", ["same", "b"], ["z"]),
            node("Relu", ["h"], ["r"]),
            node("Add", ["z", "r"], ["y"]),
        ],
        VECTOR,
        {"w": DENSE, "b": weights(5)},
    ),
    "convolution": model(conv(), IMAGE, {"k": KERNEL}),
    "convolution, strided": model(conv(strides=[2, 2], pads=[1, 1, 1, 1]), IMAGE, {"k": KERNEL}),
    "convolution, dilated": model(conv(dilations=[2, 2]), IMAGE, {"k": KERNEL}),
    "convolution, grouped": model(conv(group=2), IMAGE, {"k": weights(4, 1, 3, 3)}),
    "convolution, padded by name": model(conv(auto_pad="SAME_UPPER"), IMAGE, {"k": KERNEL}),
    "convolution and its bias": model(
        [node("Conv", ["x", "k"], ["c"]), node("Add", ["c", "b"], ["z"]), *HEAD],
        IMAGE,
        {"k": KERNEL, "b": weights(3, 1, 1), "head": weights(48, 2)},
    ),
    "batch norm": model(
        [node("BatchNormalization", ["x", "n0", "n1", "n2", "n3"], ["z"], epsilon=1e-3), *HEAD],
        IMAGE,
        norm(2) | {"head": weights(72, 2)},
    ),
    "max pooling": model(
        [node("MaxPool", ["x"], ["z"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), *HEAD],
        IMAGE,
        {"head": weights(18, 2)},
    ),
    "mean pooling": model(
        [node("AveragePool", ["x"], ["z"], kernel_shape=[2, 2], strides=[2, 2]), *HEAD], IMAGE, {"head": weights(18, 2)}
    ),
    "global pooling and a 1x1 convolution": model(
        [node("GlobalAveragePool", ["x"], ["g"]), node("Conv", ["g", "k"], ["z"]), node("Flatten", ["z"], ["y"])],
        IMAGE,
        {"k": weights(3, 2, 1, 1)},
    ),
    "global maximum": model([node("GlobalMaxPool", ["x"], ["z"]), *HEAD], IMAGE, {"head": weights(2, 2)}),
    "mean over positions": model(
        [node("ReduceMean", ["x"], ["z"], axes=[2, 3], keepdims=0), node("MatMul", ["z", "head"], ["y"])],
        IMAGE,
        {"head": weights(2, 2)},
    ),
    "residual edge": model(
        [
            node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
            node("Add", ["c", "x"], ["a"]),
            node("Relu", ["a"], ["z"]),
            *HEAD,
        ],
        IMAGE,
        {"k": weights(2, 2, 3, 3), "head": weights(72, 2)},
    ),
    "channels joined": model(
        [node("Relu", ["x"], ["r"]), node("Concat", ["r", "x"], ["z"], axis=1), *HEAD],
        IMAGE,
        {"head": weights(144, 2)},
    ),
    "softmax": model([node("MatMul", ["x", "w"], ["h"]), node("Softmax", ["h"], ["y"], axis=-1)], VECTOR, {"w": DENSE}),
    "softmax, as it was": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Softmax", ["h"], ["y"])], VECTOR, {"w": DENSE}, opset=9
    ),
    "log softmax": model([node("MatMul", ["x", "w"], ["h"]), node("LogSoftmax", ["h"], ["y"])], VECTOR, {"w": DENSE}),
    "layer norm of tokens": model(
        [
            node("LayerNormalization", ["x", "n0", "n1"], ["h"], epsilon=1e-4),
            node("MatMul", ["h", "w"], ["t"]),
            node("ReduceMean", ["t"], ["y"], axes=[1], keepdims=0),
        ],
        TOKENS,
        norm(6) | {"w": DENSE},
    ),
    "channels last": model(
        [
            node("Mul", ["x", "scale"], ["scaled"]),
            node("Add", ["scaled", "shift"], ["moved"]),
            node("Transpose", ["moved"], ["first"], perm=[0, 3, 1, 2]),
            node("Conv", ["first", "k"], ["c"]),
            node("Transpose", ["c"], ["last"], perm=[0, 2, 3, 1]),
            node("Reshape", ["last", "rows"], ["f"]),
            node("MatMul", ["f", "head"], ["y"]),
        ],
        ["n", 6, 6, 2],
        {
            "scale": np.float32(0.5),
            "shift": weights(2),
            "k": KERNEL,
            "rows": ints(-1, 48),
            "head": weights(48, 2),
        },
    ),
    "a shape that is computed": model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["batch"]),
            node("Unsqueeze", ["batch", "first"], ["b"]),
            node("Concat", ["b", "rest"], ["rows"], axis=0),
            node("Reshape", ["x", "rows"], ["f"]),
            node("MatMul", ["f", "head"], ["y"]),
        ],
        IMAGE,
        {"zero": np.array(0), "first": ints(0), "rest": ints(-1), "head": weights(72, 2)},
    ),
    "an input that is normalised": model(
        [node("Sub", ["x", "mean"], ["c"]), node("Div", ["c", "std"], ["z"]), *HEAD],
        IMAGE,
        {"mean": weights(1, 2, 1, 1), "std": np.abs(weights(1, 2, 1, 1)) + 1, "head": weights(72, 2)},
    ),
    "an input that is normalised, number by number": model(
        [node("Sub", ["x", "mean"], ["z"]), *HEAD], [1, 1, 1, 5], {"mean": weights(1, 1, 1, 5), "head": weights(5, 2)}
    ),
    "steep leaky relu": model(
        [node("MatMul", ["x", "w"], ["h"]), node("LeakyRelu", ["h"], ["y"], alpha=0.2)], VECTOR, {"w": DENSE}
    ),
    "one slope for all": model(
        [node("MatMul", ["x", "w"], ["h"]), node("PRelu", ["h", "slope"], ["y"])],
        VECTOR,
        {"w": DENSE, "slope": np.full(5, 0.25, np.float32)},
    ),
    "slopes of channels": model(
        [node("PRelu", ["x", "slopes"], ["z"]), *HEAD],
        IMAGE,
        {"slopes": weights(2, 1, 1), "head": weights(72, 2)},
    ),
    "a negative slope for all": model(
        [node("MatMul", ["x", "w"], ["h"]), node("PRelu", ["h", "slope"], ["y"])],
        VECTOR,
        {"w": DENSE, "slope": np.float32([-0.5])},
    ),
    "slopes of features": model(
        [node("MatMul", ["x", "w"], ["h"]), node("PRelu", ["h", "slopes"], ["y"])],
        VECTOR,
        {"w": DENSE, "slopes": weights(5)},
    ),
    "silu": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Sigmoid", ["h"], ["s"]), node("Mul", ["s", "h"], ["y"])],
        VECTOR,
        {"w": DENSE},
    ),
    "gelu": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Gelu", ["h"], ["y"], approximate="tanh")],
        VECTOR,
        {"w": DENSE},
        opset=20,
    ),
    "gelu, as torch writes it": model(
        [
            node("MatMul", ["x", "w"], ["product"]),
            node("Add", ["product", "b"], ["h"]),
            node("Div", ["h", "root"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["e", "one"], ["o"]),
            node("Mul", ["h", "o"], ["m"]),
            node("Mul", ["m", "half"], ["y"]),
        ],
        VECTOR,
        {"w": DENSE, "b": weights(5), "root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "gelu, halved first": model(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Mul", ["h", "root"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["one", "e"], ["o"]),
            node("Mul", ["h", "half"], ["m"]),
            node("Mul", ["o", "m"], ["y"]),
        ],
        VECTOR,
        {"w": DENSE, "root": np.float32(0.5**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "sine with a frequency": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Mul", ["h", "omega"], ["o"]), node("Sin", ["o"], ["y"])],
        VECTOR,
        {"w": DENSE, "omega": np.float32(3)},
    ),
    "softplus and elu": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Elu", ["h"], ["e"]), node("Softplus", ["e"], ["y"])],
        VECTOR,
        {"w": DENSE},
    ),
    "what does nothing": model(
        [
            node("Identity", ["x"], ["a"]),
            node("Dropout", ["a"], ["b"]),
            node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["c", "one"], ["d"]),
            node("Squeeze", ["d", "one"], ["e"]),
            node("MatMul", ["e", "w"], ["y"]),
        ],
        VECTOR,
        {"one": ints(1), "w": DENSE},
    ),
    "one minus a value": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Sub", ["one", "h"], ["y"])],
        VECTOR,
        {"w": DENSE, "one": np.float32(1)},
    ),
    "the difference of two values": model(
        [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["t"]), node("Sub", ["h", "t"], ["y"])],
        VECTOR,
        {"w": DENSE},
    ),
    "patches as tokens": model(
        [
            node("Conv", ["x", "k"], ["c"]),
            node("Reshape", ["c", "rows"], ["r"]),
            node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
            node("Add", ["t", "position"], ["p"]),
            node("Gather", ["p", "first"], ["h"], axis=1),
            node("MatMul", ["h", "w"], ["y"]),
        ],
        IMAGE,
        {
            "k": KERNEL,
            "rows": ints(0, 3, -1),
            "position": weights(1, 16, 3),
            "first": np.array(0),
            "w": weights(3, 3),
        },
    ),
    "a token before others, and their batch norm": model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Unsqueeze", ["n", "front"], ["n1"]),
            node("Concat", ["n1", "ones"], ["s1"], axis=0),
            node("ConstantOfShape", ["s1"], ["c"]),
            node("Add", ["c", "first"], ["c1"]),
            node("Concat", ["c1", "x"], ["t"], axis=1),
            node("Transpose", ["t"], ["t1"], perm=[0, 2, 1]),
            node("BatchNormalization", ["t1", "n0", "n1_", "n2", "n3"], ["t2"]),
            node("Transpose", ["t2"], ["t3"], perm=[0, 2, 1]),
            node("MatMul", ["t3", "w"], ["y"]),
        ],
        TOKENS,
        {"zero": np.int64(0), "front": ints(0), "ones": ints(1, 1), "first": weights(6), "w": DENSE}
        | {name if name != "n1" else "n1_": values for name, values in norm(6).items()},
    ),
    "words": model(
        [node("Gather", ["table", "x"], ["e"]), node("Flatten", ["e"], ["f"]), node("MatMul", ["f", "w"], ["y"])],
        ["n", 3],
        {"table": weights(7, 4), "w": weights(12, 2)},
        elem_type=TensorProto.INT64,
    ),
    "weights that are moved and filled": model(
        [
            node("Transpose", ["w"], ["t"], perm=[1, 0]),
            node("MatMul", ["x", "t"], ["h"]),
            node("ConstantOfShape", ["five"], ["ones"], value=onnx.numpy_helper.from_array(np.ones(1, np.float32))),
            node("Add", ["h", "ones"], ["y"]),
        ],
        VECTOR,
        {"w": DENSE.T, "five": ints(5)},
    ),
    "a batch of eight": model(
        [node("Reshape", ["x", "rows"], ["f"]), node("MatMul", ["f", "head"], ["y"])],
        [8, 2, 6, 6],
        {"rows": ints(8, -1), "head": weights(72, 2)},
    ),
    "no batch": model([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], [6], {"w": DENSE}),
    "double": model(
        [node("MatMul", ["x", "w"], ["y"])], VECTOR, {"w": DENSE.astype(np.float64)}, elem_type=TensorProto.DOUBLE
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_operation_computes_what_the_reference_does(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "net.onnx", CASES[name])
    axes = onnx.load(file).graph.input[0].type.tensor_type
    shape = [axis.dim_value or 8 for axis in axes.shape.dim]
    draw = np.random.default_rng(3)
    x = draw.integers(0, 7, shape) if name == "words" else draw.standard_normal(shape).astype(np.float32)
    expected = reference(file, x.astype(np.float64) if name == "double" else x)
    notes: dict[str, None] = {}
    arch, params = read_onnx(file, notes)
    given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if name == "channels last" else x).float()
    found = wb.Networks(arch, torch.from_numpy(params)[None]).forward(given.reshape(-1, *arch.input_shape))[0]
    np.testing.assert_allclose(found.numpy().ravel(), expected.ravel(), atol=1e-5, rtol=1e-5)
    assert bool(notes) == (name in ("channels last", "double"))


def test_a_chain_of_layers_is_one_that_every_method_reads(tmp_path: Path) -> None:
    for name in ("matmul and add", "an input that is normalised, number by number"):
        arch, _ = read_onnx(write(tmp_path / "net.onnx", CASES[name]), {})
        assert (arch.beyond_chain is None) == (name == "matmul and add")
    arch, params = read_onnx(write(tmp_path / "net.onnx", mlp(4, 8, 3)), {})
    assert arch == wb.Architecture.mlp((4, 8, 3), "relu")
    np.testing.assert_array_equal(params[: 8 * 4].reshape(8, 4), weights(8, 4))


def test_tensors_in_another_file_of_the_folder(tmp_path: Path) -> None:
    described = mlp(4, 8, 3)
    file = tmp_path / "net.onnx"
    onnx.save_model(described, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size >= 4 * (4 * 8 + 8 + 8 * 3 + 3)
    found, expected = read_onnx(file, {})[1], read_onnx(write(tmp_path / "whole.onnx", described), {})[1]
    np.testing.assert_array_equal(found, expected)


def test_files_of_different_architectures_make_one_zoo(cli, tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / f"mlps/net{seed}.onnx", mlp(4, 8, 3, seed=seed))
        write(tmp_path / f"deep/net{seed}.onnx", mlp(4, 8, 8, 3, seed=seed, activation="Tanh"))
    cnn = CASES["residual edge"]
    write(tmp_path / "cnn.onnx", cnn)
    files = sorted(tmp_path.rglob("*.onnx"))
    code, out, err = cli("zoo", "import", "onnx", *files, "--name", "mine", "--out", tmp_path / "zoo")
    assert (code, err) == (0, "")
    assert "mlp-4-8-3-relu: 67 parameters" in out
    zoo = wb.load_zoo(tmp_path / "zoo")
    assert [str(arch) for arch in zoo.architectures].count("mlp 4-8-8-3 tanh") == 1
    seen = set()
    for split in zoo.splits.values():
        start = 0
        for networks in split.groups:
            x = torch.randn(1, *networks.arch.input_shape)
            for row, output in enumerate(networks.forward(x)[:, 0]):
                file = split.table["file"].iloc[start + row]
                np.testing.assert_allclose(output, reference(tmp_path / file, x.numpy())[0], atol=1e-5)
                seen.add(file)
            start += len(networks)
    assert seen == {str(file.relative_to(tmp_path)) for file in files}
    again = wb.import_zoo("onnx", tmp_path / "mlps", name="mlps", out=tmp_path / "again")
    assert {str(arch) for arch in again.architectures} == {"mlp 4-8-3 relu"}


def test_an_architecture_of_one_network_is_learned_from_or_tested(tmp_path: Path) -> None:
    rows = ["file,run,number"]
    for number in range(16):
        activation = "Relu" if number != 3 else "Tanh"  # the only one with signs to audit, tested by another fold
        write(tmp_path / f"nets/{number}.onnx", mlp(4, 5 + number % 5, 3, seed=number, activation=activation))
        rows.append(f"{number}.onnx,{number},{'odd' if number % 2 else 'even'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    wb.import_zoo("onnx", tmp_path / "nets", name="mine", labels=tmp_path / "labels.csv", out=tmp_path / "zoo")
    asked = {"task": "property", "target": "number", "zoo": tmp_path / "zoo", "split": "cross-fitted"}
    for method in (wb.load_method("gcn", epochs=2, width=8), wb.load_method("weight-stats-linear")):
        [result] = wb.run(method, **asked, out=tmp_path / "runs")
        assert result.error is None


def test_without_the_package_one_line_says_what_to_install(
    cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = write(tmp_path / "net.onnx", mlp(4, 8, 3))
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, out, err = cli("zoo", "import", "onnx", file, "--name", "mine", "--out", tmp_path / "zoo")
    assert (code, out) == (2, "")
    assert err == "error: ONNX files are read with the package onnx: pip install 'weightbench[onnx]'\n"
