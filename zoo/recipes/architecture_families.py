"""Families of architectures, from which a recipe draws some at random. torch-free; unknown fields are refused."""

from __future__ import annotations

import itertools
import math
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from ..networks.architecture import Architecture, Operation
from ..networks.operations.attention import Attention
from ..networks.operations.elementwise import Activation, ActivationName
from ..networks.operations.joining import Add
from ..networks.operations.layers import Conv2d, Linear
from ..networks.operations.normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from ..networks.operations.operation import PREVIOUS
from ..networks.operations.pooling import GlobalAvgPool2d
from ..networks.operations.tokens import ClassToken, MeanTokens, PositionEmbedding, TakeToken, ToTokens

DRAWING_SEED = 0  # architectures belong to the zoo's version, not to a build's seed
CHANNELS_PER_GROUP = 4  # of group normalisation
EPSILON = 1e-5  # of normalisations, as in torch

T = TypeVar("T")
Choices = Annotated[tuple[T, ...], Field(min_length=1)]


class _Operations(list[Operation]):
    """Operations in the making."""

    def put(self, *operations: Operation) -> str:
        """Append some; returns how later operations refer to the last."""
        self.extend(operations)
        return str(len(self) - 1)


class ArchitectureFamily(BaseModel):
    """Every combination of choices is an architecture; `draws` of them are drawn, none twice.

    Class attributes:
        fixed: fields that are common to all; every other is a list of choices.

    Fields:
        draws: how many.
        outputs: of every network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fixed: ClassVar[frozenset[str]] = frozenset(("family", "draws", "input_shape", "outputs"))

    draws: PositiveInt
    outputs: PositiveInt

    def drawn(self, name: str) -> Iterator[tuple[str, Architecture]]:
        """The architectures that are drawn for the family `name`, called after it and their choices.

        Raises ValueError where there are fewer, and for choices that do not go together.
        """
        choices = {field: values for field, values in self if field not in self.fixed}
        points = list(itertools.product(*choices.values()))
        if self.draws > len(points):
            raise ValueError(f"{name}: draws {self.draws} of {len(points)} architectures")
        rng = np.random.default_rng([DRAWING_SEED, zlib.crc32(name.encode())])
        for number in sorted(rng.permutation(len(points))[: self.draws].tolist()):
            chosen = dict(zip(choices, points[number], strict=True))
            parts = [
                value if isinstance(value, str) else f"{field[0]}{value}"
                for field, value in chosen.items()
                if len(choices[field]) > 1
            ]
            key = "-".join([name, *parts])
            try:
                yield key, self._architecture(**chosen)
            except ValueError as error:
                text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
                raise ValueError(f"{key}: {text.removeprefix('Value error, ')}") from None

    @abstractmethod
    def _architecture(self, **chosen: Any) -> Architecture:
        """That of one choice for every field. Raises ValueError for choices that do not go together."""


class CNNFamily(ArchitectureFamily):
    """Convolutional networks, residual (He et al. 2016) or plain.

    A convolution, stages of blocks of two convolutions, the mean over all positions, a linear layer. Every stage after
    the first halves the resolution and doubles the channels; there a residual edge passes a 1x1 convolution.

    Fields:
        stem_stride: of the first convolution.
        stages, blocks: how many stages, and blocks in each.
        width: channels of the first stage.
        norm: what follows every convolution; group normalisation takes four channels at a time.
    """

    fixed = ArchitectureFamily.fixed | {"stem_stride"}

    family: Literal["cnn"]
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    stem_stride: PositiveInt = 1
    stages: Choices[PositiveInt]
    blocks: Choices[PositiveInt]
    width: Choices[PositiveInt]
    kernel_size: Choices[Literal[1, 3, 5, 7]] = (3,)
    norm: Choices[Literal["batch", "group", "none"]] = ("batch",)
    edges: Choices[Literal["residual", "plain"]] = ("residual",)
    activation: Choices[ActivationName] = ("relu",)

    def _architecture(self, **chosen: Any) -> Architecture:
        kernel, norm, activation = chosen["kernel_size"], chosen["norm"], Activation(name=chosen["activation"])
        found = _Operations()

        def convolve(n_in: int, n_out: int, size: int, stride: int, *reads: str) -> str:
            last = found.put(
                Conv2d(
                    in_channels=n_in,
                    out_channels=n_out,
                    kernel_size=(size, size),
                    stride=stride,
                    padding=size // 2,
                    bias=norm == "none",
                    inputs=reads,
                )
            )
            if norm == "batch":
                last = found.put(BatchNorm(channels=n_out, eps=EPSILON))
            elif norm == "group":
                last = found.put(GroupNorm(channels=n_out, groups=max(1, n_out // CHANNELS_PER_GROUP), eps=EPSILON))
            return last

        width = chosen["width"]
        convolve(self.input_shape[0], width, kernel, self.stem_stride)
        before = found.put(activation)
        for stage, _ in itertools.product(range(chosen["stages"]), range(chosen["blocks"])):
            n_out = chosen["width"] * 2**stage
            stride = 1 if n_out == width else 2
            convolve(width, n_out, kernel, stride)
            found.put(activation)
            last = convolve(n_out, n_out, kernel, 1)
            if chosen["edges"] == "residual":
                if n_out != width:
                    convolve(width, n_out, 1, stride, before)
                found.put(Add(inputs=(PREVIOUS, before if n_out == width else last)))
            before, width = found.put(activation), n_out
        found.put(GlobalAvgPool2d(), Linear(in_features=width, out_features=self.outputs))
        return Architecture(input_shape=self.input_shape, operations=tuple(found))


class TransformerFamily(ArchitectureFamily):
    """Transformers that normalise before attention and feed-forward layers (Dosovitskiy et al. 2021, equations 1 to 4).

    An image is cut into patches, each a token by a linear map, or read as a sequence of its rows.

    Fields:
        patch: side of a patch, in pixels, or "row" for all of a row.
        causal: a token attends to itself and to those before it.
        width: features of a token; the feed-forward layers have `expansion` times as many.
        read: what the linear layer at the end is given: a "class" token, the "mean" of all tokens, or the "last".
    """

    fixed = ArchitectureFamily.fixed | {"causal"}

    family: Literal["transformer"]
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    causal: bool = False
    patch: Choices[PositiveInt | Literal["row"]]
    depth: Choices[PositiveInt]
    width: Choices[PositiveInt]
    heads: Choices[PositiveInt]
    expansion: Choices[PositiveInt] = (2,)
    norm: Choices[Literal["layer", "rms"]] = ("layer",)
    activation: Choices[ActivationName] = ("gelu",)
    read: Choices[Literal["class", "mean", "last"]]

    def _architecture(self, **chosen: Any) -> Architecture:
        width, read = chosen["width"], chosen["read"]
        if self.causal and read == "class":
            raise ValueError("read class: a class token comes first, and sees no other where attention is causal")
        found = _Operations()

        def linear(n_in: int, n_out: int, *reads: str) -> str:
            return found.put(Linear(in_features=n_in, out_features=n_out, inputs=reads))

        def normalise(*reads: str) -> str:
            kind = LayerNorm if chosen["norm"] == "layer" else RMSNorm
            return found.put(kind(channels=width, eps=EPSILON, inputs=reads))

        channels, _, columns = self.input_shape
        patch, stride = ((1, columns), 1) if chosen["patch"] == "row" else ((chosen["patch"],) * 2, chosen["patch"])
        cut = Conv2d(in_channels=channels, out_channels=width, kernel_size=patch, stride=stride, padding=0)
        tokens = math.prod(cut.output_shape(self.input_shape)[1:])
        found.put(cut, ToTokens())
        if read == "class":
            found.put(ClassToken(features=width))
            tokens += 1
        stream = found.put(PositionEmbedding(tokens=tokens, features=width))
        for _ in range(chosen["depth"]):
            given = normalise()
            queries, keys, values = (linear(width, width, given) for _ in range(3))
            found.put(Attention(heads=chosen["heads"], causal=self.causal, inputs=(queries, keys, values)))
            stream = found.put(Add(inputs=(linear(width, width), stream)))
            normalise()
            linear(width, width * chosen["expansion"])
            found.put(Activation(name=chosen["activation"]))
            stream = found.put(Add(inputs=(linear(width * chosen["expansion"], width), stream)))
        normalise()
        found.put(MeanTokens() if read == "mean" else TakeToken(token=0 if read == "class" else tokens - 1))
        linear(width, self.outputs)
        return Architecture(input_shape=self.input_shape, operations=tuple(found))


Family = Annotated[CNNFamily | TransformerFamily, Field(discriminator="family")]
