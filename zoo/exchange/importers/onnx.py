"""ONNX files, one network each, of any architectures. Nothing in a file is run; tensors may lie in files beside it.

The package `onnx` reads them; it is an extra: `pip install 'weightbench[onnx]'`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ....runtime.errors import BadInput
from ..graphs.onnx_files import onnx_package
from ..graphs.onnx_graphs import read_onnx
from ..reading.archives import files_below
from ..reading.network_listing import UNKNOWN_SOURCE, ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every .onnx file of the folder, or those that the reader names. Raises BadInput, also without the package."""
    for option, given in (
        ("--order", reader.order),
        ("--arch", reader.architectures),
        ("--activation", reader.activation),
        ("--output-activation", reader.output_activation),
    ):
        if given:
            raise BadInput(f"{option}: an ONNX file says that itself: leave it out")
    onnx_package()
    files = list(reader.files) or files_below(folder, ".onnx")
    ids = [file.rpartition(".")[0] for file in files]
    table = pd.DataFrame({"id": ids, "file": files, "group": ids, "split": ""})

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        return [ImportedNetwork(None, *read_onnx(folder / file, reader.notes)) for file in rows["file"]]

    return NetworkListing(
        table=table,
        read=read,
        columns={"id": "name of the network", "file": "path in the folder it was imported from"},
        reader=reader,
        source=UNKNOWN_SOURCE,
        split_rule="Splits were drawn network by network",
        largest_file=max((folder / file).stat().st_size for file in files),
    )
