"""`load_zoo`: from a name or a folder to a verified `Zoo`."""

from __future__ import annotations

from pathlib import Path

from .build import build_zoo
from .catalogue import LOCAL, catalogue_entry, default_folder, zoo_names
from .collection import Zoo, open_zoo
from .errors import BadInput
from .manifest import MANIFEST


def locate(reference: str | Path) -> Path:
    """The folder of a zoo given by name, "name@version" or path. Raises BadInput for an unknown name.

    A name without version also finds a build from one's own raw data, where there is no other.
    """
    folder = Path(reference)
    if isinstance(reference, Path) or folder.is_dir() or "/" in reference:
        return folder
    named, local = reference.removesuffix(LOCAL), reference.endswith(LOCAL)
    standard = default_folder(catalogue_entry(named))
    own = standard.with_name(standard.name + LOCAL)
    if local or ("@" not in reference and not (standard / MANIFEST).exists() and (own / MANIFEST).exists()):
        return own
    return standard


def load_zoo(reference: str | Path) -> Zoo:
    """Load a zoo, its files verified against their checksums.

    Arguments:
        reference: a name of the catalogue ("digits-inrs", "digits-inrs@1.0.0") or the path of a zoo folder.

    The embedded zoos are built on first use, which takes about a minute. Raises BadInput for an unknown name, a damaged
    folder, and a standard zoo that is not on this machine.
    """
    folder = locate(reference)
    name = str(reference).partition("@")[0]
    if (folder / MANIFEST).exists() or name not in zoo_names():
        return open_zoo(folder)
    entry = catalogue_entry(name)
    if folder == default_folder(entry) and entry.embedded:
        return build_zoo(name, wait=True)
    minutes = entry.build_minutes.get("cpu")
    raise BadInput(
        f"{reference} is not on this machine: `weightbench zoo build {name}` makes it "
        f"({f'about {minutes:.0f} minutes on two cores; ' if minutes else ''}--limit N --out DIR builds a part)"
    )
