"""Elementwise functions, with and without parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from .operation import BaseOperation, Shape, TensorSpec, neuron_axis
from .wires import Axis, Wires, inverse

if TYPE_CHECKING:
    from torch import Tensor

ActivationName = Literal["sine", "relu", "leaky-relu", "tanh", "gelu", "sigmoid", "silu", "elu", "softplus", "identity"]
ODD = frozenset(("sine", "tanh", "identity"))
HOMOGENEOUS = frozenset(("relu", "leaky-relu", "identity"))


class Activation(BaseOperation):
    """An elementwise function; a `sine` computes sin(omega_0 * x) (SIREN, Sitzmann et al. 2020).

    Fields:
        approximate: "tanh" for GELU's approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
        negative_slope: of a leaky ReLU.
    """

    later_fields = frozenset(("approximate", "negative_slope"))

    op: Literal["activation"] = "activation"
    name: ActivationName
    omega_0: float = 1.0
    approximate: Literal["none", "tanh"] = "none"
    negative_slope: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01

    @model_validator(mode="after")
    def _fields_fit(self) -> Activation:
        if self.approximate != "none" and self.name != "gelu":
            raise ValueError(f"approximate is for gelu, not for {self.name}")
        if self.negative_slope != 0.01 and self.name != "leaky-relu":
            raise ValueError(f"negative_slope is for leaky-relu, not for {self.name}")
        return self

    @property
    def in_chain(self) -> bool:
        """Yes."""
        return True

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        from torch.nn import functional as F

        (x,) = inputs
        x = x if self.omega_0 == 1.0 else self.omega_0 * x
        match self.name:
            case "identity":
                return x
            case "sine":
                return x.sin()
            case "gelu":
                return F.gelu(x, approximate=self.approximate)
            case "leaky-relu":
                return F.leaky_relu(x, self.negative_slope)
        function = getattr(F, self.name.replace("-", "_"))  # the others have the names of torch.nn.functional
        found: Tensor = function(x)
        return found

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Signs pass odd functions, scales positively homogeneous ones."""
        passing = {"permutation": True, "sign": self.name in ODD, "scale": self.name in HOMOGENEOUS}
        if not passing[wires.kind]:
            wires.fix(inputs[0])
        return inputs[0]


class _PerChannel(BaseOperation):
    """An elementwise function with a number of its own for every channel."""

    channels: PositiveInt

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape stays. Raises ValueError for other channels."""
        (shape,) = shapes
        if shape[neuron_axis(shape)] != self.channels:
            raise ValueError(f"{self.op} takes {self.channels} channels, is given {shape}")
        return shape

    def _along(self, values: Tensor, like: Tensor) -> Tensor:
        """Numbers `[B, channels]`, shaped to meet `like [B, n, *shape]`."""
        shape = [1] * (like.ndim - 1)
        shape[1 + neuron_axis(tuple(like.shape[2:]))] = self.channels
        return values.reshape(len(like), *shape)


class LayerScale(_PerChannel):
    """Multiplies every channel by a learned factor, at first a small one (Touvron et al. 2021, CaiT, equation 4)."""

    op: Literal["layer-scale"] = "layer-scale"

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[channels]`."""
        return (TensorSpec("weight", (self.channels,), constant=1e-5),)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        return x * self._along(tensors["weight"], x)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Neurons keep their order; a sign or scale may be taken in and another given out."""
        if wires.kind == "permutation":
            wires.label("weight", inputs[0])
            return inputs[0]
        out = wires.new(self.channels)
        wires.label("weight", out)
        wires.label("weight", inverse(inputs[0]))
        return out


class PReLU(_PerChannel):
    """A leaky ReLU whose negative slope every channel learns (He et al. 2015, equation 1)."""

    op: Literal["prelu"] = "prelu"

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[channels]`, the slopes."""
        return (TensorSpec("weight", (self.channels,), constant=0.25),)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        return x.where(x > 0, self._along(tensors["weight"], x) * x)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Slopes follow their neurons; positive scales pass."""
        if wires.kind == "permutation":
            wires.label("weight", inputs[0])
        elif wires.kind == "sign":
            wires.fix(inputs[0])
        return inputs[0]


Elementwise = Activation | LayerScale | PReLU
