"""Folders of Hugging Face models, each a `config.json` beside a `model.safetensors`. Nothing in them is run."""

from __future__ import annotations

from pathlib import Path

from ....runtime.errors import BadInput
from ..model_families.read_family import CONFIG, WEIGHTS, read_family
from ..reading.archives import files_below
from ..reading.network_listing import NetworkListing
from ..reading.network_reader import NetworkReader
from ..reading.whole_models import listed, refuse_description


def find(folder: Path, reader: NetworkReader) -> NetworkListing:
    """Every folder with a model. Raises BadInput for one without a config."""
    refuse_description(reader, f"a {CONFIG}")
    files = [file for file in files_below(folder, ".safetensors") if Path(file).name == WEIGHTS]
    if not files:
        raise BadInput(f"{folder}: holds no {WEIGHTS}")
    ids = [file.removesuffix(WEIGHTS).rstrip("/") or folder.name for file in files]
    return listed(folder, files, ids, reader, lambda file: read_family(file.parent, reader.notes))
