"""Initial parameters, every network's from its own random generator, whatever it is trained together with."""

from __future__ import annotations

import math

import numpy as np

from ..networks.architecture import Architecture
from ..networks.operations.layers import Conv2d
from ..recipes.inr_recipe import INRInit
from ..recipes.run_recipe import RunInit

TRUNCATED_STD = 0.87962566103423978  # of a standard normal cut at two standard deviations


def initial_params(
    arch: Architecture, init: INRInit | RunInit, rng: np.random.Generator, *, std: float = 0.05
) -> np.ndarray:
    """Initial parameters of one network, float32 `[P]`.

    "dwsnets": the released INRs of Navon et al. (2023): every sine layer U(+-sqrt(6 / fan_in) / omega_0) with zero
    biases (the first layer's special SIREN range is never applied there), the last layer as "torch".
    "siren": Sitzmann et al. (2020) as in Zhou et al. (2023): the first layer U(+-1 / fan_in), all others
    U(+-sqrt(6 / fan_in) / omega_0), biases as "torch".
    "torch": torch.nn.Linear's and Conv2d's default, U(+-1 / sqrt(fan_in)) for weights and biases.
    The others are Keras' initialisers of the Small CNN Zoo (Unterthiner et al. 2020), with zero biases; `std` belongs
    to "random-normal" and "truncated-normal". omega_0 is that of the first activation, for all layers alike.
    What is no weight or bias of a linear or convolutional layer begins as its operation says, whatever the scheme.
    """
    parts: list[np.ndarray] = []
    for tensor in arch.tensors:
        layer = arch.layers[tensor.layer]
        if tensor.spec.constant is not None:
            parts.append(np.full(math.prod(tensor.shape), tensor.spec.constant, np.float32))
            continue
        if tensor.spec.std is not None:
            parts.append(np.float32(tensor.spec.std) * rng.standard_normal(math.prod(tensor.shape), np.float32))
            continue
        fan_in = math.prod(layer.weight_shape[1:])
        receptive = math.prod(layer.kernel_size) if isinstance(layer, Conv2d) else 1
        fan_out = layer.weight_shape[0] * receptive
        size, default = math.prod(tensor.shape), 1 / math.sqrt(fan_in)
        if init in ("dwsnets", "siren", "torch"):
            parts.append(_uniform(rng, size, _limit(arch, init, tensor.layer, tensor.kind, fan_in, default)))
        elif tensor.kind == "bias":
            parts.append(np.zeros(size, np.float32))
        elif init == "orthogonal":
            parts.append(_orthogonal(rng, layer.weight_shape[0], fan_in))
        elif init == "random-normal":
            parts.append(std * rng.standard_normal(size, np.float32))
        else:
            scale = {
                "glorot-normal": math.sqrt(2 / (fan_in + fan_out)) / TRUNCATED_STD,
                "he-normal": math.sqrt(2 / fan_in) / TRUNCATED_STD,
                "truncated-normal": std,
            }[init]
            parts.append(scale * _truncated_normal(rng, size))
    return np.concatenate(parts).astype(np.float32)


def _limit(arch: Architecture, init: INRInit | RunInit, layer: int, kind: str, fan_in: int, default: float) -> float:
    if init == "torch":
        return default
    omega_0 = next(op.omega_0 for op in arch.operations if op.op == "activation")
    sine = math.sqrt(6 / fan_in) / omega_0
    if init == "dwsnets":
        if layer == len(arch.layers) - 1:
            return default
        return sine if kind == "weight" else 0.0
    if kind == "bias":
        return default
    return 1 / fan_in if layer == 0 else sine


def _uniform(rng: np.random.Generator, size: int, limit: float) -> np.ndarray:
    return (2 * rng.random(size, np.float32) - 1) * np.float32(limit)


def _truncated_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    from scipy.special import ndtr, ndtri

    return np.asarray(ndtri(rng.uniform(ndtr(-2.0), ndtr(2.0), size)), np.float32)


def _orthogonal(rng: np.random.Generator, out: int, fan_in: int) -> np.ndarray:
    """Rows (or columns, where there are more rows) of length one at right angles (Saxe et al. 2014)."""
    tall = rng.standard_normal((max(out, fan_in), min(out, fan_in)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return np.ascontiguousarray(q if out >= fan_in else q.T, np.float32).ravel()
