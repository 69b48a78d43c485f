"""`load_zoo`: from a name or a folder to a verified `Zoo`."""

from __future__ import annotations

from pathlib import Path

from ..runtime.errors import BadInput
from ..runtime.files import cache_dir
from .build.build_zoo import build_zoo
from .exchange.download import get_zoo
from .recipes.catalogue import catalogue_entry, default_folder, locate, zoo_names
from .storage.manifest import MANIFEST
from .storage.zoo import Zoo, open_zoo


def load_zoo(reference: str | Path) -> Zoo:
    """Load a zoo, its files verified against their checksums.

    Arguments:
        reference: the name of a zoo ("digits-inrs", "digits-inrs@1.0.0") or the path of a zoo folder.

    A zoo that is on this machine is used as it is, without any request. Else one that is published is downloaded, and
    an embedded one built, which takes about a minute. Raises BadInput for an unknown name, a damaged folder, and a
    standard zoo that is not on this machine and that can only be built.
    """
    folder = locate(reference)
    name = str(reference).partition("@")[0]
    if (folder / MANIFEST).exists() or name not in zoo_names():
        return open_zoo(folder)
    entry = catalogue_entry(name)
    if folder == default_folder(entry) and entry.mirrors:
        return get_zoo(name, wait=True)
    if folder == default_folder(entry) and entry.embedded:
        return build_zoo(name, wait=True)
    minutes = entry.build_minutes.get("cpu")
    raise BadInput(
        f"{reference} is not on this machine: `weightbench zoo build {name}` makes it "
        f"({f'about {minutes:.0f} minutes on two cores; ' if minutes else ''}--limit N --out DIR builds a part)"
    )


def load_copy(reference: str, folder: Path, repository: str | None) -> Zoo:
    """A zoo of another machine: this machine's own copy, or one fetched from where that one came from.

    Arguments:
        reference: "name@version".
        folder: where the other machine has it.
        repository: where it is published, if it is.

    Raises BadInput where it cannot be had.
    """
    own = cache_dir() / "zoos" / reference
    if (own / MANIFEST).exists():
        return open_zoo(own)
    if repository is None:
        raise BadInput(f"has no zoo {reference}: put {folder} on a disk that all nodes share, or publish the zoo")
    return get_zoo(reference, repo_id=repository, wait=True)
