"""ONNX files and their tensors: read as data, within limits, and never beyond the file's own folder."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np

from .....runtime.errors import BadInput
from ...reading.archives import first_line
from ...reading.state_dict_files import MAX_PARAMS

MAX_FILE_BYTES = 2**30  # of one file; the largest network of a zoo has 400 MB
FLOATS = (np.float16, np.float32, np.float64)
NUMBERS = (*FLOATS, np.int32, np.int64, np.bool_)


def onnx_package() -> ModuleType:
    """The package that parses the files. Raises BadInput where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise BadInput("ONNX files are read with the package onnx: pip install 'weightbench[onnx]'") from None
    return onnx


def read_model(path: Path) -> Any:
    """The ModelProto of a file, without external data. Raises BadInput for what is none."""
    onnx = onnx_package()
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadInput(f"{path}: has {size:,} bytes, more than {MAX_FILE_BYTES:,}, which no zoo of networks holds")
        model = onnx.load_model(str(path), load_external_data=False)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except BadInput:
        raise
    except Exception as error:  # whatever a damaged file makes the parser raise
        raise BadInput(f"{path}: is no ONNX file ({first_line(error)}): copy the file again") from None
    if not model.graph.node:
        raise BadInput(f"{path}: holds no graph of operations: export the network again")
    return model


def read_tensor(tensor: Any, path: Path) -> np.ndarray:
    """The numbers of a TensorProto. Raises ValueError for one that claims more than is stored of it."""
    onnx = onnx_package()
    name, shape = tensor.name or "a constant", tuple(tensor.dims)
    if any(size < 0 for size in shape) or math.prod(shape) > MAX_PARAMS:
        raise ValueError(f"tensor {name} claims to be {list(shape)}, more than {MAX_PARAMS:,} numbers")
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"tensor {name} is of an unknown type, number {tensor.data_type}") from None
    if dtype not in NUMBERS and dtype.name != "bfloat16":
        raise ValueError(f"tensor {name} is {dtype}: expected floating-point weights and whole-number shapes")
    count, expected = math.prod(shape), math.prod(shape) * dtype.itemsize
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        content = _external(tensor, name, path, expected)
        return np.frombuffer(content, dtype.newbyteorder("<")).reshape(shape).astype(_plain(dtype))
    if tensor.HasField("raw_data"):
        stored = len(tensor.raw_data) // dtype.itemsize
    else:
        stored = len(getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type)))
    if stored != count:
        raise ValueError(f"tensor {name} claims to be {list(shape)}, but {stored:,} numbers are stored")
    return np.asarray(onnx.numpy_helper.to_array(tensor)).astype(_plain(dtype), copy=False)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype in NUMBERS else np.dtype(np.float32)


def _external(tensor: Any, name: str, path: Path, expected: int) -> bytes:
    """What lies in another file beside the model's."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    parts = PurePosixPath(location).parts
    file = path.parent.joinpath(*parts)
    if (
        not parts
        or location.startswith("/")
        or ".." in parts
        or "\\" in location
        or ":" in parts[0]
        or "\0" in location
    ):
        raise ValueError(f"tensor {name} lies in {location!r}, outside the model's folder, which is not read")
    if not file.is_file() or not file.resolve().is_relative_to(path.parent.resolve()):
        raise ValueError(f"tensor {name} lies in {location!r}, which is no file of the model's folder: copy it there")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", expected))
    except ValueError:
        raise ValueError(f"tensor {name} lies at no number of bytes in {location}") from None
    if offset < 0 or length != expected or offset + length > file.stat().st_size:
        raise ValueError(f"tensor {name} claims {expected:,} bytes, which {location} does not hold at {offset:,}")
    with open(file, "rb") as stream:
        stream.seek(offset)
        return stream.read(length)
