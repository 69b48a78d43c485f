"""`Encoder`: what configs of transformer encoders have in common, and their layers as operations of this project's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ...networks.architecture import Architecture
from ..reading.state_dict_files import StateDict

MOST_LAYERS = 1000
TANH_GELU = {"name": "gelu", "approximate": "tanh"}
ACTIVATIONS: dict[str, dict[str, str]] = {
    "gelu": {"name": "gelu"},
    "gelu_new": TANH_GELU,
    "gelu_fast": TANH_GELU,
    "gelu_pytorch_tanh": TANH_GELU,
    "relu": {"name": "relu"},
    "silu": {"name": "silu"},
    "swish": {"name": "silu"},
}
Operations = list[dict[str, Any]]


@dataclass(frozen=True)
class LayerNames:
    """What a family calls the modules of a layer; `norm1` belongs to the attention, `norm2` to the layers after it."""

    query: str
    key: str
    value: str
    out: str
    norm1: str
    fc1: str
    fc2: str
    norm2: str


class Encoder(BaseModel):
    """The fields of a config that all families have. Others are ignored, but for those in `plain`.

    Attributes:
        plain: fields that a config of this family may have at these values alone.
        classes: what the config may call its model, in `architectures`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    plain: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    classes: ClassVar[tuple[str, ...]] = ()

    hidden_size: PositiveInt
    num_hidden_layers: int = Field(ge=1, le=MOST_LAYERS)
    num_attention_heads: PositiveInt
    intermediate_size: PositiveInt
    hidden_act: Literal["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish"] = "gelu"
    layer_norm_eps: float = Field(1e-12, ge=0, allow_inf_nan=False)

    @abstractmethod
    def architecture(self, outputs: int) -> Architecture:
        """The model with so many outputs. Raises pydantic's ValidationError for fields that do not fit."""

    def tensors(self, state: StateDict) -> StateDict:
        """The file's tensors by the names of the architecture's."""
        return state

    def linear(self, name: str, outputs: int, *inputs: str, width: int = 0, bias: bool = True) -> dict[str, Any]:
        """A layer of `width` features, by default the hidden ones."""
        given = {"in_features": width or self.hidden_size, "out_features": outputs, "bias": bias}
        return {"op": "linear", "id": name, "inputs": inputs, **given}

    def norm(self, name: str, *inputs: str) -> dict[str, Any]:
        """Over the hidden features."""
        return {
            "op": "layer-norm",
            "id": name,
            "inputs": inputs,
            "channels": self.hidden_size,
            "eps": self.layer_norm_eps,
        }

    def layer(
        self, prefix: str, names: LayerNames, x: str, *, pre_norm: bool, bias: bool = True
    ) -> tuple[Operations, str]:
        """One layer that reads `x`, and the name of what it gives."""
        called = {part: f"{prefix}.{name}" for part, name in vars(names).items()}
        width, inner, added = self.hidden_size, self.intermediate_size, f"{prefix}.added"
        read = called["norm1"] if pre_norm else x
        found = [self.norm(read, x)] if pre_norm else []
        found += [self.linear(called[part], width, read, bias=bias) for part in ("query", "key", "value")]
        attended = [called[part] for part in ("query", "key", "value")]
        found += [
            {"op": "attention", "heads": self.num_attention_heads, "inputs": attended},
            self.linear(called["out"], width),
            {"op": "add", "id": added, "inputs": [called["out"], x]},
        ]
        if not pre_norm:
            found.append(self.norm(called["norm1"]))
            added = called["norm1"]
        else:
            found.append(self.norm(called["norm2"]))
        found += [
            self.linear(called["fc1"], inner),
            {"op": "activation", **ACTIVATIONS[self.hidden_act]},
            self.linear(called["fc2"], width, width=inner),
            {"op": "add", "id": f"{prefix}.output", "inputs": [called["fc2"], added]},
        ]
        if pre_norm:
            return found, f"{prefix}.output"
        return [*found, self.norm(called["norm2"])], called["norm2"]
