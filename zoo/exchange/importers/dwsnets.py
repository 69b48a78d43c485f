"""The INRs that Navon et al. (2023) release with "Equivariant Architectures for Learning in Deep Weight Spaces".

MNIST: `mnist_png_{training,testing}_{label}_{image}/checkpoints/model_final.pth`. Fashion-MNIST:
`{train,test}/model_{image}.pth`, each file with its class under the key `label`. Two sine layers of frequency 30, one
linear layer, 0.5 added to the output; pixels in [0, 1] at coordinates (x, y) from -1 to 1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ....runtime.errors import BadInput
from ...storage.manifest import Rendering
from ..reading.archives import files_below
from ..reading.inr_images import image_source
from ..reading.network_listing import MAX_CLASSES, ImportedNetwork, NetworkListing
from ..reading.network_reader import NetworkReader
from ..reading.state_dict_files import read_state_dict

MNIST_PATTERN = re.compile(
    r"(?:.*/)?[^/]*_(?P<part>training|testing)_(?P<label>\d{1,4})_(?P<item>\d{1,9})/(?:.*/)?[^/]+\.pth"
)
FASHION_PATTERN = re.compile(r"(?:.*/)?(?P<part>train|test)/model_(?P<item>\d{1,9})\.pth")


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every INR of the folder. Raises BadInput when no path is named as above."""
    reader.activation, reader.omega_0, reader.output_offset = reader.activation or "sine", 30.0, 0.5
    rows: list[dict[str, Any]] = []
    strangers = []
    for file in files_below(folder, ".pth"):
        match = MNIST_PATTERN.fullmatch(file) or FASHION_PATTERN.fullmatch(file)
        if match is None:
            strangers.append(file)
            continue
        part = "test" if match["part"].startswith("test") else "train"
        row = {"id": f"{part}-{int(match['item']):05d}", "file": file, "part": part, "item": int(match["item"])}
        rows.append(row | ({"label": int(match["label"])} if "label" in match.groupdict() else {}))
    if not rows:
        raise BadInput(
            f"{folder}: no file is named like mnist_png_training_5_0/checkpoints/model_final.pth or train/model_0.pth, "
            f"but for instance {strangers[0]}; `zoo import state-dicts` reads any names"
        )
    if len({len(row) for row in rows}) > 1:
        raise BadInput(f"{folder}: holds files of both layouts, MNIST's and Fashion-MNIST's: import one at a time")
    table = pd.DataFrame(rows)
    # A data set's test images are the test split; a copy that has only one of the parts is split like any other.
    official = table["part"].nunique() == 2
    table["split"] = table["part"].where(table["part"] == "test", "") if official else ""
    table["group"] = table["id"]

    def read(rows: pd.DataFrame) -> list[ImportedNetwork]:
        networks = []
        for file in rows["file"]:
            state, extra = read_state_dict(folder / file, extra=("label",))
            label = {} if "label" in rows else {"label": _label(folder / file, extra.get("label"))}
            networks.append(ImportedNetwork(*reader.read(folder / file, state), label))
        return networks

    listing = NetworkListing(
        table=table,
        read=read,
        columns={
            "id": "part of the data set and index of the image",
            "file": "path in the release",
            "part": "part of the data set that the image is from",
            "item": "index of the image in that part",
            "label": "class of the image",
        },
        reader=reader,
        source=image_source("Navon et al. (2023), arXiv:2301.12780"),
        split_rule="The data set's test images are the test split" if official else "Splits hold different images",
        rendering=Rendering(coordinates="xy", target_range=(0.0, 1.0)),
    )
    if strangers:
        listing.notes.append(f"{len(strangers):,} files with other names were left out, the first is {strangers[0]}")
    return listing


def _label(path: Path, value: Any) -> int:
    """The class in a file of the Fashion-MNIST layout: a number, or a tensor of one."""
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_floating_point():
        value = value.item()
    if not isinstance(value, int) or not 0 <= value < MAX_CLASSES:
        raise BadInput(f"{path}: holds no class under the key `label`: give the classes with --labels CSV")
    return value
