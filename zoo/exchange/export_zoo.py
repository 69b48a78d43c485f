"""`export_zoo`: a zoo's networks as plain files, for programs that know nothing of zoos.

Beside them `labels.csv` holds the table (`file`, `split` and `architecture` among its columns) and `architectures.json`
what each key stands for. `zoo import state-dicts` reads all of it back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...runtime.errors import BadInput, unknown
from ...runtime.files import make_folder
from ...runtime.progress import Advance, track
from ..networks.architecture import Architecture
from ..networks.networks import Networks
from ..storage.manifest import ZooFile
from ..storage.tables import read_rows, read_table
from ..storage.zoo import Zoo
from ..storage.zoo_folder import sole_writer
from .importers.state_dicts import ARCHITECTURES, LABELS

EXPORT_FORMATS = ("state-dicts", "npz")


def export_zoo(zoo: Zoo, format: str, out: Path) -> None:
    """Write the networks of a zoo to `out`, completely or not at all.

    Arguments:
        format: "state-dicts", a safetensors file per network, `SPLIT/ID.safetensors`, with the names of the equal
            `torch.nn.Sequential`; "npz", a file per split and architecture, of arrays `[networks, *shape]`.

    Images and other arrays stay behind. Raises BadInput for an unknown format and a folder that holds something.

    Example:
        >>> from pathlib import Path
        >>> import weightbench as wb
        >>> wb.export_zoo(wb.load_zoo("digits-inrs"), "npz", Path("plain"))
        >>> sorted(path.suffix for path in Path("plain").iterdir())
        ['.csv', '.json', '.npz', '.npz', '.npz']
    """
    if format not in EXPORT_FORMATS:
        raise unknown("export format", format, EXPORT_FORMATS)
    make_folder(out.parent)
    with sole_writer(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BadInput(f"{out}: holds something already: choose a new or empty folder with --out")
        work = out.with_name(f".{out.name}.exporting")
        shutil.rmtree(work, ignore_errors=True)
        try:
            make_folder(work)
            write = _write_state_dicts if format == "state-dicts" else _write_npz
            with track(f"export {zoo.name}", sum(zoo.manifest.splits.values()), "networks") as advance:
                tables = []
                for file in zoo.manifest.files:
                    arch = zoo.manifest.architectures[file.architecture]
                    table = read_table(zoo.folder, file)
                    paths = write(zoo, file, arch, work, advance)
                    place = {"file": paths, "split": file.split, "architecture": file.architecture}
                    tables.append(pd.DataFrame(place).join(table.drop(columns=["file", "split"], errors="ignore")))
            pd.concat(tables).to_csv(work / LABELS, index=False)
            described = {key: arch.model_dump(mode="json") for key, arch in zoo.manifest.architectures.items()}
            (work / ARCHITECTURES).write_text(json.dumps(described, indent=1) + "\n")
            os.replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _write_state_dicts(zoo: Zoo, file: ZooFile, arch: Architecture, work: Path, advance: Advance) -> list[str]:
    """One file per network; returns their paths."""
    import torch
    from safetensors.torch import save_file

    paths: list[str] = []
    for ids, params in read_rows(zoo.folder, file):
        states = Networks(arch, torch.tensor(params)).state_dicts()
        for name, state in zip(ids, states, strict=True):
            # An id may come from anywhere: it names a file in this folder and no other.
            plain = re.sub(r"[^\w.-]+", "_", name).lstrip(".")[:200] or "network"
            path = work / file.split / f"{plain}.safetensors"
            if path.exists():
                path = path.with_stem(f"{plain}-{len(paths)}")
            path.parent.mkdir(exist_ok=True)
            save_file({key: value.contiguous() for key, value in state.items()}, path)
            paths.append(path.relative_to(work).as_posix())
            advance()
    return paths


def _write_npz(zoo: Zoo, file: ZooFile, arch: Architecture, work: Path, advance: Advance) -> list[str]:
    """One file of stacked arrays; returns its path and row for each network."""
    blocks = list(read_rows(zoo.folder, file))
    params = np.concatenate([block for _, block in blocks])
    names = np.array([name for ids, _ in blocks for name in ids])
    path = work / Path(file.path).with_suffix(".npz").name
    arrays: dict[str, Any] = {t.name: params[:, t.start : t.stop].reshape(-1, *t.shape) for t in arch.tensors}
    np.savez(path, **arrays, id=names)
    advance(len(names))
    return [f"{path.name}/{row}" for row in range(len(names))]
