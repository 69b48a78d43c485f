"""ONNX files, one network each, of any architectures. Nothing in a file is run; tensors may lie in files beside it.

The package `onnx` reads them; it is an extra: `pip install 'weightbench[onnx]'`.
"""

from __future__ import annotations

from pathlib import Path

from ..graphs.onnx.onnx_files import onnx_package
from ..graphs.onnx.onnx_graphs import read_onnx
from ..reading.archives import files_below
from ..reading.network_listing import NetworkListing
from ..reading.network_reader import NetworkReader
from ..reading.whole_models import listed, refuse_description


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every .onnx file of the folder, or those that the reader names. Raises BadInput, also without the package."""
    refuse_description(reader, "an ONNX file")
    onnx_package()
    files = list(reader.files) or files_below(folder, ".onnx")
    ids = [file.rpartition(".")[0] for file in files]
    return listed(folder, files, ids, reader, lambda file: read_onnx(file, reader.notes))
