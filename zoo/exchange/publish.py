"""Publishing: a zoo becomes a tagged version of a data set repository, never to change again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import BadInput
from ...runtime.files import file_sha256
from ..storage.dataset_card import PICTURE, card
from ..storage.manifest import MANIFEST
from ..storage.zoo import Zoo
from ..storage.zoo_picture import draw
from .hub_repository import REPO_TYPE, Repository, plain_errors, tag_of


@dataclass(frozen=True)
class Published:
    """Where a version is: `revision` is its commit; `fresh` says whether this push made it."""

    repository: Repository
    tag: str
    revision: str
    manifest_sha256: str
    fresh: bool


def push_zoo(zoo: Zoo, address: str, *, private: bool = False) -> Published:
    """Upload a verified zoo with its card in one commit and tag it `v<version>`.

    Arguments:
        address: "ORG/NAME" or "https://HOST/datasets/ORG/NAME"; the repository is created where it is missing.
        private: for a new repository.

    A version that is there with the same `zoo.json` is left as it is, without a commit. Raises BadInput for one that is
    there with another, and for what the Hub refuses.
    """
    repository, tag = Repository.parse(address), tag_of(zoo.version)
    with plain_errors(repository):
        repository.api.create_repo(repository.repo_id, repo_type=REPO_TYPE, private=private, exist_ok=True)
        refs = repository.api.list_repo_refs(repository.repo_id, repo_type=REPO_TYPE)
        tags = {ref.name: ref.target_commit for ref in refs.tags}
        if tag in tags:
            there = _manifest_sha256(repository, tags[tag])
            if there != zoo.manifest_sha256:
                raise BadInput(
                    f"{repository}: {tag} is there with another zoo.json (sha256 {there[:12]}…, this one "
                    f"{zoo.manifest_sha256[:12]}…): a published version never changes, so give this zoo a new version"
                )
            return Published(repository, tag, tags[tag], there, fresh=False)
        head = next(ref.target_commit for ref in refs.branches if ref.name == "main")
        revision = _commit(repository, zoo, head)
        repository.api.create_tag(repository.repo_id, repo_type=REPO_TYPE, tag=tag, revision=revision)
    return Published(repository, tag, revision, zoo.manifest_sha256, fresh=True)


def _commit(repository: Repository, zoo: Zoo, head: str) -> str:
    """One commit on top of `head` that leaves exactly this zoo's files; nothing to change makes none."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    picture = zoo.folder / PICTURE
    if not picture.exists():  # a downloaded zoo has none
        draw(zoo, picture)
    files: dict[str, str | bytes] = {file.path: str(zoo.folder / file.path) for file in zoo.manifest.files}
    files |= {MANIFEST: str(zoo.folder / MANIFEST), PICTURE: str(picture)}
    files["README.md"] = card(zoo, str(repository)).encode()
    known = repository.api.list_repo_tree(repository.repo_id, repo_type=REPO_TYPE, revision=head, recursive=True)
    gone = [entry.path for entry in known if entry.path.startswith("data/") and entry.path.endswith(".parquet")]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path, content) for path, content in files.items()
    ]
    operations += [CommitOperationDelete(path) for path in gone if path not in files]
    return repository.api.create_commit(
        repository.repo_id,
        operations,
        repo_type=REPO_TYPE,
        commit_message=f"{zoo.name} {zoo.version}",
        parent_commit=head,
    ).oid


def _manifest_sha256(repository: Repository, revision: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = repository.api.hf_hub_download(
            repository.repo_id, MANIFEST, repo_type=REPO_TYPE, revision=revision, local_dir=folder
        )
        return file_sha256(Path(path))
