"""Small networks beyond chains: a ResNet with batch norm, a transformer of images and one of words, and others."""

from __future__ import annotations

from typing import Any

import weightbench as wb

Operations = list[dict[str, Any]]
RELU = {"op": "activation", "name": "relu"}


def network(*operations: dict[str, Any], shape: tuple[int, ...]) -> wb.Architecture:
    return wb.Architecture.model_validate({"input_shape": shape, "operations": operations})


def conv(n_in: int, n_out: int, kernel: int = 3, **more: Any) -> dict[str, Any]:
    given = {"kernel_size": [kernel, kernel], "padding": kernel // 2, "bias": False}
    return {"op": "conv2d", "in_channels": n_in, "out_channels": n_out, **given, **more}


def linear(n_in: int, n_out: int, **more: Any) -> dict[str, Any]:
    return {"op": "linear", "in_features": n_in, "out_features": n_out, **more}


def norm(kind: str, channels: int, **more: Any) -> dict[str, Any]:
    return {"op": kind, "channels": channels, **more}


def resnet(width: int = 4, outputs: int = 3) -> wb.Architecture:
    """A stem and two residual blocks with batch norm, the second with a projection (He et al. 2016)."""
    wide = 2 * width
    return network(
        conv(1, width),
        norm("batch-norm", width),
        {**RELU, "id": "stem"},
        conv(width, width),
        norm("batch-norm", width),
        RELU,
        conv(width, width),
        norm("batch-norm", width),
        {"op": "add", "inputs": ["previous", "stem"]},
        {**RELU, "id": "first"},
        conv(width, wide, stride=2),
        norm("batch-norm", wide),
        RELU,
        conv(wide, wide),
        norm("batch-norm", wide, id="second"),
        conv(width, wide, 1, stride=2, inputs=["first"]),
        norm("batch-norm", wide),
        {"op": "add", "inputs": ["previous", "second"]},
        RELU,
        {"op": "global-avg-pool2d"},
        linear(wide, outputs),
        shape=(1, 6, 6),
    )


def encoder(start: str, width: int, heads: int, layers: int) -> tuple[Operations, str]:
    """Layers of a pre-norm transformer on the value `start`, and the name of the last one's output."""
    operations: Operations = []
    before = start
    for n in range(layers):
        operations.append(norm("layer-norm", width, id=f"layer{n}.norm", inputs=[before]))
        operations += [linear(width, width, id=f"layer{n}.{name}", inputs=[f"layer{n}.norm"]) for name in "qkv"]
        operations += [
            {"op": "attention", "heads": heads, "inputs": [f"layer{n}.q", f"layer{n}.k", f"layer{n}.v"]},
            linear(width, width),
            {"op": "add", "inputs": ["previous", before], "id": f"layer{n}.middle"},
            norm("layer-norm", width),
            linear(width, 2 * width),
            {"op": "activation", "name": "gelu"},
            linear(2 * width, width),
            {"op": "add", "inputs": ["previous", f"layer{n}.middle"], "id": f"layer{n}.out"},
        ]
        before = f"layer{n}.out"
    return operations, before


def vision_transformer(width: int = 8, heads: int = 2, outputs: int = 3, layers: int = 2) -> wb.Architecture:
    """Patches, a class token, position embeddings and an encoder (Dosovitskiy et al. 2021)."""
    blocks, last = encoder("placed", width, heads, layers)
    return network(
        conv(1, width, 2, stride=2, padding=0, bias=True),
        {"op": "to-tokens"},
        {"op": "class-token", "features": width},
        {"op": "position-embedding", "tokens": 10, "features": width, "id": "placed"},
        *blocks,
        norm("layer-norm", width, inputs=[last]),
        {"op": "take-token"},
        linear(width, outputs),
        shape=(1, 6, 6),
    )


def word_transformer(width: int = 8, heads: int = 4, outputs: int = 3) -> wb.Architecture:
    """Words with position embeddings through an encoder layer, and the mean over the tokens."""
    blocks, last = encoder("placed", width, heads, 1)
    return network(
        {"op": "embedding", "vocabulary": 5, "features": width},
        {"op": "position-embedding", "tokens": 6, "features": width, "id": "placed"},
        *blocks,
        {"op": "mean-tokens", "inputs": [last]},
        linear(width, outputs),
        shape=(6,),
    )


def mobile_net() -> wb.Architecture:
    """Grouped and depthwise convolutions with group norm, and a branch that is joined."""
    return network(
        conv(1, 4, bias=True),
        norm("group-norm", 4, groups=2),
        {**RELU, "id": "stem"},
        conv(4, 4, groups=4),
        RELU,
        conv(4, 8, groups=2, id="left"),
        conv(4, 2, 1, inputs=["stem"], id="right"),
        {"op": "concat", "inputs": ["left", "right"]},
        RELU,
        {"op": "global-avg-pool2d"},
        linear(10, 3),
        shape=(1, 6, 6),
    )


BRANCHED = {
    "resnet": resnet(),
    "vision-transformer": vision_transformer(),
    "word-transformer": word_transformer(),
    "mobile-net": mobile_net(),
}
