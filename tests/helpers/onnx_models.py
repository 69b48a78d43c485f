"""Small ONNX models, node by node, and what onnx's own reference evaluator computes with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32) / 2


def model(
    nodes: Sequence[Any],
    shape: Sequence[int | str],
    tensors: dict[str, np.ndarray] | None = None,
    *,
    output: str = "y",
    opset: int = 17,
    elem_type: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
    **graph: Any,
) -> Any:
    """A model from "x" to `output`; `tensors` are its initializers."""
    stored = [numpy_helper.from_array(np.asarray(values), name) for name, values in (tensors or {}).items()]
    inputs = [helper.make_tensor_value_info("x", elem_type, list(shape))]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    described = helper.make_graph(list(nodes), "net", inputs, outputs, stored, **graph)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(described, opset_imports=opsets, ir_version=8)


def write(path: Path, described: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(described.SerializeToString())
    return path


def reference(path: Path, x: np.ndarray) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    found: np.ndarray = ReferenceEvaluator(onnx.load(path)).run(None, {"x": x})[0]
    return found


def mlp(*sizes: int, seed: int = 0, activation: str = "Relu") -> Any:
    """Gemm by Gemm, as torch writes them."""
    nodes, tensors, before = [], {}, "x"
    for number, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        tensors |= {f"w{number}": weights(n_out, n_in, seed=seed), f"b{number}": weights(n_out, seed=seed)}
        after = "y" if last else f"h{number}"
        nodes.append(node("Gemm", [before, f"w{number}", f"b{number}"], [after], transB=1))
        before = after if last else f"a{number}"
        nodes += [] if last else [node(activation, [after], [before])]
    return model(nodes, ["batch", sizes[0]], tensors)
