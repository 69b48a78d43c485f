"""Twins: networks of one zoo that are equal up to the order of their hidden neurons."""

from __future__ import annotations

from ...runtime.errors import BadInput
from ..networks.fingerprints import fingerprints
from ..storage.tables import read_rows
from ..storage.zoo import Zoo


def check_twins(zoo: Zoo) -> None:
    """Prove that no network stands twice in a zoo, in one split or in two. Raises BadInput that names the pair.

    Reads a row group at a time, so that the size of a zoo needs no memory.
    """
    owners: dict[str, dict[int, str]] = {key: {} for key in zoo.manifest.architectures}
    for file in zoo.manifest.files:
        seen = owners[file.architecture]
        for ids, params in read_rows(zoo.folder, file):
            prints = fingerprints(zoo.manifest.architectures[file.architecture], params)
            for number, name in zip(prints.tolist(), ids, strict=True):
                if number in seen:
                    raise BadInput(
                        f"{zoo.folder}: networks {seen[number]} and {file.split}/{name} of architecture "
                        f"{file.architecture} are equal up to the order of their neurons: make the zoo again"
                    )
                seen[number] = f"{file.split}/{name}"
