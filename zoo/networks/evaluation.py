"""Evaluating a whole batch of different networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .architecture import Activation, Add, Architecture, Conv2d, Flatten, GlobalAvgPool2d, Linear, Pool2d

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sine": torch.sin,
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "elu": F.elu,
    "softplus": F.softplus,
    "identity": lambda x: x,
}


def split_params(arch: Architecture, params: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
    """Views of `params [B, P]`: weights `[B, out, in, *kernel]` and biases `[B, out]` (None where a layer has none)."""
    weights: list[Tensor] = []
    biases: list[Tensor | None] = [None] * len(arch.layers)
    for tensor in arch.tensors:
        view = params[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
        if tensor.kind == "weight":
            weights.append(view)
        else:
            biases[tensor.layer] = view
    return weights, biases


def evaluate(
    arch: Architecture, params: Tensor, x: Tensor, dropout: Callable[[Tensor, int], Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Run B networks on n inputs each.

    Arguments:
        params: `[B, P]`.
        x: `[n, *input_shape]`, shared by all networks, or `[B, n, *input_shape]`.
        dropout: in training, is given every activation's output `[B, n, ...]` and its index, and returns it thinned.

    Returns the output `[B, n, *output_shape]`, with the output offset, and the features of every neuron: the inputs,
    then each layer's outputs after the operations that follow it (activation, pooling, residual edges), up to the next.
    """
    weights, biases = split_params(arch, params)
    expected = len(arch.input_shape) + 1
    if x.ndim == expected:
        x = x.expand(params.shape[0], *x.shape)
    if x.ndim != expected + 1 or tuple(x.shape[2:]) != arch.input_shape or x.shape[0] != params.shape[0]:
        raise ValueError(
            f"inputs of shape {tuple(x.shape)} do not fit {params.shape[0]} networks that take {arch.input_shape}"
        )
    features: list[Tensor] = []
    outputs: list[Tensor] = [x]  # outputs[i + 1] belongs to operation i; outputs[0] is the input
    layer = 0
    for operation in arch.operations:
        match operation:
            case Linear():
                features.append(x)
                x = _linear(x, weights[layer], biases[layer])
                layer += 1
            case Conv2d():
                features.append(x)
                x = _conv2d(operation, x, weights[layer], biases[layer])
                layer += 1
            case Activation(name=name, omega_0=omega_0):
                x = ACTIVATIONS[name](x if omega_0 == 1.0 else omega_0 * x)
                if dropout is not None:
                    x = dropout(x, len(outputs) - 1)
            case Pool2d(kind=kind, kernel_size=size):
                pool = F.max_pool2d if kind == "max" else F.avg_pool2d
                x = pool(x.flatten(0, 1), size).unflatten(0, x.shape[:2])
            case GlobalAvgPool2d():
                x = x.mean((-2, -1))
            case Flatten():
                x = x.flatten(2)
            case Add(source=source):
                x = x + outputs[source + 1]
        outputs.append(x)
    if arch.output_offset:
        x = x + arch.output_offset
    features.append(x)
    return x, features


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # bmm and a separate addition: under torch.compile the addition fuses with the activation, and baddbmm would first
    # copy the broadcast bias to the size of the output.
    x = torch.bmm(x, weight.mT)
    return x if bias is None else x + bias.unsqueeze(1)


def _conv2d(layer: Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # One grouped convolution: the B networks are the groups, their channels lie side by side. Channels last is a third
    # faster on CPUs, and through elementwise operations the layout stays, so that only the first layer copies.
    batch = weight.shape[0]
    shared = x.stride(0) == 0 and batch > 1  # the same inputs for all: an ordinary convolution with B * out channels
    stacked = x[0] if shared else x.transpose(0, 1).flatten(1, 2)
    out: Tensor = F.conv2d(
        stacked.contiguous(memory_format=torch.channels_last),
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=layer.stride,
        padding=layer.padding,
        groups=1 if shared else batch,
    )
    out = out.unflatten(1, (batch, layer.out_channels))
    return out.transpose(0, 1)
