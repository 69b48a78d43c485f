"""Folders of Hugging Face models, each a `config.json` beside a `model.safetensors`. Nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ....runtime.errors import BadInput
from ..model_families.read_family import CONFIG, WEIGHTS, read_family
from ..reading.archives import files_below
from ..reading.network_listing import UNKNOWN_SOURCE, ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every folder with a model. Raises BadInput for one without a config."""
    for option, given in (
        ("--order", reader.order),
        ("--arch", reader.architectures),
        ("--activation", reader.activation),
        ("--output-activation", reader.output_activation),
    ):
        if given:
            raise BadInput(f"{option}: a {CONFIG} says that itself: leave it out")
    files = [file for file in files_below(folder, ".safetensors") if Path(file).name == WEIGHTS]
    if not files:
        raise BadInput(f"{folder}: holds no {WEIGHTS}")
    ids = [file.removesuffix(WEIGHTS).rstrip("/") or folder.name for file in files]
    table = pd.DataFrame({"id": ids, "file": files, "group": ids, "split": ""})

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        return [ImportedNetwork(None, *read_family((folder / file).parent, reader.notes)) for file in rows["file"]]

    return NetworkListing(
        table=table,
        read=read,
        columns={"id": "name of the network", "file": "path in the folder it was imported from"},
        reader=reader,
        source=UNKNOWN_SOURCE,
        split_rule="Splits were drawn network by network",
        largest_file=max((folder / file).stat().st_size for file in files),
    )
