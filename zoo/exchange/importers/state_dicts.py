"""Any folder of state dicts: a .pt, .pth, .safetensors or .npz file per network, or an .npz file of stacked arrays.

In a stacked file every array has one axis more, over the networks; an array `id` may name them. `labels.csv` and
`architectures.json`, which `zoo export` writes beside them, are read where none are given.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ....runtime.errors import BadInput
from ..reading.archives import files_below
from ..reading.network_listing import ARCHITECTURE, UNKNOWN_SOURCE, ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader, read_architectures
from ..reading.state_dict_files import (
    OTHER_SUFFIXES,
    TORCH_SUFFIXES,
    check_tensor,
    npz_shapes,
    read_npz,
    read_state_dict,
)

LABELS, ARCHITECTURES = "labels.csv", "architectures.json"  # beside state dicts that `zoo export` wrote


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every network of the folder (or of the one .npz file that `folder` is). Raises BadInput."""
    if not reader.architectures and (folder / ARCHITECTURES).is_file():
        reader.architectures = read_architectures(folder / ARCHITECTURES)
    names = [""] if folder.is_file() else files_below(folder, *TORCH_SUFFIXES, *OTHER_SUFFIXES)
    rows: list[tuple[str, str, str, int]] = []  # id, file, path, row in a stacked file or -1
    for name in names:
        count = _stacked(folder / name) if (folder / name).suffix.lower() == ".npz" else None
        if count is None:
            rows.append((name.rpartition(".")[0], name, name, -1))
        else:
            ids = _ids(folder / name, count)
            rows += [(ids[row], f"{name}/{row}" if name else str(row), name, row) for row in range(count)]
    table = pd.DataFrame(rows, columns=["id", "file", "_path", "_row"])
    table["group"], table["split"] = table["id"], ""

    @lru_cache(maxsize=1)
    def arrays(path: Path) -> dict[str, torch.Tensor]:
        found = {name: torch.from_numpy(values) for name, values in read_npz(path).items() if name != "id"}
        for name, value in found.items():
            check_tensor(path, name, value)
        return found

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        networks = []
        keys = rows[ARCHITECTURE] if ARCHITECTURE in rows else [None] * len(rows)
        for place, row, key in zip(rows["_path"], rows["_row"], keys, strict=True):
            path = folder / place
            if row < 0:
                state, _ = read_state_dict(path)
            else:
                state = {name: values[row] for name, values in arrays(path).items()}
            networks.append(ImportedNetwork(*reader.read(path, state, key)))
        return networks

    return NetworkListing(
        table=table,
        read=read,
        columns={"id": "name of the network", "file": "path in the folder it was imported from"},
        reader=reader,
        source=UNKNOWN_SOURCE,
        split_rule="Splits were drawn network by network",
        labels=folder / LABELS if (folder / LABELS).is_file() else None,
        reads_architecture=bool(reader.architectures),
    )


def _stacked(path: Path) -> int | None:
    """How many networks a file of stacked arrays holds; None for a file with one network."""
    shapes = {name: shape for name, shape in npz_shapes(path).items() if name != "id"}
    if not any(len(shape) in (3, 5) for shape in shapes.values()):
        return None
    counts = {shape[0] if shape else 0 for shape in shapes.values()}
    if len(counts) != 1:
        listed = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise BadInput(f"{path}: stacked arrays have one row per network, found {listed}")
    return counts.pop()


def _ids(path: Path, count: int) -> list[str]:
    if "id" not in npz_shapes(path):
        return [str(row) for row in range(count)]
    with np.load(path, allow_pickle=False) as content:
        try:
            ids = content["id"]
        except ValueError as error:
            raise BadInput(f"{path}: id: {error}: save it as an array of strings") from None
    if ids.shape != (count,):
        raise BadInput(f"{path}: id is {list(ids.shape)}, expected [{count}]")
    return [str(name) for name in ids]
