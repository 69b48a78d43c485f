"""Stored predictions: one safetensors file per cell, with the networks' ids and arrays. Torch-free.

Its metadata hold the ids, and how its byte arrays are compressed.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...runtime.errors import BadInput
from ...runtime.files import file_sha256, write_atomically

Arrays = dict[str, np.ndarray]
LARGEST_ARRAY = 2**30  # bytes, decompressed


def write_predictions(path: Path, ids: list[str], arrays: Arrays) -> str:
    """Write one cell's predictions; byte arrays are compressed. Returns the file's sha256."""
    from safetensors.numpy import save

    metadata = {"ids": "\n".join(ids)}
    stored = {}
    for name, values in arrays.items():
        if values.dtype == np.uint8:
            metadata[f"zstd:{name}"] = json.dumps(values.shape)
            values = np.frombuffer(pa.compress(values.tobytes(), "zstd", asbytes=True), np.uint8)
        stored[name] = np.ascontiguousarray(values)
    content = save(stored, metadata)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_predictions(path: Path, sha256: str) -> tuple[list[str], Arrays]:
    """The ids and arrays of a cell. Raises BadInput for a missing or changed file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    check_predictions(path, sha256)
    content = path.read_bytes()
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        arrays = load(content)
        for name in arrays:
            if shape := metadata.get(f"zstd:{name}"):
                shape = json.loads(shape)
                if not 0 <= math.prod(shape) <= LARGEST_ARRAY:
                    raise ValueError(f"the array {name} claims the shape {shape}")
                raw = pa.decompress(arrays[name].tobytes(), math.prod(shape), "zstd", asbytes=True)
                arrays[name] = np.frombuffer(raw, np.uint8).reshape(shape)
        return metadata["ids"].split("\n"), arrays
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BadInput(f"{path}: not a predictions file ({type(error).__name__}: {error}); {_mend(path)}") from None


def check_predictions(path: Path, sha256: str) -> str:
    """The checksum of a file of predictions, if it is `sha256`. Raises BadInput for a missing or changed file."""
    try:
        found = file_sha256(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; {_mend(path)}") from None
    if found != sha256:
        raise BadInput(f"{path}: found sha256 {found}, its record expects {sha256}; {_mend(path)}")
    return found


def _mend(path: Path) -> str:
    return f"remove {path.with_suffix('.json')} and run the cell again"


def checked_array(arrays: Arrays, name: str, *shape: int | None) -> np.ndarray:
    """A stored array, its shape checked; None stands for any length. Raises BadInput for another one, or none."""
    found = arrays[name].shape if name in arrays else None
    if found is None or len(found) != len(shape) or any(w not in (None, n) for w, n in zip(shape, found, strict=True)):
        wanted = tuple("any" if length is None else length for length in shape)
        raise BadInput(f"the array {name} should have the shape {wanted}, found {found or 'none'}")
    return arrays[name]
