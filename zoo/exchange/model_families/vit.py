"""Vision transformers (Dosovitskiy et al. 2021), `model_type` "vit": patches, a class token, pre-norm layers."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveInt

from ...networks.architecture import Architecture
from ..reading.state_dict_files import StateDict
from .encoder import Encoder, LayerNames, Operations

NAMES = LayerNames(
    query="attention.attention.query",
    key="attention.attention.key",
    value="attention.attention.value",
    out="attention.output.dense",
    norm1="layernorm_before",
    fc1="intermediate.dense",
    fc2="output.dense",
    norm2="layernorm_after",
)
TOKEN, POSITIONS = "vit.embeddings.cls_token", "vit.embeddings.position_embeddings"


class Family(Encoder):
    """With a classifier of the class token."""

    classes = ("ViTForImageClassification",)

    image_size: PositiveInt = 224
    patch_size: PositiveInt = 16
    num_channels: PositiveInt = 3
    qkv_bias: bool = True

    def architecture(self, outputs: int) -> Architecture:
        """From images `[channels, size, size]`."""
        width, side = self.hidden_size, self.image_size // self.patch_size
        operations: Operations = [
            self._patches(),
            {"op": "to-tokens"},
            {"op": "class-token", "id": TOKEN, "features": width},
            {"op": "position-embedding", "id": POSITIONS, "tokens": side * side + 1, "features": width},
        ]
        x = POSITIONS
        for number in range(self.num_hidden_layers):
            layer, x = self.layer(f"vit.encoder.layer.{number}", NAMES, x, pre_norm=True, bias=self.qkv_bias)
            operations += layer
        operations += [self.norm("vit.layernorm"), {"op": "take-token"}, self.linear("classifier", outputs)]
        size = (self.num_channels, self.image_size, self.image_size)
        return Architecture.model_validate({"input_shape": size, "operations": operations})

    def _patches(self) -> dict[str, Any]:
        return {
            "op": "conv2d",
            "id": "vit.embeddings.patch_embeddings.projection",
            "in_channels": self.num_channels,
            "out_channels": self.hidden_size,
            "kernel_size": (self.patch_size, self.patch_size),
            "stride": self.patch_size,
        }

    def tensors(self, state: StateDict) -> StateDict:
        """The class token and the positions are no modules: `[1, 1, features]` and `[1, tokens, features]`."""
        found = dict(state)
        for name, kept in ((TOKEN, 1), (POSITIONS, 2)):
            if name in found and found[name].ndim == 3 and found[name].shape[: 3 - kept] == (1,) * (3 - kept):
                found[f"{name}.weight"] = found.pop(name).flatten(0, 3 - kept)
        return found
