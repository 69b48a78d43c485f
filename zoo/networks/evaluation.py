"""Evaluating a whole batch of different networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .architecture import Architecture, ParamTensor
from .operations.elementwise import Activation


def split_params(arch: Architecture, params: Tensor) -> list[dict[str, Tensor]]:
    """Views of `params [B, P]`: for each layer its tensors `[B, *shape]` by role, such as "weight" and "bias"."""
    layers: list[dict[str, Tensor]] = [{} for _ in arch.layers]
    for tensor in arch.tensors:
        layers[tensor.layer][tensor.kind] = _view(params, tensor)
    return layers


def _view(params: Tensor, tensor: ParamTensor) -> Tensor:
    view: Tensor = params[:, tensor.start : tensor.stop].unflatten(1, tensor.shape)
    return view


def evaluate(
    arch: Architecture,
    params: Tensor,
    x: Tensor,
    dropout: Callable[[Tensor, int], Tensor] | None = None,
    buffers: dict[int, dict[str, Tensor]] | None = None,
    *,
    features: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Run B networks on n inputs each.

    Arguments:
        params: `[B, P]`.
        x: `[n, *input_shape]`, shared by all networks, or `[B, n, *input_shape]`.
        dropout: in training, is given every activation's output `[B, n, ...]` and its index, and returns it thinned.
        buffers: in training, takes what running statistics become, by operation and role; batch normalisation then goes
            by the statistics of the batch itself.
        features: keep those too; without, a value is let go once nothing reads it any more.

    Returns the output `[B, n, *output_shape]`, with the output offset, and the features of every neuron: the inputs,
    then each level's values after the last operation on it alone (activation, pooling, residual edges).
    """
    expected = len(arch.input_shape) + 1
    if x.ndim == expected:
        x = x.expand(params.shape[0], *x.shape)
    if x.ndim != expected + 1 or tuple(x.shape[2:]) != arch.input_shape or x.shape[0] != params.shape[0]:
        raise ValueError(
            f"inputs of shape {tuple(x.shape)} do not fit {params.shape[0]} networks that take {arch.input_shape}"
        )
    tensors: list[dict[str, Tensor]] = [{} for _ in arch.operations]
    for tensor in arch.tensors:
        tensors[tensor.operation][tensor.kind] = _view(params, tensor)
    values = {-1: x}
    found = {0: x}
    for index, (operation, sources) in enumerate(zip(arch.operations, arch.sources, strict=True)):
        given = [values[source] for source in sources]
        if buffers is None:
            x = operation.apply(tensors[index], *given)
        else:
            x, buffers[index] = operation.apply_in_training(tensors[index], *given)
        if dropout is not None and isinstance(operation, Activation):
            x = dropout(x, index)
        values[index] = x
        if features:
            level = arch.levels[index]
            if level is not None:
                found[level] = x
        else:
            for source in arch.last_read[index]:
                del values[source]
    if arch.output_offset:
        x = x + arch.output_offset
    if not features:
        return x, []
    if arch.levels[-1] is not None:
        found[arch.levels[-1]] = x
    return x, [found[level] for level in sorted(found)]
