"""One network's tensors from a file, and nothing else: no code of the file is ever run."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....runtime.errors import BadInput
from .archives import check_zip, first_line, natural_order

TORCH_SUFFIXES, OTHER_SUFFIXES = (".pt", ".pth"), (".safetensors", ".npz")
COUNTERS = "num_batches_tracked"  # of batch norm: no output depends on them
MAX_PARAMS = 10**8  # of one network
StateDict = dict[str, Tensor]


def read_state_dict(path: Path, *, extra: tuple[str, ...] = ()) -> tuple[StateDict, dict[str, Any]]:
    """The tensors of a .safetensors or .npz file, else of one that torch saved, in their order.

    Arguments:
        extra: keys that may hold something else; they are returned apart.

    Counters of batches are left out. A safetensors file does not keep an order: its names are put in their natural one.
    Raises BadInput for a file that cannot be read, that holds anything but floating-point tensors, or tensors larger
    than the file.
    """
    content: Any
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            loaded = load_file(path)
            content = {name: loaded[name] for name in sorted(loaded, key=natural_order)}
        elif path.suffix.lower() == ".npz":
            content = {name: torch.from_numpy(values) for name, values in read_npz(path).items()}
        else:
            content = _read_torch(path)
    except BadInput:
        raise
    except Exception as error:  # whatever a damaged file makes three parsers raise
        raise BadInput(f"{path}: cannot be read ({first_line(error)}): copy the file again") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise BadInput(f"{path}: holds a {type(content).__name__}, expected a state dict: {_SAVE_HINT}")
    others = {name: content.pop(name) for name in extra if name in content}
    content = {name: value for name, value in content.items() if not name.endswith(COUNTERS)}
    for name, value in content.items():
        check_tensor(path, name, value)
    if not content:
        raise BadInput(f"{path}: holds no tensors: {_SAVE_HINT}")
    if sum(value.numel() for value in content.values()) > MAX_PARAMS:
        raise BadInput(f"{path}: has more than {MAX_PARAMS:,} parameters, which no zoo of small networks holds")
    return content, others


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file; no pickles. Raises BadInput."""
    check_zip(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise BadInput(f"{path}: cannot be read ({first_line(error)}): save plain arrays with np.savez") from None


def npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of an npz file's arrays, from their headers alone."""
    import zipfile

    check_zip(path)
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                try:
                    major, _ = np.lib.format.read_magic(stream)
                    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shapes[name.removesuffix(".npy")] = read(stream)[0]
                except (ValueError, EOFError) as error:
                    raise BadInput(f"{path}: cannot be read ({first_line(error)}): copy the file again") from None
    return shapes


_SAVE_HINT = "save the tensors alone, torch.save(net.state_dict(), path)"


def _read_torch(path: Path) -> Any:
    with open(path, "rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = named[1] if named else "its pickle is damaged, or asks for code"
        raise BadInput(f"{path}: holds something else than tensors ({what}), which was not run: {_SAVE_HINT}") from None


def check_tensor(path: Path, name: str, value: Any) -> None:
    """Raises BadInput for anything but a dense floating-point tensor that is no larger than what is stored of it."""
    if not isinstance(value, Tensor):
        raise BadInput(f"{path}: {name} is a {type(value).__name__}, expected a tensor: {_SAVE_HINT}")
    if value.layout != torch.strided or value.is_quantized or not value.is_floating_point():
        raise BadInput(f"{path}: {name} is {value.dtype}, {value.layout}: expected dense floating-point tensors alone")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise BadInput(f"{path}: {name} is {list(value.shape)}, more than the file holds: save a contiguous tensor")
