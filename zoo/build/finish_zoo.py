"""The last steps of a zoo folder, whether its networks were trained here or imported."""

from __future__ import annotations

from pathlib import Path

from ..storage.checksums import seal
from ..storage.dataset_card import write_card
from ..storage.manifest import MANIFEST, Manifest
from ..storage.zoo import open_zoo
from .twins import check_twins


def finish_zoo(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, card, picture and checksums of a folder that holds the tables, and prove what they say.

    Raises BadInput for files that are not as the manifest says, and for networks that stand in it twice.
    """
    (folder / MANIFEST).write_bytes(manifest.to_json())
    zoo = open_zoo(folder)
    check_twins(zoo)
    write_card(zoo)
    seal(folder, manifest)
