"""`Architecture`: a frozen, torch-free description of one feed-forward network that travels as JSON.

A network is a sequence of operations, as in `torch.nn.Sequential`, plus residual edges (`Add`) that name an earlier
operation. Only `Linear` and `Conv2d` carry parameters; they are the *layers*, and layer l has weight
`[out, in, *kernel]` and bias `[out]`, stored one after the other in state-dict order.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

ActivationName = Literal["sine", "relu", "leaky-relu", "tanh", "gelu", "sigmoid", "silu", "elu", "softplus", "identity"]


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Linear(_Operation):
    """A fully connected layer, y = W x + b, with W `[out, in]`."""

    op: Literal["linear"] = "linear"
    in_features: PositiveInt
    out_features: PositiveInt
    bias: bool = True

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """`(out, in)`."""
        return (self.out_features, self.in_features)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(out,)`. Raises ValueError unless it is given `(in,)`."""
        if shape != (self.in_features,):
            raise ValueError(f"linear takes {(self.in_features,)}, is given {shape}")
        return (self.out_features,)


class Conv2d(_Operation):
    """A convolution of `[in, height, width]` with kernels `[out, in, *kernel_size]`, zero-padded on every side."""

    op: Literal["conv2d"] = "conv2d"
    in_channels: PositiveInt
    out_channels: PositiveInt
    kernel_size: tuple[PositiveInt, PositiveInt]
    stride: PositiveInt = 1
    padding: int = Field(0, ge=0)
    bias: bool = True

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """`(out, in, kernel height, kernel width)`."""
        return (self.out_channels, self.in_channels, *self.kernel_size)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(out, height, width)`. Raises ValueError for other channels, and where the kernel does not fit."""
        if len(shape) != 3 or shape[0] != self.in_channels:
            raise ValueError(f"conv2d takes ({self.in_channels}, height, width), is given {shape}")
        height, width = (
            (size + 2 * self.padding - kernel) // self.stride + 1
            for size, kernel in zip(shape[1:], self.kernel_size, strict=True)
        )
        if height < 1 or width < 1:
            raise ValueError(f"conv2d with kernel {self.kernel_size} leaves nothing of {shape}")
        return (self.out_channels, height, width)


class Activation(_Operation):
    """An elementwise function; a `sine` computes sin(omega_0 * x) (SIREN, Sitzmann et al. 2020)."""

    op: Literal["activation"] = "activation"
    name: ActivationName
    omega_0: float = 1.0

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape stays."""
        return shape


class Pool2d(_Operation):
    """The maximum or mean of squares of `kernel_size` side by side; incomplete ones at the edge are left out."""

    op: Literal["pool2d"] = "pool2d"
    kind: Literal["max", "avg"] = "max"
    kernel_size: PositiveInt = 2

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(channels, height, width)`. Raises ValueError for what is no image or smaller than the kernel."""
        if len(shape) != 3 or min(shape[1:]) < self.kernel_size:
            raise ValueError(f"pool2d of {self.kernel_size} takes (channels, height, width), is given {shape}")
        return (shape[0], shape[1] // self.kernel_size, shape[2] // self.kernel_size)


class GlobalAvgPool2d(_Operation):
    """The mean over all positions: `[channels, height, width]` to `[channels]`."""

    op: Literal["global-avg-pool2d"] = "global-avg-pool2d"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(channels,)`. Raises ValueError for what is no image."""
        if len(shape) != 3:
            raise ValueError(f"global-avg-pool2d takes (channels, height, width), is given {shape}")
        return (shape[0],)


class Flatten(_Operation):
    """All values in one row, channel by channel."""

    op: Literal["flatten"] = "flatten"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(values,)`."""
        return (math.prod(shape),)


class Add(_Operation):
    """A residual edge: adds the output of operation `source` (-1 is the network's input)."""

    op: Literal["add"] = "add"
    source: int = Field(ge=-1)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape stays; that the other summand has it too, `Architecture.shapes` checks."""
        return shape


Operation = Annotated[
    Linear | Conv2d | Activation | Pool2d | GlobalAvgPool2d | Flatten | Add, Field(discriminator="op")
]


class ParamTensor(NamedTuple):
    """Where one weight or bias lies in the flat parameter vector."""

    name: str
    layer: int
    kind: Literal["weight", "bias"]
    shape: tuple[int, ...]
    start: int
    stop: int


class Architecture(BaseModel):
    """One network's shape.

    Arguments:
        input_shape: `(in,)` for MLPs and INRs, `(channels, height, width)` for CNNs.
        operations: what is applied, in order.
        output_offset: constant added to the output (DWSNets' INRs add 0.5).

    Raises pydantic's ValidationError (a ValueError) when two neighbouring operations do not fit.

    Example:
        >>> import weightbench as wb
        >>> arch = wb.Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0)
        >>> arch.num_params, [tensor.shape for tensor in arch.tensors[:2]]
        (1185, [(32, 2), (32,)])
        >>> wb.Architecture.model_validate_json(arch.model_dump_json()) == arch
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_shape: tuple[PositiveInt, ...]
    operations: tuple[Operation, ...]
    output_offset: float = 0.0

    @classmethod
    def mlp(
        cls,
        sizes: tuple[int, ...],
        activation: ActivationName = "relu",
        *,
        omega_0: float = 1.0,
        output_offset: float = 0.0,
    ) -> Architecture:
        """A fully connected network `sizes[0]-...-sizes[-1]`, with the activation between its layers."""
        operations: list[Linear | Activation] = []
        for n_in, n_out in pairwise(sizes):
            operations += [Linear(in_features=n_in, out_features=n_out), Activation(name=activation, omega_0=omega_0)]
        return cls(input_shape=(sizes[0],), operations=tuple(operations[:-1]), output_offset=output_offset)

    @classmethod
    def cnn(
        cls,
        input_shape: tuple[int, int, int],
        channels: tuple[int, ...],
        outputs: int,
        *,
        kernel_size: int = 3,
        stride: int = 2,
        padding: int = 0,
        activation: ActivationName = "relu",
    ) -> Architecture:
        """Convolutions with an activation each, global average pooling and one linear layer to `outputs`.

        The defaults with 28x28 inputs and channels (16, 16, 16) are the Small CNN Zoo's (Unterthiner et al. 2020).
        """
        operations: list[Operation] = []
        for n_in, n_out in pairwise((input_shape[0], *channels)):
            operations += [
                Conv2d(
                    in_channels=n_in,
                    out_channels=n_out,
                    kernel_size=(kernel_size, kernel_size),
                    stride=stride,
                    padding=padding,
                ),
                Activation(name=activation),
            ]
        operations += [GlobalAvgPool2d(), Linear(in_features=channels[-1], out_features=outputs)]
        return cls(input_shape=input_shape, operations=tuple(operations))

    @model_validator(mode="after")
    def _operations_fit(self) -> Architecture:
        # Both are cached here: torch.compile cannot trace a cached property's first access.
        _ = self.shapes, self.tensors
        if not self.layers:
            raise ValueError("an architecture needs at least one linear or conv2d layer")
        return self

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The output shape of every operation, for one input and without the batch axes."""
        shapes: list[tuple[int, ...]] = []
        shape: tuple[int, ...] = self.input_shape
        for index, operation in enumerate(self.operations):
            try:
                shape = operation.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"operation {index}: {error}") from None
            if isinstance(operation, Add):
                if operation.source >= index:
                    raise ValueError(f"operation {index}: add takes an earlier operation, not {operation.source}")
                other = self.input_shape if operation.source < 0 else shapes[operation.source]
                if other != shape:
                    raise ValueError(f"operation {index}: add of {shape} and {other}")
            shapes.append(shape)
        return tuple(shapes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The network's output for one input."""
        return self.shapes[-1]

    @cached_property
    def layers(self) -> tuple[Linear | Conv2d, ...]:
        """The operations that carry parameters."""
        return tuple(op for op in self.operations if isinstance(op, Linear | Conv2d))

    @cached_property
    def tensors(self) -> tuple[ParamTensor, ...]:
        """Every weight and bias in state-dict order; names are those of the equal `torch.nn.Sequential`."""
        tensors: list[ParamTensor] = []
        start = layer = 0
        for index, operation in enumerate(self.operations):
            if not isinstance(operation, Linear | Conv2d):
                continue
            shapes = {"weight": operation.weight_shape}
            if operation.bias:
                shapes["bias"] = operation.weight_shape[:1]
            for kind, shape in shapes.items():
                stop = start + math.prod(shape)
                tensors.append(ParamTensor(f"{index}.{kind}", layer, kind, shape, start, stop))  # type: ignore[arg-type]
                start = stop
            layer += 1
        return tuple(tensors)

    @cached_property
    def layout(self) -> Architecture:
        """The same without its activations: equal for architectures whose weights have one shape and one place."""
        neutral = Activation(name="identity")
        kept = tuple(neutral if isinstance(op, Activation) else op for op in self.operations)
        return self.model_copy(update={"operations": kept})

    @property
    def num_params(self) -> int:
        """P, the length of the flat parameter vector."""
        return self.tensors[-1].stop

    def __str__(self) -> str:
        first = self.input_shape[0]
        widths = "-".join(str(n) for n in (first, *(layer.weight_shape[0] for layer in self.layers)))
        kind = "cnn" if any(isinstance(layer, Conv2d) for layer in self.layers) else "mlp"
        activations = {op.name for op in self.operations if isinstance(op, Activation)}
        return " ".join([kind, widths, *sorted(activations)])
