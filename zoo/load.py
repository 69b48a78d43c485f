"""`load_zoo`: from a name or a folder to a verified `Zoo`."""

from __future__ import annotations

from pathlib import Path

from .build import build_zoo, default_folder
from .catalogue import CATALOGUE, catalogue_entry
from .collection import Zoo, open_zoo
from .errors import BadInput
from .manifest import MANIFEST


def locate(reference: str | Path) -> Path:
    """The folder of a zoo given by name, "name@version" or path. Raises BadInput for an unknown name."""
    folder = Path(reference)
    if isinstance(reference, Path) or folder.is_dir() or "/" in reference:
        return folder
    return default_folder(catalogue_entry(reference))


def load_zoo(reference: str | Path) -> Zoo:
    """Load a zoo, its files verified against their checksums.

    Arguments:
        reference: a name of the catalogue ("digits-inrs", "digits-inrs@1.0.0") or the path of a zoo folder.

    The embedded zoos are built on first use, which takes about a minute. Raises BadInput for an unknown name, a damaged
    folder, and a standard zoo that is not on this machine.
    """
    folder = locate(reference)
    entry = CATALOGUE.get(str(reference).partition("@")[0])
    if entry is None or folder != default_folder(entry) or (folder / MANIFEST).exists():
        return open_zoo(folder)
    if entry.embedded:
        return build_zoo(entry.name)
    raise BadInput(
        f"{entry.name} is not on this machine: `weightbench zoo build {entry.name}` makes it "
        f"(about {entry.build_minutes / 60:.1f} hours on two cores; --limit N --out DIR builds a part)"
    )
