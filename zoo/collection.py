"""`Zoo` and `Split`: a named, versioned collection of trained networks, and `load_zoo`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .architecture import Architecture
from .manifest import Manifest, SourceInfo, ZooFile, read_manifest
from .networks import Networks
from .storage import read_table, read_tensors, verify_files

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Split:
    """The networks of one split, in groups of one architecture each; `table` has one row per network, in that order."""

    name: str
    folder: Path = field(repr=False)
    files: list[ZooFile] = field(repr=False)
    architectures: dict[str, Architecture] = field(repr=False)

    def __len__(self) -> int:
        return sum(file.rows for file in self.files)

    @cached_property
    def _tensors(self) -> list[dict[str, Tensor]]:
        return [read_tensors(self.folder, file) for file in self.files]

    @cached_property
    def groups(self) -> list[Networks]:
        """One `Networks` per architecture."""
        pairs = zip(self.files, self._tensors, strict=True)
        return [Networks(self.architectures[file.architecture], tensors["params"]) for file, tensors in pairs]

    @property
    def networks(self) -> Networks:
        """The networks of a split with a single architecture. Raises ValueError where there are several."""
        if len(self.groups) != 1:
            raise ValueError(f"split {self.name!r} holds {len(self.groups)} architectures: use .groups")
        return self.groups[0]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per network: `id`, labels and figures, plus `architecture`."""
        import pandas as pd

        tables = [read_table(self.folder, file).assign(architecture=file.architecture) for file in self.files]
        return pd.concat(tables, ignore_index=True)

    @property
    def ids(self) -> list[str]:
        return self.table["id"].tolist()

    def array(self, column: str) -> Tensor:
        """A column of arrays, `[rows, length]`, for instance `image`."""
        return torch.cat([tensors[column] for tensors in self._tensors])


@dataclass(frozen=True, eq=False)
class Zoo:
    """A verified zoo folder."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def source(self) -> SourceInfo:
        return self.manifest.source

    @property
    def architectures(self) -> list[Architecture]:
        return list(self.manifest.architectures.values())

    @cached_property
    def splits(self) -> dict[str, Split]:
        return {
            name: Split(
                name,
                self.folder,
                [file for file in self.manifest.files if file.split == name],
                self.manifest.architectures,
            )
            for name in self.manifest.splits
        }

    def __getitem__(self, split: str) -> Split:
        return self.splits[split]

    def images(self, split: str) -> Tensor:
        """The source image of every network of a split in [0, 1], `[rows, *image_shape]`.

        Raises KeyError for a zoo whose networks do not encode images.
        """
        return self.splits[split].array("image").view(-1, *self.source.image_shape) / self.source.image_max

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {rows:,}" for name, rows in self.manifest.splits.items())
        return f"Zoo({self.name}@{self.version}: {sizes})"


def open_zoo(folder: Path, *, always_hash: bool = False) -> Zoo:
    """The zoo in `folder`, its files verified. Raises BadInput for a damaged one."""
    manifest, sha256 = read_manifest(folder)
    verify_files(folder, manifest, always_hash=always_hash)
    return Zoo(folder, manifest, sha256)
