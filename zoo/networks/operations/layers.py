"""Layers: linear maps and convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from .operation import BaseOperation, Shape, TensorSpec
from .wires import Axis, Wires, inverse

if TYPE_CHECKING:
    from torch import Tensor


class Linear(BaseOperation):
    """A fully connected layer, y = W x + b, with W `[out, in]`; of tokens `[tokens, in]`, each by itself."""

    op: Literal["linear"] = "linear"
    in_features: PositiveInt
    out_features: PositiveInt
    bias: bool = True

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[out, in]` and bias `[out]`."""
        weight = TensorSpec("weight", (self.out_features, self.in_features))
        return (weight, TensorSpec("bias", (self.out_features,))) if self.bias else (weight,)

    @property
    def in_chain(self) -> bool:
        """Yes."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(out,)` or `(tokens, out)`. Raises ValueError unless it is given `(in,)` or `(tokens, in)`."""
        (shape,) = shapes
        if len(shape) > 2 or shape[-1:] != (self.in_features,):
            raise ValueError(f"linear takes {(self.in_features,)}, is given {shape}")
        return (*shape[:-1], self.out_features)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, (tokens,) out]`."""
        import torch

        (x,) = inputs
        weight, bias = tensors["weight"], tensors.get("bias")
        # bmm and a separate addition: under torch.compile the addition fuses with the activation, and baddbmm would
        # first copy the broadcast bias to the size of the output.
        out = torch.bmm(x if x.ndim == 3 else x.flatten(1, 2), weight.mT)
        if bias is not None:
            out = out + bias.unsqueeze(1)
        return out if x.ndim == 3 else out.unflatten(1, x.shape[1:3])

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """New neurons."""
        out = wires.new(self.out_features)
        wires.label("weight", out, inverse(inputs[0]))
        if self.bias:
            wires.label("bias", out)
        return out


class Conv2d(BaseOperation):
    """A convolution of `[in, height, width]` with kernels `[out, in / groups, *kernel_size]`, zero-padded all round."""

    later_fields = frozenset(("dilation", "groups"))

    op: Literal["conv2d"] = "conv2d"
    in_channels: PositiveInt
    out_channels: PositiveInt
    kernel_size: tuple[PositiveInt, PositiveInt]
    stride: PositiveInt = 1
    padding: int = Field(0, ge=0)
    bias: bool = True
    dilation: PositiveInt = 1
    groups: PositiveInt = 1

    @model_validator(mode="after")
    def _groups_fit(self) -> Conv2d:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{self.in_channels} and {self.out_channels} channels do not divide by {self.groups} groups"
            )
        return self

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[out, in / groups, kernel height, kernel width]` and bias `[out]`."""
        weight = TensorSpec("weight", (self.out_channels, self.in_channels // self.groups, *self.kernel_size))
        return (weight, TensorSpec("bias", (self.out_channels,))) if self.bias else (weight,)

    @property
    def in_chain(self) -> bool:
        """Unless it is grouped: then a channel reads some channels only."""
        return self.groups == 1

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(out, height, width)`. Raises ValueError for other channels, and where the kernel does not fit."""
        (shape,) = shapes
        if len(shape) != 3 or shape[0] != self.in_channels:
            raise ValueError(f"conv2d takes ({self.in_channels}, height, width), is given {shape}")
        height, width = (
            (size + 2 * self.padding - self.dilation * (kernel - 1) - 1) // self.stride + 1
            for size, kernel in zip(shape[1:], self.kernel_size, strict=True)
        )
        if height < 1 or width < 1:
            raise ValueError(f"conv2d with kernel {self.kernel_size} leaves nothing of {shape}")
        return (self.out_channels, height, width)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, out, height, width]`."""
        import torch
        from torch.nn import functional as F

        (x,) = inputs
        weight, bias = tensors["weight"], tensors.get("bias")
        # One grouped convolution: the B networks are the groups, their channels lie side by side. Channels last is a
        # third faster on CPUs; through elementwise operations the layout stays, so that only the first layer copies.
        batch = weight.shape[0]
        # The same inputs for all: an ordinary convolution with B * out channels.
        shared = x.stride(0) == 0 and batch > 1 and self.groups == 1
        stacked = x[0] if shared else x.transpose(0, 1).flatten(1, 2)
        out: Any = F.conv2d(
            stacked.contiguous(memory_format=torch.channels_last),
            weight.flatten(0, 1),
            None if bias is None else bias.flatten(),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=1 if shared else batch * self.groups,
        )
        found: Tensor = out.unflatten(1, (batch, self.out_channels)).transpose(0, 1)
        return found

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """New channels; grouped ones may change places by whole groups, depthwise ones are tied to those they read."""
        (x,) = inputs
        out, reads = wires.new(self.out_channels), inverse(x)
        kernel = (None, None)
        if self.groups == 1:
            wires.label("weight", out, reads, *kernel)
        elif self.groups == self.in_channels == self.out_channels:
            if wires.kind == "permutation":
                wires.tie(out, x)
            else:
                wires.label("weight", reads, None, *kernel)
            wires.label("weight", out, None, *kernel)
        else:
            wires.label("weight", out, reads, *kernel, groups=self.groups)
            if wires.kind == "permutation":
                wires.bundle(self.groups, x, out)
        if self.bias:
            wires.label("bias", out)
        return out


Layer = Linear | Conv2d
