"""`load_zoo`: from a name or a folder to a verified `Zoo`; `make_zoos`: several at once that are not here yet;
`ZooReference`: the same one on another machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import BadInput
from ..runtime.files import cache_dir
from ..runtime.local_executor import LocalExecutor
from ..runtime.progress import track
from .build.build_zoo import build_zoo
from .exchange.download import get_zoo
from .recipes.catalogue import catalogue, catalogue_entry, default_folder, is_built, locate, zoo_names
from .storage.manifest import MANIFEST
from .storage.origin import read_origin
from .storage.zoo import Zoo, open_again, open_zoo


def load_zoo(reference: str | Path) -> Zoo:
    """Load a zoo, its files verified against their checksums.

    Arguments:
        reference: the name of a zoo ("digits-inrs", "digits-inrs@1.0.0") or the path of a zoo folder.

    A zoo that is on this machine is used as it is, without any request. Else one that is published is downloaded, and
    an embedded one built, which takes about a minute. Raises BadInput for an unknown name, a damaged folder, and a
    standard zoo that is not on this machine and that can only be built.

    Example:
        >>> import weightbench as wb
        >>> zoo = wb.load_zoo("digits-inrs")  # built on first use
        >>> zoo["train"].networks.params.shape[1]
        337
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


def make_zoos(references: Iterable[str | Path], jobs: int) -> None:
    """Make the embedded zoos that are not on this machine, up to `jobs` at once, the slowest first.

    One after the other each would train in all threads of the machine, which small networks leave waiting for each
    other. A single one is left to `load_zoo`. Raises BadInput as that does.
    """
    asked = {str(reference) for reference in references}
    missing = [entry for entry in catalogue() if entry.embedded and entry.name in asked and not is_built(entry)]
    jobs = min(jobs, len(missing))
    if jobs < 2:
        return
    missing.sort(key=lambda entry: -entry.build_minutes.get("cpu", 0.0))
    with track("make zoos", len(missing), "zoos") as advance:
        for _ in LocalExecutor(jobs).run(_make, [entry.name for entry in missing], folder=cache_dir()):
            advance()


def _make(name: str) -> None:
    load_zoo(name)


@dataclass(frozen=True)
class ZooReference:
    """What another machine needs to open the same zoo: from this folder, its own copy, or where it is published.

    Arguments:
        zoo: "name@version".
        folder: where this machine has it.
        manifest_sha256: of its `zoo.json`.
        policy: its splits, see `Zoo.with_splits`.
        repository: where it was downloaded from; None for a zoo that was built here.
    """

    zoo: str
    folder: Path
    manifest_sha256: str
    policy: str | None
    repository: str | None

    @classmethod
    def of(cls, zoo: Zoo) -> ZooReference:
        """The reference to an open zoo."""
        origin = read_origin(zoo.folder)
        repository = None if origin is None else origin.repository
        return cls(f"{zoo.name}@{zoo.version}", zoo.folder.resolve(), zoo.manifest_sha256, zoo.policy, repository)

    def open(self) -> Zoo:
        """The zoo. Raises BadInput where this machine neither has nor gets it, and where it has another build."""
        folder = self.folder if (self.folder / MANIFEST).exists() else self._own_copy()
        return open_again(folder, self.manifest_sha256, self.policy)

    def _own_copy(self) -> Path:
        folder = cache_dir() / "zoos" / self.zoo
        if (folder / MANIFEST).exists():
            return folder
        if self.repository is None:
            raise BadInput(
                f"has no zoo {self.zoo}: put {self.folder} on a disk that all nodes share, or publish the zoo"
            )
        return get_zoo(self.zoo, repo_id=self.repository, wait=True).folder
