"""Zoo folders: parquet files with one row per network, next to `zoo.json` that holds their checksums.

Parquet is the published truth. Once a file's sha256 was found right, its size and modification time are kept as a
stamp and its tensors as a safetensors file in the cache folder, named by that sha256 and mapped into memory later on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...runtime.errors import BadInput
from ...runtime.files import cache_dir, file_sha256, write_atomically
from .manifest import MANIFEST, ORIGIN, Manifest, ZooFile

if TYPE_CHECKING:
    import pandas as pd
    import torch

ROW_GROUP = 2048
SUMS = "SHA256SUMS"
BESIDE = (MANIFEST, ORIGIN, SUMS, "README.md", "picture.png")  # what a zoo folder holds beside its data


class TableWriter:
    """Writes one parquet file with checksummed pages, row group by row group, so that its size needs no memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._pending: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def append(self, table: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> None:
        """Add rows: `table`'s scalar columns and `arrays` (`[rows, length]` each)."""
        columns = {name: pa.array(table[name]) for name in table.columns}
        for name, values in arrays.items():
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        self._pending.append(pa.table(columns))
        self.rows += len(table)
        if sum(part.num_rows for part in self._pending) >= ROW_GROUP:
            self._flush(whole=True)

    def _flush(self, *, whole: bool) -> None:
        """Write what is pending, as whole row groups only or all of it."""
        if not self._pending:
            return
        pending = pa.concat_tables(self._pending)
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            floats = [
                f.name for f in pending.schema if pa.types.is_fixed_size_list(f.type) and f.type.value_type == "float"
            ]
            self._writer = pq.ParquetWriter(
                self.path,
                pending.schema,
                compression="zstd",
                use_dictionary=False,
                # Bytes of equal weight side by side compress 18 % better than whole floats.
                column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in floats},
                write_page_index=True,
                write_page_checksum=True,
            )
        stop = pending.num_rows // ROW_GROUP * ROW_GROUP if whole else pending.num_rows
        self._writer.write_table(pending.slice(0, stop), row_group_size=ROW_GROUP)
        self._pending = [pending.slice(stop)] if stop < pending.num_rows else []

    def close(self) -> None:
        self._flush(whole=False)
        if self._writer is not None:
            self._writer.close()


def describe_file(folder: Path, path: str, split: str, architecture: str, rows: int) -> ZooFile:
    """The manifest's entry for a file just written."""
    return ZooFile(
        path=path,
        split=split,
        architecture=architecture,
        rows=rows,
        bytes=(folder / path).stat().st_size,
        sha256=file_sha256(folder / path),
    )


def verify_files(folder: Path, manifest: Manifest, *, always_hash: bool) -> None:
    """Check every file's sha256 against the manifest; raises BadInput naming the file, both sums and the mend.

    Unless `always_hash`, a file whose size and modification time are those of its last good check is not read again.
    """
    stamps_path = cache_dir() / "stamps" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]}.json"
    stamps = {}
    if not always_hash:
        with suppress(OSError, ValueError):
            stamps = json.loads(stamps_path.read_text())
    again = "zoo import" if manifest.imported else f"zoo build {manifest.name} --out {folder}"
    mend = f"mend it with `weightbench {again}`, or fetch the zoo again"
    found = {}
    for file in manifest.files:
        path = folder / file.path
        try:
            status = path.stat()
        except OSError:
            raise BadInput(f"{path}: missing, zoo.json expects sha256 {file.sha256}; {mend}") from None
        found[file.path] = [status.st_size, status.st_mtime_ns, file.sha256]
        if stamps.get(file.path) == found[file.path]:
            continue
        actual = file_sha256(path)
        if actual != file.sha256:
            state = "truncated" if status.st_size < file.bytes else "corrupted"
            raise BadInput(f"{path}: {state}: found sha256 {actual}, zoo.json expects {file.sha256}; {mend}")
    if found != stamps:
        with suppress(OSError):  # a read-only cache only costs the time of hashing again
            write_atomically(stamps_path, json.dumps(found).encode())


def seal(folder: Path, manifest: Manifest) -> None:
    """Write `SHA256SUMS`, so that `sha256sum --check` and `zoo verify` also notice a `zoo.json` changed by hand."""
    sums = {file.path: file.sha256 for file in manifest.files} | {MANIFEST: file_sha256(folder / MANIFEST)}
    (folder / SUMS).write_text("".join(f"{sha256}  {path}\n" for path, sha256 in sums.items()))


def verify_seal(folder: Path, manifest: Manifest) -> None:
    """Raises BadInput for a manifest that was changed after the folder was sealed, and for files not named in it."""
    mend = f"build or get {manifest.name} again"
    if (folder / SUMS).exists():
        lines = [line.split("  ", 1) for line in (folder / SUMS).read_text().splitlines()]
        sealed = {path: sha256 for sha256, path in (line for line in lines if len(line) == 2)}
        found = file_sha256(folder / MANIFEST)
        if sealed.get(MANIFEST) != found:
            raise BadInput(
                f"{folder / MANIFEST}: changed since it was written: found sha256 {found}, "
                f"{SUMS} expects {sealed.get(MANIFEST)}; {mend}"
            )
    named = {*BESIDE, *(file.path for file in manifest.files)}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if extra := sorted(path for path in present - named if not path.startswith(".")):
        raise BadInput(f"{folder / extra[0]}: not named by zoo.json ({len(extra)} such files): remove it")


def read_table(folder: Path, file: ZooFile) -> pd.DataFrame:
    """The scalar columns of a file."""
    schema = pq.read_schema(folder / file.path)
    scalars = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
    return pq.read_table(folder / file.path, columns=scalars).to_pandas()


def read_rows(folder: Path, file: ZooFile) -> Iterator[tuple[list[str], np.ndarray]]:
    """The ids and `params [rows, P]` of a file, a row group at a time."""
    with pq.ParquetFile(folder / file.path, page_checksum_verification=True) as parquet:
        for batch in parquet.iter_batches(ROW_GROUP, columns=["id", "params"]):
            params = batch.column("params")
            yield batch.column("id").to_pylist(), params.flatten().to_numpy().reshape(-1, params.type.list_size)


def read_tensors(folder: Path, file: ZooFile) -> dict[str, torch.Tensor]:
    """The array columns of a verified file, `[rows, length]` each, mapped from the derived cache where it is warm."""
    from safetensors import SafetensorError
    from safetensors.numpy import save
    from safetensors.torch import load_file

    cached = cache_dir() / "tensors" / f"{file.sha256}.safetensors"
    with suppress(OSError, SafetensorError):
        return load_file(cached)
    import torch

    with pq.ParquetFile(folder / file.path, page_checksum_verification=True) as parquet:
        names = [field.name for field in parquet.schema_arrow if pa.types.is_fixed_size_list(field.type)]
        table = parquet.read(columns=names)
    arrays = {}
    for name in names:
        column = table.column(name).combine_chunks()
        length = column.type.list_size
        arrays[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, length).copy()
    with suppress(OSError):
        write_atomically(cached, save(arrays))
    return {name: torch.from_numpy(values) for name, values in arrays.items()}
