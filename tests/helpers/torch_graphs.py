"""What an architecture computes, in plain `torch.nn` and for one network at a time; and random graphs of operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import weightbench as wb

Build = Callable[[Any], nn.Module]


class Function(nn.Module):
    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class Position(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class LayerScale(Position):
    def forward(self, x: Tensor) -> Tensor:
        return (x.movedim(1, -1) * self.weight).movedim(-1, 1) if x.ndim == 4 else x * self.weight


class ChannelPReLU(Position):
    def forward(self, x: Tensor) -> Tensor:
        slopes = self.weight[:, None, None] if x.ndim == 4 else self.weight
        return x.clamp(min=0) + slopes * x.clamp(max=0)


class ClassToken(Position):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.weight.expand(len(x), 1, -1), x], 1)


class ChannelNorm(nn.LayerNorm):
    """Over the channels of images too."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.ndim < 4 else super().forward(x.movedim(1, 3)).movedim(3, 1)


class ChannelRMSNorm(nn.RMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.ndim < 4 else super().forward(x.movedim(1, 3)).movedim(3, 1)


class AnyBatchNorm(nn.BatchNorm1d):
    def _check_input_dim(self, x: Tensor) -> None: ...

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mT).mT if x.ndim == 3 else super().forward(x)


def attend(op: Any) -> nn.Module:
    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        heads = []
        for a, b, c in zip(q.chunk(op.heads, 2), k.chunk(op.heads, 2), v.chunk(op.heads, 2), strict=True):
            scores = a @ b.mT / math.sqrt(a.shape[2])
            if op.causal:
                scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -torch.inf)
            heads.append(scores.softmax(2) @ c)
        return torch.cat(heads, 2)

    return Function(attention)


ACTIVATIONS: dict[str, Build] = {
    "sine": lambda op: Function(lambda x: torch.sin(op.omega_0 * x)),
    "relu": lambda op: nn.ReLU(),
    "leaky-relu": lambda op: nn.LeakyReLU(op.negative_slope),
    "tanh": lambda op: nn.Tanh(),
    "gelu": lambda op: nn.GELU(op.approximate),
    "sigmoid": lambda op: nn.Sigmoid(),
    "silu": lambda op: nn.SiLU(),
    "elu": lambda op: nn.ELU(),
    "softplus": lambda op: nn.Softplus(),
    "identity": lambda op: nn.Identity(),
}


def conv(op: Any) -> nn.Module:
    given = {"stride": op.stride, "padding": op.padding, "dilation": op.dilation, "groups": op.groups, "bias": op.bias}
    return nn.Conv2d(op.in_channels, op.out_channels, op.kernel_size, **given)


def softmax(x: Tensor, log: bool) -> Tensor:
    axis = 1 if x.ndim == 4 else -1
    scores = x.exp() / x.exp().sum(axis, keepdim=True)
    return scores.log() if log else scores


def pool(op: Any) -> nn.Module:
    return (nn.MaxPool2d if op.kind == "max" else nn.AvgPool2d)(op.kernel_size, op.stride, op.padding)


MODULES: dict[str, Build] = {
    "linear": lambda op: nn.Linear(op.in_features, op.out_features, bias=op.bias),
    "conv2d": conv,
    "activation": lambda op: ACTIVATIONS[op.name](op),
    "pool2d": pool,
    "global-avg-pool2d": lambda op: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "flatten": lambda op: nn.Flatten(),
    "add": lambda op: Function(lambda *xs: torch.stack(xs).sum(0)),
    "concat": lambda op: Function(lambda *xs: torch.cat(xs, 1 if xs[0].ndim == 4 else -1)),
    "batch-norm": lambda op: AnyBatchNorm(op.channels, op.eps),
    "layer-norm": lambda op: ChannelNorm(op.channels, op.eps),
    "rms-norm": lambda op: ChannelRMSNorm(op.channels, op.eps),
    "group-norm": lambda op: nn.GroupNorm(op.groups, op.channels, op.eps),
    "softmax": lambda op: Function(lambda x: softmax(x, op.log)),
    "layer-scale": lambda op: LayerScale(op.channels),
    "prelu": lambda op: ChannelPReLU(op.channels),
    "to-tokens": lambda op: nn.Sequential(nn.Flatten(2), Function(lambda x: x.mT)),
    "embedding": lambda op: nn.Embedding(op.vocabulary, op.features),
    "position-embedding": lambda op: Position(op.tokens, op.features),
    "class-token": lambda op: ClassToken(op.features),
    "take-token": lambda op: Function(lambda x: x[:, op.token]),
    "mean-tokens": lambda op: Function(lambda x: x.mean(1)),
    "attention": attend,
}


class TorchGraph(nn.Module):
    """The operations of an architecture as modules of torch, one after the other."""

    def __init__(self, arch: wb.Architecture) -> None:
        super().__init__()
        self.arch = arch
        for place, op in enumerate(arch.operations):
            self.add_module((op.id or str(place)).replace(".", "_"), MODULES[op.op](op))

    def load(self, state: dict[str, Tensor]) -> None:
        """A network's tensors, by the names of the architecture."""
        parts = {name: name.rpartition(".") for name in state}
        named = {f"{owner.replace('.', '_')}.{role}": state[name] for name, (owner, _, role) in parts.items()}
        missing, unexpected = self.load_state_dict(named, strict=False)
        assert not unexpected
        assert all(name.endswith("num_batches_tracked") for name in missing)

    def forward(self, x: Tensor) -> Tensor:
        values = {-1: x}
        for place, (module, sources) in enumerate(zip(self.children(), self.arch.sources, strict=True)):
            given = [values[source] for source in sources]
            values[place] = module(given[0].long() if isinstance(module, nn.Embedding) else given[0], *given[1:])
        return values[place] + self.arch.output_offset


def random_params(arch: wb.Architecture, batch: int, seed: int) -> Tensor:
    """Double parameters `[batch, P]` of a size that keeps values near one, with positive running variances."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for tensor in arch.tensors:
        values = torch.randn(batch, math.prod(tensor.shape), generator=generator, dtype=torch.float64)
        if tensor.kind == "running_var":
            values = values.square() + 0.5
        elif len(tensor.shape) > 1:
            values = values / math.sqrt(math.prod(tensor.shape[1:]))
        parts.append(values)
    return torch.cat(parts, 1)


def random_inputs(arch: wb.Architecture, n: int, seed: int) -> Tensor:
    """Double inputs `[n, *input_shape]`; whole numbers where they are embedded."""
    generator = torch.Generator().manual_seed(seed)
    for op in arch.operations:
        if op.op == "embedding":
            return torch.randint(op.vocabulary, (n, *arch.input_shape), generator=generator).double()
    return torch.randn(n, *arch.input_shape, generator=generator, dtype=torch.float64)


NAMES = ["sine", "relu", "leaky-relu", "tanh", "gelu", "sigmoid", "identity"]


@st.composite
def graphs(draw: st.DrawFn, steps: int = 7) -> wb.Architecture:
    """Random graphs over images, vectors, tokens and words, with branches that are added up or joined."""
    start = draw(st.sampled_from(["image", "vector", "tokens", "words"]))
    shape = {"image": (4, 4, 4), "vector": (4,), "tokens": (3, 4), "words": (3,)}[start]
    ops: list[dict[str, Any]] = []
    values: list[tuple[str, tuple[int, ...]]] = [("input", shape)]

    def put(op: str, shape: tuple[int, ...], *inputs: str, **fields: Any) -> None:
        ops.append({"op": op, **fields, "inputs": list(inputs)})
        values.append((str(len(ops) - 1), shape))

    if start == "words":
        put("embedding", (3, 4), "input", vocabulary=5, features=4)
        values.pop(0)
    for _ in range(draw(st.integers(1, steps))):
        name, shape = draw(st.sampled_from(values))
        axis = 0 if len(shape) == 3 else -1
        width, out = shape[axis], draw(st.sampled_from([2, 4, 8]))
        alike = [other for other, found in values if found == shape and other != name]
        kinds = ["activation", "layer-scale", "prelu", "layer-norm", "batch-norm", "rms-norm", "softmax"]
        kinds += ["add"] * 3 * bool(alike) + ["concat"] * bool(alike and width <= 4)
        if len(shape) == 3:
            kinds += ["conv2d"] * 3 + ["grouped"] * 2 + ["pool2d", "to-tokens", "group-norm", "global-avg-pool2d"]
        else:
            kinds += ["linear"] * 3
        if len(shape) == 2:
            kinds += ["attention"] * 3 + ["position-embedding", "class-token", "take-token", "mean-tokens"]
        if len(shape) > 1:
            kinds.append("flatten")
        match draw(st.sampled_from(kinds)):
            case "activation":
                put("activation", shape, name, name=draw(st.sampled_from(NAMES)))
            case "layer-scale" | "prelu" | "layer-norm" | "batch-norm" | "rms-norm" as norm:
                put(norm, shape, name, channels=width)
            case "softmax":
                put("softmax", shape, name, log=draw(st.booleans()))
            case "group-norm":
                put("group-norm", shape, name, channels=width, groups=2)
            case "add":
                put("add", shape, name, draw(st.sampled_from(alike)))
            case "concat":
                joined = list(shape)
                joined[axis] *= 2
                put("concat", tuple(joined), name, draw(st.sampled_from(alike)))
            case "conv2d" | "grouped" as kind:
                groups = draw(st.sampled_from([g for g in (2, 4) if width % g == 0])) if kind == "grouped" else 1
                out = max(out, groups)
                put(
                    "conv2d", (out, *shape[1:]), name, in_channels=width, out_channels=out, kernel_size=[3, 3],
                    padding=1, groups=groups, bias=draw(st.booleans()),
                )  # fmt: skip
            case "pool2d":
                kind = draw(st.sampled_from(["max", "avg"]))
                put("pool2d", shape, name, kind=kind, kernel_size=3, stride=1, padding=1)
            case "to-tokens":
                put("to-tokens", (shape[1] * shape[2], shape[0]), name)
            case "global-avg-pool2d":
                put("global-avg-pool2d", shape[:1], name)
            case "linear":
                put("linear", (*shape[:-1], out), name, in_features=width, out_features=out, bias=draw(st.booleans()))
            case "attention":
                chosen = []
                for _ in range(3):
                    if draw(st.booleans()):
                        put("linear", (shape[0], width), name, in_features=width, out_features=width)
                        chosen.append(values[-1][0])
                    else:
                        chosen.append(draw(st.sampled_from([name, *alike])))
                put("attention", shape, *chosen, heads=2, causal=draw(st.booleans()))
            case "position-embedding":
                put("position-embedding", shape, name, tokens=shape[0], features=width)
            case "class-token":
                put("class-token", (shape[0] + 1, width), name, features=width)
            case "take-token":
                put("take-token", shape[1:], name)
            case "mean-tokens":
                put("mean-tokens", shape[1:], name)
            case "flatten":
                put("flatten", (math.prod(shape),), name)
    name, shape = values[-1]
    if len(shape) == 3:
        put("flatten", (math.prod(shape),), name)
    name, shape = values[-1]
    put("linear", (*shape[:-1], 3), name, in_features=shape[-1], out_features=3)
    described = {"input_shape": {"image": [4, 4, 4], "vector": [4], "tokens": [3, 4], "words": [3]}[start]}
    return wb.Architecture.model_validate(described | {"operations": ops})
