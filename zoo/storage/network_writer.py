"""Writing a zoo's networks: a file per split and architecture, nothing that diverged and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..networks.architecture import Architecture
from ..networks.fingerprints import fingerprints
from .manifest import Dropped, ZooFile
from .tables import TableWriter, describe_file


@dataclass
class StoredNetworks:
    """What was written."""

    files: list[ZooFile] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)
    other_splits: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: Dropped = field(default_factory=Dropped)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)


class NetworksWriter:
    """Writes networks as they come into `folder`; memory holds one row group per file, the tables and fingerprints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[tuple[str, str], TableWriter] = {}
        self._seen: dict[str, set[int]] = {}
        self._tables: list[pd.DataFrame] = []
        self._diverged: list[str] = []
        self._duplicates = 0

    @property
    def splits(self) -> set[str]:
        """The splits that hold a network by now."""
        return {split for split, _ in self._writers}

    def append(
        self, split: str, key: str, arch: Architecture, table: pd.DataFrame, arrays: Mapping[str, np.ndarray]
    ) -> None:
        """Add networks of one architecture, without those that diverged or are there already up to neuron order.

        Arguments:
            key: of the architecture.
            table: scalar columns, `id` among them.
            arrays: `[rows, length]` each, `params` among them.
        """
        finite = np.isfinite(arrays["params"]).all(1)
        prints = fingerprints(arch, arrays["params"])
        seen = self._seen.setdefault(key, set())
        fresh = np.zeros(len(table), bool)
        fresh[np.unique(prints, return_index=True)[1]] = True
        fresh &= [number not in seen for number in prints.tolist()]
        kept = finite & fresh
        seen.update(prints[kept].tolist())
        self._diverged += table["id"].to_numpy()[~finite].tolist()
        self._duplicates += int((finite & ~fresh).sum())
        if kept.any():
            if (split, key) not in self._writers:
                self._writers[split, key] = TableWriter(self.folder / f"data/{split}-{key}.parquet")
            self._writers[split, key].append(table[kept], {name: values[kept] for name, values in arrays.items()})
            self._tables.append(table[kept].assign(split=split))

    def close(self) -> StoredNetworks:
        """Finish the files: "train.parquet" where there is one architecture, else "train-KEY.parquet"."""
        single = len({key for _, key in self._writers}) == 1
        stored = StoredNetworks(dropped=Dropped(duplicates=self._duplicates, diverged=self._diverged))
        for (split, key), writer in self._writers.items():
            writer.close()
            path = writer.path
            if single:
                path = path.rename(path.with_name(f"{split}.parquet"))
            name = path.relative_to(self.folder).as_posix()
            stored.files.append(describe_file(self.folder, name, split, key, writer.rows))
            stored.splits[split] = stored.splits.get(split, 0) + writer.rows
        stored.table = pd.concat(self._tables, ignore_index=True)
        return stored
