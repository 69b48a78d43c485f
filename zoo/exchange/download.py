"""Getting a published zoo: tag to commit, commit to manifest, manifest to files; nothing is used before its checksum.

A tag can be moved, so it is resolved once and the commit kept. A download is compared with its length alone by the
clients, so every file is hashed here. The folder is called after the version, so that no other version ever answers
for it, with or without a connection.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.errors import BadInput, unknown
from ...runtime.files import cache_dir, file_sha256, make_folder
from ...runtime.progress import Advance, track
from ..build.build_zoo import build_zoo
from ..recipes.catalogue import catalogue_entry, published_sha256, zoo_names
from ..recipes.zoo_entry import ZooEntry
from ..storage.checksums import seal
from ..storage.manifest import MANIFEST, RELEASE, VERSION, ZOO_NAME, read_manifest
from ..storage.origin import Origin, read_origin, write_origin
from ..storage.zoo import Zoo, open_zoo
from ..storage.zoo_folder import move_in, sole_writer
from .hub_repository import REPO_TYPE, Repository, plain_errors, tag_of

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

REFERENCE = re.compile(f"{ZOO_NAME}(@{VERSION})?")
TAG = re.compile(f"v({RELEASE})")


@dataclass(frozen=True)
class DownloadSource:
    """A repository that may serve the zoo, and the commit or tag; None for the version's own tag."""

    repository: Repository
    revision: str | None


def get_zoo(
    reference: str,
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    out: Path | None = None,
    wait: bool = False,
) -> Zoo:
    """Download a published zoo, or return the one on this machine, verified; damaged files are fetched anew.

    Arguments:
        reference: "name" or "name@version"; without a version the catalogue's, or else the repository's newest.
        repo_id: "ORG/NAME" or "https://HOST/datasets/ORG/NAME"; by default the catalogue's mirrors in their order, or
            where the zoo on this machine came from.
        revision: a commit (or tag) of that repository, instead of the version's tag.
        out: the zoo's folder; by default one in the cache, named by the version.
        wait: for another process that writes the same folder, instead of refusing.

    A zoo on this machine that is not from the repository asked for is used all the same, and a line on stderr says so.
    A zoo that is published nowhere yet, or that no mirror gives, is built where its recipe is in the catalogue, and a
    line on stderr says so. Raises BadInput for a zoo that cannot be got, and for data of another checksum.

    Example:
        >>> import weightbench as wb
        >>> zoo = wb.get_zoo("digits-inrs")  # here already: no request
        >>> zoo.name
        'digits-inrs'
    """
    name, _, version = reference.partition("@")
    if not REFERENCE.fullmatch(reference):
        raise BadInput(f"{reference!r}: write NAME or NAME@VERSION, for instance digits-inrs@1.0.0")
    entry = catalogue_entry(name) if name in zoo_names() else None
    if not version and entry is not None:
        version = entry.version
    if revision and not repo_id:
        raise BadInput(f"--revision {revision} belongs to a repository: say --repo-id ORG/NAME too")
    if not version:
        if not repo_id:
            raise BadInput(f"{unknown('zoo', name, zoo_names())} (one of somebody else's takes --repo-id ORG/NAME)")
        version = _newest_version(Repository.parse(repo_id))
    out = out or cache_dir() / "zoos" / f"{name}@{version}"
    pin = published_sha256(name, version)
    make_folder(out.parent)
    with sole_writer(out, wait=wait):
        known = _on_this_machine(out, name, version, pin, anew=bool(revision))
        if known is not None:
            if repo_id:
                _tell_of_another_origin(known, Repository.parse(repo_id))
            return known
        sources = _download_sources(entry, version, repo_id, revision, out)
        refusals = []
        for source in sources:
            try:
                return _download(source, name, version, pin, out)
            except BadInput as error:
                refusals.append(str(error))
                if source is not sources[-1]:
                    print(f"{error}; trying the next mirror", file=sys.stderr)
    if repo_id or entry is None or entry.version != version:
        raise BadInput("; ".join(refusals) or f"{reference} is not published here: say --repo-id ORG/NAME")
    why = "; ".join(refusals) or f"{name} is not published yet"
    minutes = f", about {entry.build_minutes['cpu']:.0f} minutes on two cores" if "cpu" in entry.build_minutes else ""
    print(f"{why}: building it by its recipe{minutes}", file=sys.stderr)
    return build_zoo(name, out=out)


def _on_this_machine(out: Path, name: str, version: str, pin: str | None, *, anew: bool) -> Zoo | None:
    """The whole zoo in `out`; None when there is none, or a damaged one. Raises BadInput when it is another."""
    if not (out / MANIFEST).exists():
        return None
    try:
        zoo = open_zoo(out, always_hash=True)
    except BadInput:
        return None
    if (zoo.name, zoo.version) != (name, version):
        raise BadInput(f"{out}: holds {zoo.name}@{zoo.version}, not {name}@{version}: choose another --out")
    if anew or (pin is not None and zoo.manifest_sha256 != pin):
        return None
    return zoo


def _tell_of_another_origin(zoo: Zoo, asked: Repository) -> None:
    origin = read_origin(zoo.folder)
    if origin is None or origin.repository != str(asked):
        whence = "built here" if origin is None else f"from {origin.repository}"
        print(
            f"{asked} was not asked: {zoo.folder} holds {zoo.name}@{zoo.version} already, {whence}; "
            "--out DIR downloads it beside",
            file=sys.stderr,
        )


def _download_sources(
    entry: ZooEntry | None, version: str, repo_id: str | None, revision: str | None, out: Path
) -> list[DownloadSource]:
    if repo_id:
        return [DownloadSource(Repository.parse(repo_id), revision)]
    origin = read_origin(out)
    sources = [DownloadSource(Repository.parse(origin.repository), origin.revision)] if origin else []
    if entry is not None and entry.version == version:
        sources += [DownloadSource(Repository.parse(mirror.repo), mirror.revision) for mirror in entry.mirrors]
    return sources


def _newest_version(repository: Repository) -> str:
    with plain_errors(repository):
        refs = repository.api.list_repo_refs(repository.repo_id, repo_type=REPO_TYPE)
    found = [tuple(map(int, match[1].split("."))) for ref in refs.tags if (match := TAG.fullmatch(ref.name))]
    if not found:
        raise BadInput(f"{repository}: has no version tag such as v1.0.0: say --revision with a commit")
    return ".".join(map(str, max(found)))


def _download(source: DownloadSource, name: str, version: str, pin: str | None, out: Path) -> Zoo:
    """Fetch what is not there yet, verify all of it, put it in place."""
    repository = source.repository
    stage = make_folder(out.with_name(f".{out.name}.downloading"))
    with plain_errors(repository):
        revision = _commit_of(repository, source.revision or tag_of(version))
        commit = _RepositoryCommit(repository, revision)
        commit.fetch(MANIFEST, commit.checksum(MANIFEST), stage)
        manifest, sha256 = read_manifest(stage)
        if (manifest.name, manifest.version) != (name, version):
            raise BadInput(f"{commit}: holds {manifest.name}@{manifest.version}, not {name}@{version}")
        if pin is not None and sha256 != pin:
            raise BadInput(f"{commit}: its zoo.json has sha256 {sha256}, the catalogue expects {pin}: not used")
        _refuse_another_zoo(out, sha256, commit)
        missing = [file for file in manifest.files if _sha256_or_none(out / file.path) != file.sha256]
        megabytes = sum(file.bytes for file in missing) // 1_000_000
        with track(f"get {name}@{version}", megabytes, "MB") as advance:
            for file in missing:
                if _sha256_or_none(stage / file.path) == file.sha256:  # an interrupted download left it
                    advance(file.bytes // 1_000_000, fresh=False)
                    continue
                commit.fetch(file.path, ("sha256", file.sha256), stage, advance)
    write_origin(stage, Origin(str(repository), tag_of(version), revision))
    seal(stage, manifest)
    shutil.rmtree(stage / ".cache", ignore_errors=True)  # the client's notes
    move_in(stage, out)
    shutil.rmtree(stage)
    return open_zoo(out, always_hash=True)


def _commit_of(repository: Repository, revision: str) -> str:
    from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT

    found = repository.api.dataset_info(repository.repo_id, revision=revision, timeout=HF_HUB_ETAG_TIMEOUT).sha
    assert found is not None
    return found


def _refuse_another_zoo(out: Path, sha256: str, commit: _RepositoryCommit) -> None:
    """One's own build (other low bits) is not overwritten by a download, nor one download by another."""
    try:
        zoo = open_zoo(out)
    except BadInput:
        return
    if zoo.manifest_sha256 != sha256:
        raise BadInput(
            f"{out}: holds another {zoo.name}@{zoo.version} than {commit} "
            "(an own build, perhaps): choose another --out, or remove that folder"
        )


def _sha256_or_none(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None


class _RepositoryCommit:
    """One commit of a repository, and what the Hub says its files hash to."""

    def __init__(self, repository: Repository, revision: str) -> None:
        self.repository, self.revision = repository, revision
        entries: Iterable[Any] = repository.api.list_repo_tree(
            repository.repo_id, repo_type=REPO_TYPE, revision=revision, recursive=True
        )
        self.files: dict[str, RepoFile] = {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}

    def __str__(self) -> str:
        return f"{self.repository} at {self.revision[:12]}"

    def checksum(self, path: str) -> tuple[str, str]:
        """How the Hub hashes a file: "sha256" for large ones, "git" (sha1 with a header) for the others."""
        if path not in self.files:
            raise BadInput(f"{self}: has no {path}, so it is not a zoo: check the repository and the revision")
        found = self.files[path]
        return ("sha256", found.lfs.sha256) if found.lfs else ("git", found.blob_id)

    def fetch(self, path: str, checksum: tuple[str, str], stage: Path, advance: Advance | None = None) -> None:
        """Download a file into `stage` and hash it; a wrong one is downloaded once more, then refused."""
        if path not in self.files:
            raise BadInput(f"{self}: lacks {path}, which its zoo.json names: its owner must push again")
        for _ in range(2):
            self.repository.api.hf_hub_download(
                self.repository.repo_id,
                path,
                repo_type=REPO_TYPE,
                revision=self.revision,
                local_dir=stage,
                force_download=True,
                tqdm_class=_reporting_to(advance),
            )
            if _hashed(stage / path, checksum[0]) == checksum[1]:
                return
        found = _hashed(stage / path, checksum[0])
        (stage / path).unlink()
        raise BadInput(
            f"{self}: {path} arrives corrupted, twice (found {checksum[0]} {found}, expected {checksum[1]}): "
            "try again, or another --repo-id"
        )


def _hashed(path: Path, kind: str) -> str:
    if kind == "sha256":
        return file_sha256(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _reporting_to(advance: Advance | None) -> Any:
    """A progress bar class for the client that draws nothing itself and tells `advance` of every megabyte."""
    from huggingface_hub.utils.tqdm import tqdm

    class Reporting(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # tqdm has no types, which only the strict check asks for.
            super().__init__(*args, **(kwargs | {"disable": True}))  # type: ignore[no-untyped-call, unused-ignore]
            self.received = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            before, self.received = self.received, self.received + int(n or 0)
            if advance is not None and (whole := self.received // 1_000_000 - before // 1_000_000):
                advance(whole)
            return None

    return Reporting
