"""The SIRENs that Zhou et al. (2023) release with "Permutation Equivariant Neural Functionals".

`{prefix}_{label}s/net{image}.pth`; copies of other initialisation `{prefix}_aug{copy}_{label}s/net{image}.pth`.
Two sine layers of frequency 30 and one linear layer; pixels in [-1, 1] at coordinates (row, column) from -1 to 1. Their
splits are by index: images below 45,000 train, those below 50,000 val, the others test.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ....runtime.errors import BadInput
from ...storage.manifest import Rendering
from ..reading.archives import files_below
from ..reading.inr_images import image_source
from ..reading.network_listing import ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader
from ..reading.state_dict_files import read_state_dict

FILE_PATTERN = re.compile(r"(?:.*/)?[^/]*?(?:_aug(?P<copy>\d{1,9}))?_(?P<label>\d{1,4})s/net(?P<item>\d{1,9})\.pth")
SPLIT_ENDS = (45_000, 50_000)


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every SIREN of the folder. Raises BadInput when no path is named as above."""
    reader.activation, reader.omega_0 = reader.activation or "sine", 30.0
    rows = []
    strangers = []
    for file in files_below(folder, ".pth"):
        match = FILE_PATTERN.fullmatch(file)
        if match is None:
            strangers.append(file)
            continue
        item, copy = int(match["item"]), 0 if match["copy"] is None else int(match["copy"]) + 1
        rows.append(
            {"id": f"{item:05d}-{copy}", "file": file, "item": item, "copy": copy, "label": int(match["label"])}
        )
    if not rows:
        raise BadInput(
            f"{folder}: no file is named like randinit_smaller_5s/net0.pth, but for instance {strangers[0]}; "
            "`zoo import state-dicts` reads any names"
        )
    table = pd.DataFrame(rows).sort_values(["item", "copy"], ignore_index=True)
    whole = table["item"].min() < SPLIT_ENDS[0] and table["item"].max() >= SPLIT_ENDS[1]
    table["split"] = np.array(["train", "val", "test"])[np.digitize(table["item"], SPLIT_ENDS)] if whole else ""
    table["group"] = table["item"].astype("str")

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        return [
            ImportedNetwork(*reader.read(folder / file, read_state_dict(folder / file)[0])) for file in rows["file"]
        ]

    listing = NetworkListing(
        table=table,
        read=read,
        columns={
            "id": "index of the image and number of the copy",
            "file": "path in the release",
            "item": "index of the image",
            "copy": "number of the fit of that image",
            "label": "class of the image",
        },
        reader=reader,
        source=image_source("Zhou et al. (2023), arXiv:2302.14040"),
        split_rule="Images below 45,000 are the train split, those below 50,000 val, the others test"
        if whole
        else "Splits hold different images: all copies of one are on one side",
        rendering=Rendering(coordinates="ij", target_range=(-1.0, 1.0)),
    )
    if strangers:
        listing.notes.append(f"{len(strangers):,} files with other names were left out, the first is {strangers[0]}")
    return listing
