"""Fingerprints of networks that ignore the order of hidden neurons: equal ones show networks equal up to that order.

A neuron's hash is made of its bias and of the unordered set of (incoming weight, hash of the neuron it comes from);
inputs are told apart by their place. A network's fingerprint is the hashes of its outputs in order. Equal up to neuron
order means equal fingerprints; different networks share one with a chance of about 2^-64 (Weisfeiler and Leman 1968).
"""

from __future__ import annotations

import numpy as np

from .architecture import Add, Architecture, Conv2d, Flatten, Linear

_ODD_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MAX_WEIGHTS = 2**22  # weights hashed at once


def fingerprints(arch: Architecture, params: np.ndarray) -> np.ndarray:
    """One number per network, uint64 `[B]`, of float32 `params [B, P]`, bit for bit apart from neuron order."""
    step = max(1, _MAX_WEIGHTS // arch.num_params)
    parts = [_fingerprints(arch, params[start : start + step]) for start in range(0, len(params), step)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _fingerprints(arch: Architecture, params: np.ndarray) -> np.ndarray:
    # -0.0 and 0.0 are one weight.
    bits = (np.ascontiguousarray(params, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
    tensors = {(t.layer, t.kind): bits[:, t.start : t.stop].reshape(-1, *t.shape) for t in arch.tensors}
    hashes = np.broadcast_to(
        _mix(np.arange(1, arch.input_shape[0] + 1, dtype=np.uint64)), (len(params), arch.input_shape[0])
    )
    after = [hashes]
    layer = 0
    shape = arch.input_shape
    for operation, output_shape in zip(arch.operations, arch.shapes, strict=True):
        match operation:
            case Linear() | Conv2d():
                weight = tensors[layer, "weight"]  # [B, out, in, *kernel]
                place = _mix(np.arange(1, np.prod(weight.shape[3:], dtype=int) + 1, dtype=np.uint64) * _ODD_FACTOR)
                flat = weight.reshape(*weight.shape[:3], -1)
                edges = _mix(_mix(flat + place) * _ODD_FACTOR + hashes[:, None, :, None])
                sums = edges.sum((2, 3), dtype=np.uint64)
                bias = tensors.get((layer, "bias"))
                hashes = _mix(
                    sums * _ODD_FACTOR + (_mix(bias + np.uint64(layer)) if bias is not None else np.uint64(layer))
                )
                layer += 1
            case Flatten():  # a channel's positions are told apart
                block = int(np.prod(shape[1:], dtype=int))
                hashes = _mix(hashes[:, :, None] + np.arange(block, dtype=np.uint64) * _ODD_FACTOR).reshape(
                    len(params), -1
                )
            case Add(source=source):
                hashes = _mix(hashes + _mix(after[source + 1]))
            case _:  # activations and pooling are the same for all networks and act on each neuron alone
                pass
        after.append(hashes)
        shape = output_shape
    outputs = hashes * _mix(np.arange(1, hashes.shape[1] + 1, dtype=np.uint64))
    return _mix(outputs.sum(1, dtype=np.uint64))


def _mix(values: np.ndarray) -> np.ndarray:
    """A bijection that spreads every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
