"""`Architecture`: a frozen, torch-free description of one feed-forward network that travels as JSON.

A network is a graph of operations, listed so that each reads earlier ones: without `inputs`, the one before, as in
`torch.nn.Sequential`. Operations with parameters are the *layers*; their tensors are stored one after the other in
state-dict order, running statistics among them. What an operation is, its file in `operations/` alone says.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from .operations.attention import Mixing
from .operations.elementwise import Activation, ActivationName, Elementwise
from .operations.joining import Joining
from .operations.layers import Conv2d, Layer, Linear
from .operations.normalisation import Normalisation
from .operations.operation import INPUT, PREVIOUS, BaseOperation, TensorSpec, neuron_axis
from .operations.pooling import GlobalAvgPool2d, Pooling
from .operations.tokens import Tokens
from .operations.wires import Axis, Kind, Wires

Operation = Annotated[
    Layer | Elementwise | Pooling | Joining | Normalisation | Tokens | Mixing, Field(discriminator="op")
]


class ParamTensor(NamedTuple):
    """Where one tensor lies in the flat parameter vector.

    Arguments:
        layer: number of the operation among those with parameters, `operation` its place among all.
        kind: the tensor's role in it: "weight", "bias" or a running statistic.
    """

    name: str
    layer: int
    kind: str
    shape: tuple[int, ...]
    start: int
    stop: int
    operation: int
    spec: TensorSpec


class Wiring(NamedTuple):
    """What `Wires` gathers of a whole network, and the neurons of every value: `values[0]` is the network's input."""

    wires: Wires
    values: tuple[Axis, ...]


class Architecture(BaseModel):
    """One network's shape.

    Arguments:
        input_shape: `(in,)` for MLPs and INRs, `(channels, height, width)` for CNNs.
        operations: what is applied, each after what it reads; the last one's output is the network's.
        output_offset: constant added to the output (DWSNets' INRs add 0.5).

    Raises pydantic's ValidationError (a ValueError) when an operation does not fit what it reads. Nothing is allocated:
    shapes are numbers.

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
        operations: list[Operation] = []
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
        # All are cached here: torch.compile cannot trace a cached property's first access.
        _ = self.sources, self.shapes, self.tensors, self.levels, self.last_read
        if not self.layers:
            raise ValueError("an architecture needs at least one operation with parameters, such as linear or conv2d")
        return self

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The places of the operations that each one reads, -1 for the network's input."""
        places: dict[str, int] = {INPUT: -1}
        sources: list[tuple[int, ...]] = []
        for index, operation in enumerate(self.operations):
            found = []
            for name in operation.references:
                place = index - 1 if name == PREVIOUS else int(name) if name.isdigit() else places.get(name)
                if place is None or place >= index:
                    raise ValueError(f"operation {index}: {operation.op} takes an earlier operation, not {name}")
                found.append(place)
            least, most = operation.arity
            if not least <= len(found) <= most:
                wanted = least if least == most else f"{least} or more"
                raise ValueError(f"operation {index}: {operation.op} takes {wanted} inputs, is given {len(found)}")
            if operation.id in (*places, PREVIOUS):
                raise ValueError(f"operation {index}: the id {operation.id} is taken")
            if operation.id is not None:
                places[operation.id] = index
            sources.append(tuple(found))
        return tuple(sources)

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The output shape of every operation, for one input and without the batch axes."""
        shapes: list[tuple[int, ...]] = []
        for index, (operation, sources) in enumerate(zip(self.operations, self.sources, strict=True)):
            given = [self.input_shape if source < 0 else shapes[source] for source in sources]
            try:
                shapes.append(operation.output_shape(*given))
            except ValueError as error:
                raise ValueError(f"operation {index}: {error}") from None
        return tuple(shapes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The network's output for one input."""
        return self.shapes[-1]

    @cached_property
    def layers(self) -> tuple[BaseOperation, ...]:
        """The operations that carry parameters."""
        return tuple(operation for operation in self.operations if operation.tensors)

    @cached_property
    def tensors(self) -> tuple[ParamTensor, ...]:
        """Every tensor in state-dict order; names are those of the equal `torch.nn.Sequential`, or of the `id`."""
        tensors: list[ParamTensor] = []
        start = layer = 0
        for index, operation in enumerate(self.operations):
            name = index if operation.id is None else operation.id
            for spec in operation.tensors:
                stop = start + math.prod(spec.shape)
                tensors.append(
                    ParamTensor(f"{name}.{spec.role}", layer, spec.role, spec.shape, start, stop, index, spec)
                )
                start = stop
            layer += bool(operation.tensors)
        return tuple(tensors)

    def wiring(self, kind: Kind) -> Wiring:
        """How the neurons hang together, for one kind of symmetry."""
        wires = Wires(kind)
        values = [wires.new_named(self.input_shape[neuron_axis(self.input_shape)])]
        for index, (operation, sources) in enumerate(zip(self.operations, self.sources, strict=True)):
            wires.operation = index
            wires.shapes = tuple(self.input_shape if source < 0 else self.shapes[source] for source in sources)
            try:
                values.append(operation.wire(wires, *(values[source + 1] for source in sources)))
            except ValueError as error:
                raise ValueError(f"operation {index}: {error}") from None
        wires.fix(values[-1])
        return Wiring(wires, tuple(values))

    @cached_property
    def levels(self) -> tuple[int | None, ...]:
        """The level of neurons that every operation's output holds, 0 that of the inputs; None for joined ones."""
        wires, values = self.wiring("permutation")
        return tuple(
            axis[0].level if len(axis) == 1 and axis[0].neurons == wires.sizes[axis[0].level] else None
            for axis in values[1:]
        )

    @cached_property
    def last_read(self) -> tuple[tuple[int, ...], ...]:
        """For every operation the values that nothing reads after it, of those that it reads and its own."""
        last = {index: index for index in range(-1, len(self.operations))}
        last |= {source: index for index, sources in enumerate(self.sources) for source in sources}
        done: list[list[int]] = [[] for _ in self.operations]
        for value, index in last.items():
            if value < len(self.operations) - 1 and index >= 0:
                done[index].append(value)
        return tuple(map(tuple, done))

    @property
    def beyond_chain(self) -> str | None:
        """The first operation that makes this more than a chain of layers with residual edges; None if it is one."""
        for index, (operation, shape) in enumerate(zip(self.operations, self.shapes, strict=True)):
            plain = operation.in_chain and len(shape) != 2 and (not operation.inputs or operation.op == "add")
            if not plain:
                return f"{operation.op} (operation {index})"
        return None

    @cached_property
    def layout(self) -> Architecture:
        """The same without its activations: equal for architectures whose weights have one shape and one place."""
        neutral = {"name": "identity", "omega_0": 1.0, "approximate": "none", "negative_slope": 0.01}
        kept = tuple(op.model_copy(update=neutral) if isinstance(op, Activation) else op for op in self.operations)
        return self.model_copy(update={"operations": kept})

    @property
    def num_params(self) -> int:
        """P, the length of the flat parameter vector."""
        return self.tensors[-1].stop

    def __str__(self) -> str:
        convolutional = any(isinstance(layer, Conv2d) for layer in self.layers)
        kind = "cnn" if convolutional else "mlp"
        if self.beyond_chain is not None:
            more = dict.fromkeys(op.op for op in self.operations if not op.in_chain)
            kind = "transformer" if "attention" in more else kind
            return f"{kind} with {', '.join(more) or 'branches'}"
        first = self.input_shape[0]
        widths = "-".join(str(n) for n in (first, *(layer.weight_shape[0] for layer in self.layers)))
        activations = {op.name for op in self.operations if isinstance(op, Activation)}
        return " ".join([kind, widths, *sorted(activations)])
