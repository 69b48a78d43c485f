"""`Scores`: attention as other frameworks write it out, step by step: Q K^T, scaled, masked, softmax, times V."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...networks.operations.operation import Shape
from .graph_builder import GraphBuilder
from .values import ONE, Value, fits, uniform

MASKED = -1e4  # added to a score, leaves nothing of its weight


@dataclass(frozen=True)
class Scores:
    """What tokens attend to, before the softmax or after it.

    Arguments:
        queries, keys: `[heads, tokens, features]`, or without heads.
        factor: what their products are multiplied by.
        causal: whether later tokens are masked.
        normalised: whether the softmax is taken.
    """

    queries: Value
    keys: Value
    factor: float
    causal: bool = False
    normalised: bool = False

    @property
    def shape(self) -> Shape:
        """`(heads, tokens of the queries, tokens of the keys)`, without the batch axis."""
        return (*self.queries.shape[:-1], self.keys.shape[-2])

    @property
    def batched(self) -> bool:
        """Whether a batch axis comes first."""
        return self.queries.batched

    def scaled(self, numbers: np.ndarray) -> Scores:
        """Multiplied. Raises ValueError for more than one number, and after the softmax."""
        if self.normalised or not uniform(numbers):
            raise ValueError("multiplies what tokens attend to by more than one number, or after the softmax")
        return replace(self, factor=self.factor * float(numbers.flat[0]))

    def masked(self, numbers: np.ndarray) -> Scores:
        """With numbers added. Raises ValueError unless they mask nothing, or all later tokens."""
        tokens = self.shape[-2:]
        if fits(numbers, self.shape) and not numbers.any():
            return self
        if not self.normalised and tokens[0] == tokens[1] and numbers.shape[-2:] == tokens:
            later = np.triu(np.ones(tokens, bool), 1)
            flat = numbers.reshape(-1, *tokens)
            if fits(numbers, self.shape) and (flat[:, later] <= MASKED).all() and not flat[:, ~later].any():
                return replace(self, causal=True)
        raise ValueError("masks or biases what tokens attend to, other than all later ones")

    def filled(self, where: np.ndarray, number: np.ndarray) -> Scores:
        """With a number in place of some: the same as added, where it is low enough to mask them."""
        return self.masked(np.where(where, number, 0.0))

    def softmax(self, axis: int) -> Scores:
        """Over the keys; `axis` is counted in the full shape."""
        rank = len(self.shape) + self.batched
        if self.normalised or axis % rank != rank - 1:
            raise ValueError(f"takes the softmax of what tokens attend to over axis {axis}, expected the last")
        return replace(self, normalised=True)

    def attend(self, builder: GraphBuilder, values: Value) -> Value:
        """Times the values: scaled dot-product attention. Raises ValueError for another scale or no softmax."""
        expected = self.queries.shape[-1] ** -0.5
        if not self.normalised:
            raise ValueError("multiplies three computed values, without a softmax")
        if not np.isclose(self.factor, expected, rtol=1e-5):
            raise ValueError(f"attends with scale {self.factor:g}, expected 1 / sqrt(features), {expected:g}")
        return builder.attention(self.queries, self.keys, values, causal=self.causal)


def computed(found: object, otherwise: str) -> Value:
    """What an operation reads, as a value. Raises ValueError for scores, and `otherwise` for what is not computed."""
    if isinstance(found, Scores):
        raise ValueError(f"reads a product of two computed values {list(found.shape)}, which is no attention")
    if not isinstance(found, Value):
        raise ValueError(otherwise)
    return found


def scores(queries: Value, keys: Value) -> Scores:
    """The product of `[heads, tokens, features]` and `[heads, features, tokens]`. Raises ValueError for another."""
    shapes = queries.shape, keys.shape
    alike = len(shapes[0]) == len(shapes[1]) in (2, 3) and queries.batched == keys.batched
    if not alike or shapes[0][:-2] != shapes[1][:-2] or shapes[0][-1] != shapes[1][-2]:
        raise ValueError(f"multiplies two computed values, {list(shapes[0])} and {list(shapes[1])}")
    keys = keys.transposed((*range(len(keys.shape) - 2), len(keys.shape) - 1, len(keys.shape) - 2))
    (queries, first), (keys, second) = _factored(queries), _factored(keys)
    return Scores(queries, keys, first * second)


def _factored(value: Value) -> tuple[Value, float]:
    """The value without the number that all of it waits to be multiplied by, and that number."""
    factor = float(value.scale.flat[0])
    if not uniform(value.scale) or not np.isfinite(factor) or factor == 0:
        return value, 1.0
    return replace(value, scale=ONE, shift=value.shift / factor), factor
