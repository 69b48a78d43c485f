"""Attention between tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from .operation import BaseOperation, Shape
from .wires import Axis, Wires, inverse

if TYPE_CHECKING:
    from torch import Tensor


class Attention(BaseOperation):
    """Scaled dot-product attention of queries, keys and values, softmax(Q K^T / sqrt(d)) V, head by head.

    It has no parameters: queries, keys and values are linear maps of their own (Vaswani et al. 2017, equation 1). Each
    is `[tokens, features]`, the features of the heads one after the other.

    Fields:
        heads: how many.
        causal: a token attends to itself and to those before it.
    """

    arity: ClassVar[tuple[int, int]] = (3, 3)

    op: Literal["attention"] = "attention"
    heads: PositiveInt
    causal: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """`(tokens of the queries, features of the values)`. Raises ValueError for what does not fit."""
        if any(len(shape) != 2 or shape[1] % self.heads for shape in shapes):
            raise ValueError(f"attention takes (tokens, features) of {self.heads} heads, is given {shapes}")
        queries, keys, values = shapes
        if queries[1] != keys[1] or keys[0] != values[0] or (self.causal and queries[0] != keys[0]):
            raise ValueError(f"attention of queries {queries}, keys {keys} and values {values}")
        return (queries[0], values[1])

    def apply(self, tensors: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        """`[B, n, tokens, features]`."""
        from torch.nn import functional as F

        q, k, v = (x.unflatten(3, (self.heads, -1)).transpose(2, 3).flatten(0, 1) for x in inputs)
        found: Tensor = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        joined: Tensor = found.transpose(1, 2).flatten(2).unflatten(0, inputs[0].shape[:2])
        return joined

    def wire(self, wires: Wires, *inputs: Axis) -> Axis:
        """Queries and keys are multiplied one by one, so that their signs agree and their scales cancel.

        Heads may change places. (Within a head, any invertible matrix on the queries and its inverse on the keys keep
        the function; of these, permutations, signs and scales are known here.)
        """
        queries, keys, values = inputs
        wires.tie(queries, inverse(keys) if wires.kind == "scale" else keys)
        if wires.kind == "permutation" and self.heads > 1:
            wires.bundle(self.heads, queries, keys, values)
        return values


Mixing = Attention
