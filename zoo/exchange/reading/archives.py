"""Folders and archives from elsewhere: unpacked within limits, and never outside their folder."""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ....runtime.errors import BadInput
from ....runtime.progress import track

MAX_BYTES = 64 * 2**30  # of an unpacked archive; the largest published set has 5.4 GB
MAX_RATIO = 200  # unpacked to packed; weights barely compress, and text by less
UNCHECKED_BYTES = 2**26  # below this no ratio is too large
_COPY_BYTES = 2**20
_DAMAGE_ERRORS = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, RuntimeError)
_TRUST_HINT = "if you trust it, unpack it yourself and import the folder"


def is_archive(path: Path) -> bool:
    """Whether `path` is named as a zip or a tar, compressed or not."""
    return re.search(r"\.(zip|tar|tgz|txz|tar\.(gz|xz|bz2))$", path.name.lower()) is not None


def unpacked(path: Path, work: Path) -> Path:
    """`path` itself if it is a folder; the content of an archive is put in `work`.

    Raises BadInput for what is neither, for members that lie outside, links, and archives that blow up.
    """
    if path.is_dir():
        return path
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder; PATH is what is to be imported")
    if not is_archive(path):
        raise BadInput(f"{path}: expected a folder, or a .zip or .tar archive of one")
    total = 0
    names: set[str] = set()
    try:
        with track(f"unpack {path.name}", 0, "files") as advance:
            for name, size, stream in _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path):
                total += size
                _check_size(path, total)
                _copy(stream, _place(path, work, name, names), size)
                advance()
    except (*_DAMAGE_ERRORS, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the archive's
            raise
        raise BadInput(f"{path}: cannot be unpacked ({first_line(error)}): download it again") from None
    return work


def check_zip(path: Path) -> None:
    """Refuse a zip file (an npz, a torch file) that unpacks to much more than it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(path, sum(info.file_size for info in archive.infolist()))
    except zipfile.BadZipFile:
        raise BadInput(f"{path}: cannot be read (not a zip file, or damaged): copy the file again") from None


def files_below(folder: Path, *suffixes: str) -> list[str]:
    """The paths within `folder` of all files with these suffixes, numbers in their natural order; hidden ones left out.

    Raises BadInput when there is none.
    """
    found = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.is_file() and "__MACOSX" not in path.parts
    ]
    visible = [name for name in found if not any(part.startswith(".") for part in name.split("/"))]
    if not visible:
        raise BadInput(f"{folder}: holds no {', '.join(suffixes)} files; PATH is where the networks are")
    return sorted(visible, key=natural_order)


def natural_order(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts "net10" after "net9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _zip_members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of every file."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise BadInput(f"{path}: {info.filename} is a link; {_TRUST_HINT}")
            if not info.is_dir():
                with archive.open(info) as stream:
                    yield info.filename, info.file_size, stream


def _tar_members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isdir():
                continue
            stream = archive.extractfile(info) if info.isfile() else None
            if stream is None:
                raise BadInput(f"{path}: {info.name} is a link or a device; {_TRUST_HINT}")
            yield info.name, info.size, stream


def _place(path: Path, work: Path, name: str, names: set[str]) -> Path:
    """Where a member goes. Raises BadInput for a name that leads elsewhere or is there twice."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name:
        raise BadInput(f"{path}: member {name!r} would be written outside its folder: do not use this archive")
    plain = "/".join(parts)
    if plain in names:
        raise BadInput(f"{path}: holds {name} twice: pack it again, each file once")
    names.add(plain)
    place = work.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _copy(stream: IO[bytes], place: Path, size: int) -> None:
    written = 0
    with open(place, "xb") as sink:
        while block := stream.read(_COPY_BYTES):
            written += len(block)
            if written > size:  # its header lied
                raise zipfile.BadZipFile(f"{place.name} is longer than it says")
            sink.write(block)


def _check_size(path: Path, total: int) -> None:
    packed = path.stat().st_size
    if total > MAX_BYTES:
        raise BadInput(f"{path}: unpacks to {total:,} bytes, more than {MAX_BYTES:,}; {_TRUST_HINT}")
    if total > UNCHECKED_BYTES and total > MAX_RATIO * packed:
        raise BadInput(
            f"{path}: {packed:,} bytes that unpack to {total:,}, more than {MAX_RATIO} times as many; {_TRUST_HINT}"
        )


def first_line(error: Exception) -> str:
    """What an error says, short enough for one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
