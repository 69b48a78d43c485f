"""Fingerprints of networks that ignore the order of hidden neurons: equal ones show networks equal up to that order.

Every neuron has a hash, which takes in, operation by operation, the tensors that are written to it and the hashes of
the neurons that they read, as an unordered set; inputs and words of a vocabulary are told apart by their place. A
fingerprint is made of all hashes, those of the outputs in order. Equal up to neuron order means equal fingerprints;
different networks share one with a chance of about 2^-64 (Weisfeiler and Leman 1968).
"""

from __future__ import annotations

import numpy as np

from .architecture import Architecture, Wiring
from .operations.wires import Axis, Bundle, Label, Tie

_ODD_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MAX_WEIGHTS = 2**22  # weights hashed at once


def fingerprints(arch: Architecture, params: np.ndarray) -> np.ndarray:
    """One number per network, uint64 `[B]`, of float32 `params [B, P]`, bit for bit apart from neuron order."""
    step = max(1, _MAX_WEIGHTS // arch.num_params)
    wiring = arch.wiring("permutation")
    parts = [_fingerprints(arch, wiring, params[start : start + step]) for start in range(0, len(params), step)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


class _Hashes:
    """The hashes of all neurons, uint64 `[B, n]` per level."""

    def __init__(self, batch: int, wiring: Wiring) -> None:
        wires = wiring.wires
        self.levels = []
        for level, size in enumerate(wires.sizes):
            start = np.arange(1, size + 1, dtype=np.uint64) if level in wires.named else np.zeros(size, np.uint64)
            self.levels.append(np.broadcast_to(_mix(start + _places(level + 1)[-1:]), (batch, size)))

    def of(self, axis: Axis) -> np.ndarray:
        """Those along an axis, `[B, length]`: the places of a neuron's block are told apart."""
        parts = []
        for level, start, count, block, _ in axis:
            hashes = self.levels[level][:, start : start + count]
            if block > 1:
                hashes = _mix(hashes[:, :, None] + _places(block)).reshape(len(hashes), -1)
            parts.append(hashes)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, 1)

    def take_in(self, axis: Axis, values: np.ndarray) -> None:
        """Mix `values [B, length]` into the neurons along an axis."""
        at = 0
        for level, start, count, block, _ in axis:
            mine = values[:, at : at + count * block]
            if block > 1:
                mine = _mix(mine.reshape(-1, count, block) + _places(block)).sum(2, dtype=np.uint64)
            stop = start + count
            mixed = _mix(self.levels[level][:, start:stop] * _ODD_FACTOR + mine)
            if count == self.levels[level].shape[1]:
                self.levels[level] = mixed
            else:
                before, after = self.levels[level][:, :start], self.levels[level][:, stop:]
                self.levels[level] = np.concatenate([before, mixed, after], 1)
            at += count * block


def _fingerprints(arch: Architecture, wiring: Wiring, params: np.ndarray) -> np.ndarray:
    # -0.0 and 0.0 are one weight.
    bits = (np.ascontiguousarray(params, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
    tensors = {(t.operation, t.kind): bits[:, t.start : t.stop].reshape(-1, *t.shape) for t in arch.tensors}
    hashes = _Hashes(len(params), wiring)
    for number, event in enumerate(wiring.wires.events):
        match event:
            case Label(operation=operation, role=role):
                _read(hashes, event, tensors[operation, role], number)
            case Tie(a=a, b=b):
                hashes.take_in(a, _mix(hashes.of(b) + np.uint64(number)))
            case Bundle(parts=count, axes=axes):
                parts = [_mix(hashes.of(axis)).reshape(len(params), count, -1) for axis in axes]
                whole = sum(_mix(part.sum(2, dtype=np.uint64) + np.uint64(i)) for i, part in enumerate(parts))
                for axis, part in zip(axes, parts, strict=True):
                    hashes.take_in(axis, np.repeat(whole, part.shape[2], 1))
    outputs = hashes.of(wiring.values[-1])
    total = (outputs * _mix(np.arange(1, outputs.shape[1] + 1, dtype=np.uint64))).sum(1, dtype=np.uint64)
    for level in hashes.levels:
        total = _mix(total * _ODD_FACTOR + level.sum(1, dtype=np.uint64))
    found: np.ndarray = total
    return found


def _read(hashes: _Hashes, label: Label, values: np.ndarray, number: int) -> None:
    """Mix a tensor `[B, *shape]` into the neurons that it is written to."""
    axes = [(i, axis) for i, axis in enumerate(label.axes) if axis is not None]
    target, written = next((i, axis) for i, axis in axes if axis[0].power > 0)
    reads = [(i, axis) for i, axis in axes if i != target]
    order = [0, target + 1, *(i + 1 for i, _ in reads)]
    ordered = values.transpose(*order, *(i for i in range(values.ndim) if i not in order))
    rows, batch = ordered.shape[1], len(values)
    flat = ordered.reshape(batch, label.groups, rows // label.groups, ordered.shape[2] if reads else 1, -1)
    edges = _mix(flat + _mix(_places(flat.shape[-1]) + _ODD_FACTOR)) * _ODD_FACTOR
    if reads:
        edges = _mix(edges + hashes.of(reads[0][1]).reshape(batch, label.groups, 1, -1, 1))
    sums = edges.sum((3, 4), dtype=np.uint64).reshape(batch, rows)
    hashes.take_in(written, _mix(sums + np.uint64(number)))


def _places(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64) * _ODD_FACTOR


def _mix(values: np.ndarray) -> np.ndarray:
    """A bijection that spreads every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
