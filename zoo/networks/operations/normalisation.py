"""Normalisations: by running statistics, or over the neurons of one input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from .operation import BaseOperation, Shape, TensorSpec, neuron_axis
from .wires import Axis, Wires, inverse

MOMENTUM = 0.1  # share of a batch in running statistics, as in torch

if TYPE_CHECKING:
    from torch import Tensor


def _over_channels(values: Tensor, like: Tensor) -> Tensor:
    """`values [B, C]` shaped to meet `like`: `[B, n, C, height, width]`, `[B, n, tokens, C]` or `[B, n, C]`."""
    if like.ndim == 5:
        return values[:, None, :, None, None]
    return values[:, None] if like.ndim == 3 else values[:, None, None]


class _Normalisation(BaseOperation):
    """Divides by a deviation of which `eps` is a part; has a weight and, but for RMSNorm, a bias per channel."""

    channels: PositiveInt
    eps: float = Field(1e-5, ge=0, allow_inf_nan=False)

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight and bias `[channels]`."""
        shape = (self.channels,)
        return (TensorSpec("weight", shape, constant=1.0), TensorSpec("bias", shape, constant=0.0))

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape stays. Raises ValueError for other channels."""
        (shape,) = shapes
        if not shape or shape[neuron_axis(shape)] != self.channels:
            raise ValueError(f"{self.op} takes {self.channels} channels, is given {shape}")
        return shape

    def _wire_weights(self, wires: Wires, out: Axis) -> Axis:
        for tensor in self.tensors:
            if tensor.trained or wires.kind == "permutation":
                wires.label(tensor.role, out)
        return out

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Neurons keep their order. Neither sign nor scale passes, but weight and bias may give outputs either."""
        if wires.kind == "permutation":
            return self._wire_weights(wires, inputs[0])
        wires.fix(inputs[0])
        return self._wire_weights(wires, wires.new(self.channels))


class BatchNorm(_Normalisation):
    """Batch normalisation by its running statistics, as in inference (Ioffe and Szegedy 2015)."""

    op: Literal["batch-norm"] = "batch-norm"

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight, bias, running mean and running variance `[channels]`."""
        shape = (self.channels,)
        mean = TensorSpec("running_mean", shape, constant=0.0, trained=False)
        return (*super().tensors, mean, TensorSpec("running_var", shape, constant=1.0, trained=False))

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        factor = tensors["weight"] * (tensors["running_var"] + self.eps).rsqrt()
        offset = tensors["bias"] - tensors["running_mean"] * factor
        return x * _over_channels(factor, x) + _over_channels(offset, x)

    def apply_in_training(self, tensors: dict[str, Tensor], *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """By the batch's mean and variance; running ones go a tenth of the way to them, as torch's (unbiased) do."""
        (x,) = inputs
        others = (1, 3, 4) if x.ndim == 5 else tuple(range(1, x.ndim - 1))
        mean = x.mean(others)
        var = (x - _over_channels(mean, x)).square().mean(others)
        count = x[0].numel() // self.channels
        batch = {"running_mean": mean, "running_var": var}
        seen = {"running_mean": mean, "running_var": var * (count / max(1, count - 1))}
        running = {role: tensors[role] + MOMENTUM * (value - tensors[role]) for role, value in seen.items()}
        return self.apply(tensors | batch, x), {role: value.detach() for role, value in running.items()}

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """A channel's sign passes into the running mean and out of the weight; eps keeps scales from passing."""
        if wires.kind != "sign":
            return super().wire(wires, *inputs)
        out = wires.new(self.channels)
        wires.label("weight", out)
        wires.label("weight", inverse(inputs[0]))
        wires.label("bias", out)
        wires.label("running_mean", inputs[0])
        return out


class LayerNorm(_Normalisation):
    """Normalises the features of each token, or of a vector, or the channels at each position (Ba et al. 2016)."""

    op: Literal["layer-norm"] = "layer-norm"

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        axis = 2 if x.ndim == 5 else -1
        centred = x - x.mean(axis, keepdim=True)
        scaled = centred * (centred.square().mean(axis, keepdim=True) + self.eps).rsqrt()
        return scaled * _over_channels(tensors["weight"], x) + _over_channels(tensors["bias"], x)


class RMSNorm(_Normalisation):
    """Divides features by their root mean square (Zhang and Sennrich 2019)."""

    op: Literal["rms-norm"] = "rms-norm"

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[channels]`."""
        return super().tensors[:1]

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        scaled = x * (x.square().mean(2 if x.ndim == 5 else -1, keepdim=True) + self.eps).rsqrt()
        return scaled * _over_channels(tensors["weight"], x)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """The mean square does not see signs, which the weight takes in and gives out."""
        if wires.kind != "sign":
            return super().wire(wires, *inputs)
        out = wires.new(self.channels)
        wires.label("weight", out)
        wires.label("weight", inverse(inputs[0]))
        return out


class GroupNorm(_Normalisation):
    """Normalises groups of channels over all positions of an image (Wu and He 2018)."""

    op: Literal["group-norm"] = "group-norm"
    groups: PositiveInt

    @model_validator(mode="after")
    def _groups_fit(self) -> GroupNorm:
        if self.channels % self.groups:
            raise ValueError(f"{self.channels} channels do not divide by {self.groups} groups")
        return self

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape stays. Raises ValueError for other channels, and for tokens."""
        if len(shapes[0]) == 2:
            raise ValueError(f"group-norm takes images or vectors, is given {shapes[0]}")
        return super().output_shape(*shapes)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        grouped: Tensor = x.unflatten(2, (self.groups, -1)).flatten(3)
        centred = grouped - grouped.mean(3, keepdim=True)
        scaled = (centred * (centred.square().mean(3, keepdim=True) + self.eps).rsqrt()).reshape(x.shape)
        return scaled * _over_channels(tensors["weight"], x) + _over_channels(tensors["bias"], x)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Channels keep to their group, groups may change places."""
        if wires.kind == "permutation" and self.groups > 1:
            wires.bundle(self.groups, inputs[0])
        return super().wire(wires, *inputs)


class Softmax(BaseOperation):
    """Features of each token, or of a vector, or the channels at each position, as probabilities.

    Fields:
        log: their logarithms instead.
    """

    op: Literal["softmax"] = "softmax"
    log: bool = False

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        (x,) = inputs
        axis = 2 if x.ndim == 5 else -1
        return x.log_softmax(axis) if self.log else x.softmax(axis)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Neurons keep their order; neither sign nor scale passes."""
        if wires.kind != "permutation":
            wires.fix(inputs[0])
        return inputs[0]


Normalisation = BatchNorm | LayerNorm | RMSNorm | GroupNorm | Softmax
