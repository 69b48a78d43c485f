"""The formats that `zoo import` reads: each file of the folder `importers` is one, called like it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...runtime.errors import unknown

if TYPE_CHECKING:
    from .reading.network_listing import NetworkListing
    from .reading.network_reader import NetworkReader


class Importer(Protocol):
    """What a file of the folder has."""

    def find(self, folder: Path, reader: NetworkReader) -> NetworkListing:
        """List the networks of a folder and say how they are read. Raises BadInput for a folder of something else."""
        ...


def import_formats() -> list[str]:
    """The names of the formats, found without importing what reads them."""
    return sorted(path.stem.replace("_", "-") for path in (Path(__file__).parent / "importers").glob("[!_]*.py"))


def load_importer(name: str) -> Importer:
    """What reads a format. Raises BadInput with the nearest names."""
    if name not in import_formats():
        raise unknown("format", name, import_formats())
    importer: Importer = importlib.import_module(f".importers.{name.replace('-', '_')}", __package__)
    return importer
