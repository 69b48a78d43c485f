"""Values `[tokens, features]`: how they are made of images and words, told apart, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from .operation import BaseOperation, Shape, TensorSpec
from .wires import Axis, Wires, inverse

if TYPE_CHECKING:
    from torch import Tensor

POSITION_STD = 0.02  # of first position embeddings and class tokens, as in ViT (Dosovitskiy et al. 2021)


def _tokens(op: str, shape: Shape, width: int | None = None) -> Shape:
    if len(shape) != 2 or (width is not None and shape[1] != width):
        raise ValueError(f"{op} takes (tokens, {width or 'features'}), is given {shape}")
    return shape


class ToTokens(BaseOperation):
    """Positions of an image as tokens, row by row: `[channels, height, width]` to `[height * width, channels]`."""

    op: Literal["to-tokens"] = "to-tokens"

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(height * width, channels)`. Raises ValueError for what is no image."""
        (shape,) = shapes
        if len(shape) != 3:
            raise ValueError(f"to-tokens takes (channels, height, width), is given {shape}")
        return (shape[1] * shape[2], shape[0])

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, tokens, channels]`."""
        return inputs[0].flatten(3).mT


class Embedding(BaseOperation):
    """A row of a table for each of the network's inputs, numbers from 0 to `vocabulary` - 1: `[tokens, features]`."""

    op: Literal["embedding"] = "embedding"
    vocabulary: PositiveInt
    features: PositiveInt

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[vocabulary, features]`."""
        return (TensorSpec("weight", (self.vocabulary, self.features), std=1.0),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(tokens, features)`. Raises ValueError unless it is given `(tokens,)`."""
        (shape,) = shapes
        if len(shape) != 1:
            raise ValueError(f"embedding takes (tokens,), is given {shape}")
        return (*shape, self.features)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, tokens, features]`. Inputs may be floats that hold whole numbers."""
        (x,) = inputs
        index = x.long()
        rows = index.flatten(1).unsqueeze(2).expand(-1, -1, self.features)
        found: Tensor = tensors["weight"].gather(1, rows).unflatten(1, index.shape[1:])
        return found

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """New neurons, read off a vocabulary whose words keep their places."""
        wires.fix(inputs[0])
        vocabulary, out = wires.new_named(self.vocabulary), wires.new(self.features)
        wires.label("weight", inverse(vocabulary), out)
        return out


class PositionEmbedding(BaseOperation):
    """Adds a learned vector to each token."""

    op: Literal["position-embedding"] = "position-embedding"
    tokens: PositiveInt
    features: PositiveInt

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[tokens, features]`."""
        return (TensorSpec("weight", (self.tokens, self.features), std=POSITION_STD),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape stays. Raises ValueError for other tokens or features."""
        if shapes[0] != (self.tokens, self.features):
            raise ValueError(f"position-embedding takes {(self.tokens, self.features)}, is given {shapes[0]}")
        return shapes[0]

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """The shape stays."""
        return inputs[0] + tensors["weight"].unsqueeze(1)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """The features' neurons."""
        wires.label("weight", None, inputs[0])
        return inputs[0]


class ClassToken(BaseOperation):
    """Puts a learned token before the others."""

    op: Literal["class-token"] = "class-token"
    features: PositiveInt

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """Weight `[features]`."""
        return (TensorSpec("weight", (self.features,), std=POSITION_STD),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(tokens + 1, features)`. Raises ValueError for other features."""
        tokens, features = _tokens(self.op, shapes[0], self.features)
        return (tokens + 1, features)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, tokens + 1, features]`."""
        import torch

        (x,) = inputs
        first = tensors["weight"][:, None, None].expand(-1, x.shape[1], 1, -1)
        return torch.cat([first, x], 2)

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """The features' neurons."""
        wires.label("weight", inputs[0])
        return inputs[0]


class TakeToken(BaseOperation):
    """One token's features: `[tokens, features]` to `[features]`; by default the first, a class token."""

    op: Literal["take-token"] = "take-token"
    token: Annotated[int, Field(ge=0)] = 0

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(features,)`. Raises ValueError for fewer tokens."""
        tokens, features = _tokens(self.op, shapes[0])
        if self.token >= tokens:
            raise ValueError(f"take-token takes number {self.token}, is given {tokens} tokens")
        return (features,)

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, features]`."""
        return inputs[0][:, :, self.token]


class MeanTokens(BaseOperation):
    """The mean over the tokens: `[tokens, features]` to `[features]`."""

    op: Literal["mean-tokens"] = "mean-tokens"

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(features,)`. Raises ValueError for what are no tokens."""
        return _tokens(self.op, shapes[0])[1:]

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, features]`."""
        return inputs[0].mean(2)


Tokens = ToTokens | Embedding | PositionEmbedding | ClassToken | TakeToken | MeanTokens
