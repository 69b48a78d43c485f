"""A zoo's tables: parquet files with one row per network.

Parquet is the published truth. The tensors of a verified file are kept in the cache folder as a safetensors file, named
by the sha256 of the parquet file and mapped into memory later on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...runtime.files import cache_dir, file_sha256, write_atomically
from .manifest import ZooFile

if TYPE_CHECKING:
    import pandas as pd
    import torch

ROW_GROUP = 2048
MAX_PENDING_BYTES = 2**30  # of rows that wait to be written; large networks fill no row group


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
        elif sum(part.nbytes for part in self._pending) >= MAX_PENDING_BYTES:
            self._flush(whole=False)

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
        """Write what is pending and finish the file."""
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


def read_table(folder: Path, file: ZooFile) -> pd.DataFrame:
    """The scalar columns of a file, one row per network."""
    schema = pq.read_schema(folder / file.path)
    scalars = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
    table: pd.DataFrame = pq.read_table(folder / file.path, columns=scalars).to_pandas()
    return table


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
