"""Files that say themselves what their network is, one each: ONNX files, models with a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ....runtime.errors import BadInput
from ...networks.architecture import Architecture
from .network_listing import UNKNOWN_SOURCE, ImportedNetwork, NetworkListing
from .network_reader import NetworkReader


def refuse_description(reader: NetworkReader, said_by: str) -> None:
    """Raises BadInput where the reader is told what a file says, "an ONNX file"."""
    for option, given in (
        ("--order", reader.order),
        ("--arch", reader.architectures),
        ("--activation", reader.activation),
        ("--output-activation", reader.output_activation),
    ):
        if given:
            raise BadInput(f"{option}: {said_by} says that itself: leave it out")


def listed(
    folder: Path,
    files: Sequence[str],
    ids: Sequence[str],
    reader: NetworkReader,
    read_file: Callable[[Path], tuple[Architecture, np.ndarray]],
) -> NetworkListing:
    """One network per file, which `read_file` gives as architecture and params `[P]`."""

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        return [ImportedNetwork(None, *read_file(folder / file)) for file in rows["file"]]

    return NetworkListing(
        table=pd.DataFrame({"id": ids, "file": files, "group": ids, "split": ""}),
        read=read,
        columns={"id": "name of the network", "file": "path in the folder it was imported from"},
        reader=reader,
        source=UNKNOWN_SOURCE,
        split_rule="Splits were drawn network by network",
        largest_file=max((folder / file).stat().st_size for file in files),
    )
