"""`BaseOperation`: what an operation declares about itself, torch-free but for `apply`, which imports it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from .wires import Axis, Wires

if TYPE_CHECKING:
    from torch import Tensor

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=200)]
Reference = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_.-]*|[0-9]{1,9})$", max_length=200)]
INPUT, PREVIOUS = "input", "previous"  # what a reference calls the network's input, and the operation before
Shape = tuple[int, ...]


class TensorSpec(NamedTuple):
    """A parameter or buffer of an operation.

    Arguments:
        role: its name in the operation; "weight" is the first of every operation that has any.
        shape: of one network's.
        constant: its first value; None where it is drawn.
        std: of the normal distribution it is drawn from; None for weights and biases, which go by fan-in.
        trained: False for running statistics.
    """

    role: str
    shape: Shape
    constant: float | None = None
    std: float | None = None
    trained: bool = True


class BaseOperation(BaseModel):
    """One node of a network.

    Fields:
        id: its name, also in the names of its tensors; without one it is called by its place.
        inputs: names of earlier operations, "input" for the network's input, "previous" for the operation before, which
            is what it reads without any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Fields younger than the first zoos: absent from the JSON at their defaults, so that manifests keep their bytes.
    later_fields: ClassVar[frozenset[str]] = frozenset()
    arity: ClassVar[tuple[int, int]] = (1, 1)  # the least and the largest number of inputs

    op: str
    id: Name | None = None
    inputs: tuple[Reference, ...] = ()

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields, data = type(self).model_fields, handler(self)
        silent = {"id", "inputs"} | self.later_fields
        kept = {
            key: value for key, value in data.items() if key not in silent or getattr(self, key) != fields[key].default
        }
        # Those that every operation has stand behind what it says of itself.
        return {key: kept[key] for key in sorted(kept, key=lambda key: key in ("id", "inputs"))}

    @property
    def references(self) -> tuple[str, ...]:
        """What the operation reads, by name."""
        return self.inputs or (PREVIOUS,)

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Its parameters and buffers in state-dict order."""
        return ()

    @property
    def weight_shape(self) -> Shape:
        """The shape of its weight. Raises StopIteration for an operation without."""
        return next(tensor.shape for tensor in self.tensors if tensor.role == "weight")

    @property
    def in_chain(self) -> bool:
        """Whether methods for plain MLPs and CNNs, chains of layers with residual edges, can read it."""
        return False

    def output_shape(self, *shapes: Shape) -> Shape:
        """Its output's shape for inputs of these, without the batch axes. Raises ValueError for what does not fit."""
        return shapes[0]

    @abstractmethod
    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """Its output `[B, n, *output_shape]` for B networks: tensors `[B, *shape]` by role, inputs `[B, n, *shape]`."""

    def apply_in_training(self, tensors: dict[str, Tensor], *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Its output while it is trained, and by role what running statistics become `[B, *shape]`."""
        return self.apply(tensors, *inputs), {}

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """The neurons of its output, given those of its inputs; declares to `wires` how they hang together."""
        return inputs[0]


def neuron_axis(shape: Shape) -> int:
    """The axis of a value that runs over neurons: channels of an image, features of tokens and vectors."""
    return 0 if len(shape) == 3 else len(shape) - 1
