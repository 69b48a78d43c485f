"""The code that results name: of a method of the suite one in the clone's history, of any other the file itself."""

from __future__ import annotations

from pathlib import Path

from ...benchmarks.records.results_folder import Record
from ...methods.contract.builtin import builtin_methods
from ...runtime.errors import BadInput
from ...runtime.files import file_sha256
from ..evidence.code_history import known_sources

SOURCE_LIMIT = 2**18  # bytes


def checked_source(record: Record) -> Path | None:
    """The file of a method that is no part of the suite, kept when the cell ran; None for one of the suite.

    Raises BadInput.
    """
    path, method = record.path, record.result.method
    if method.name in builtin_methods():
        if method.source_sha256 not in known_sources(method.name):
            raise BadInput(
                f"{path}: method.source_sha256: {method.source_sha256[:12]} is in no commit of this clone the file of "
                f"{method.name}: a changed method takes a name of its own (a shallow clone, `git fetch --unshallow`)"
            )
        _check_declared(record)
        return None
    file = record.folder.source_path(method.source_sha256)
    if not file.is_file() or file.is_symlink():
        raise BadInput(f"{file}: no such file, or a link: the source of {method.name}; run the cell again to keep it")
    if (size := file.stat().st_size) > SOURCE_LIMIT:
        raise BadInput(f"{file}: has {size:,} bytes, at most {SOURCE_LIMIT:,} are taken")
    if file_sha256(file) != method.source_sha256:
        raise BadInput(f"{file}: its sha256 is not its name; run the cell again")
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{file}: is no UTF-8 text: the source of {method.name} is Python") from None
    return file


def _check_declared(record: Record) -> None:
    """Raises BadInput when a record says that a method of the suite, in today's version, declares other symmetries."""
    from ...methods.contract.registry import load_class

    kind, audit = load_class(record.result.method.name), record.result.symmetry
    if audit is None or audit.declared is None or record.result.method.version != kind.version:
        return
    if audit.declared != list(kind.symmetries):
        found, expected = (", ".join(names) or "none" for names in (audit.declared, kind.symmetries))
        raise BadInput(
            f"{record.path}: symmetry.declared: says {found}, {kind.name} declares {expected}; run the cell again"
        )
