"""`read_family`: the network of a folder with config.json and model.safetensors. Nothing in them is run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ....runtime.errors import BadInput
from ....runtime.validation import first_error
from ...networks.architecture import Architecture
from ..reading.state_dict_files import MAX_PARAMS, read_state_dict
from .encoder import Encoder

CONFIG, WEIGHTS = "config.json", "model.safetensors"
HELPERS = ("encoder", "read_family")
MAX_CONFIG_BYTES = 2**20


def families() -> list[str]:
    """The model types that are read, each a file of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path.stem not in HELPERS)


def read_family(folder: Path, notes: dict[str, None]) -> tuple[Architecture, np.ndarray]:
    """Architecture and float32 `params [P]`; what had to be assumed goes to `notes`.

    Raises BadInput that names the file and the field or tensor that does not fit.
    """
    path = folder / CONFIG
    config = _config(path)
    family = _family(path, config)
    state, _ = read_state_dict(folder / WEIGHTS)
    where = folder / WEIGHTS
    if "classifier.weight" not in state:
        raise BadInput(f"{where}: has no classifier.weight: a model with a classifier is expected")
    try:
        arch = family.architecture(len(state["classifier.weight"]))
    except ValidationError as error:
        raise BadInput(f"{path}: {first_error(error)[1].removeprefix('Value error, ')}") from None
    if arch.num_params > MAX_PARAMS:
        raise BadInput(f"{path}: describes {arch.num_params:,} parameters, more than {MAX_PARAMS:,}")
    tensors = family.tensors(state)
    for tensor in arch.tensors:
        if tensor.name not in tensors:
            raise BadInput(f"{where}: has no {tensor.name}, which {path.name} describes")
        if tuple(tensors[tensor.name].shape) != tensor.shape:
            found = list(tensors[tensor.name].shape)
            raise BadInput(f"{where}: {tensor.name} is {found}, {path.name} describes {list(tensor.shape)}")
    if strangers := tensors.keys() - {tensor.name for tensor in arch.tensors}:
        raise BadInput(
            f"{where}: {', '.join(sorted(strangers)[:3])}: no part of a model of type {config['model_type']}"
        )
    for value in state.values():
        if str(value.dtype) != "torch.float32":
            notes[f"{str(value.dtype).removeprefix('torch.')} weights were cast to float32"] = None
    return arch, np.concatenate([tensors[tensor.name].float().numpy().ravel() for tensor in arch.tensors])


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise BadInput(f"{path}: has more than {MAX_CONFIG_BYTES:,} bytes, which no config has")
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is no config ({type(error).__name__}): copy the file again") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: holds a {type(content).__name__}, expected fields and values")
    return content


def _family(path: Path, config: dict[str, Any]) -> Encoder:
    kind = config.get("model_type")
    if kind not in families():
        raise BadInput(f"{path}: model_type {kind!r}: read are {', '.join(families())}")
    family: type[Encoder] = importlib.import_module(f".{kind}", __package__).Family
    for field, values in {"architectures": tuple([name] for name in family.classes), **family.plain}.items():
        if field in config and config[field] not in values:
            expected = " or ".join(str(value) for value in values)
            raise BadInput(f"{path}: {field} {config[field]}: no network of a zoo has that, expected {expected}")
    try:
        return family.model_validate(config)
    except ValidationError as error:
        field, message = first_error(error)
        raise BadInput(f"{path}: {field}: {message}") from None
