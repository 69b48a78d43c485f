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


def evaluate(arch: Architecture, params: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Run B networks on n inputs each.

    Arguments:
        params: `[B, P]`.
        x: `[n, *input_shape]`, shared by all networks, or `[B, n, *input_shape]`.

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
    # One grouped convolution: the B networks are the groups, their channels lie side by side.
    batch = weight.shape[0]
    stacked = x.transpose(0, 1).flatten(1, 2)
    out = F.conv2d(
        stacked,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=layer.stride,
        padding=layer.padding,
        groups=batch,
    )
    return out.unflatten(1, (batch, layer.out_channels)).transpose(0, 1)
