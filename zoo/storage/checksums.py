"""Whether a zoo folder holds what its manifest says: sha256 of every file, and of the manifest itself.

Once a file's sha256 was found right, its size and modification time are kept in the cache folder as a stamp, so that
the file is not read again for as long as they stay.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, file_sha256, write_atomically
from .manifest import MANIFEST, Manifest
from .origin import ORIGIN

CHECKSUMS = "SHA256SUMS"
OTHER_FILES = (MANIFEST, ORIGIN, CHECKSUMS, "README.md", "picture.png")  # what a zoo folder holds beside its data


def verify_files(folder: Path, manifest: Manifest, *, always_hash: bool) -> None:
    """Check every file's sha256 against the manifest. Raises BadInput that names the file, both sums and the repair.

    Unless `always_hash`, a file whose size and modification time are those of its last good check is not read again.
    """
    stamps_path = cache_dir() / "stamps" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]}.json"
    stamps = {}
    if not always_hash:
        with suppress(OSError, ValueError):
            stamps = json.loads(stamps_path.read_text())
    again = "zoo import" if manifest.imported else f"zoo build {manifest.name} --out {folder}"
    remedy = f"repair it with `weightbench {again}`, or fetch the zoo again"
    found = {}
    for file in manifest.files:
        path = folder / file.path
        try:
            status = path.stat()
        except OSError:
            raise BadInput(f"{path}: missing, zoo.json expects sha256 {file.sha256}; {remedy}") from None
        found[file.path] = [status.st_size, status.st_mtime_ns, file.sha256]
        if stamps.get(file.path) == found[file.path]:
            continue
        actual = file_sha256(path)
        if actual != file.sha256:
            state = "truncated" if status.st_size < file.bytes else "corrupted"
            raise BadInput(f"{path}: {state}: found sha256 {actual}, zoo.json expects {file.sha256}; {remedy}")
    if found != stamps:
        with suppress(OSError):  # a read-only cache only costs the time of hashing again
            write_atomically(stamps_path, json.dumps(found).encode())


def seal(folder: Path, manifest: Manifest) -> None:
    """Write `SHA256SUMS`, so that `sha256sum --check` and `zoo verify` also notice a `zoo.json` changed by hand."""
    sums = {file.path: file.sha256 for file in manifest.files} | {MANIFEST: file_sha256(folder / MANIFEST)}
    (folder / CHECKSUMS).write_text("".join(f"{sha256}  {path}\n" for path, sha256 in sums.items()))


def verify_seal(folder: Path, manifest: Manifest) -> None:
    """Raises BadInput for a manifest that was changed after the folder was sealed, and for files not named in it."""
    remedy = f"build or get {manifest.name} again"
    if (folder / CHECKSUMS).exists():
        lines = [line.split("  ", 1) for line in (folder / CHECKSUMS).read_text().splitlines()]
        sealed = {path: sha256 for sha256, path in (line for line in lines if len(line) == 2)}
        found = file_sha256(folder / MANIFEST)
        if sealed.get(MANIFEST) != found:
            raise BadInput(
                f"{folder / MANIFEST}: changed since it was written: found sha256 {found}, "
                f"{CHECKSUMS} expects {sealed.get(MANIFEST)}; {remedy}"
            )
    named = {*OTHER_FILES, *(file.path for file in manifest.files)}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if extra := sorted(path for path in present - named if not path.startswith(".")):
        raise BadInput(f"{folder / extra[0]}: not named by zoo.json ({len(extra)} such files): remove it")
