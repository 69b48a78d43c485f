"""`Zoo` and `Split`: a named, versioned collection of trained networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ..networks.architecture import Architecture
from ..networks.networks import Networks
from ..networks.rendering import render
from .checksums import verify_files
from .manifest import Manifest, Rendering, SourceInfo, ZooFile, read_manifest
from .tables import read_table, read_tensors

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Split:
    """The networks of one split, in groups of one architecture each; `table` has one row per network, in that order.

    Arguments:
        files: where the networks lie.
        column: None when the files hold this split alone; else the column that names each row's split.
        shown: the columns of the table and arrays that can be seen; None for all.
    """

    name: str
    folder: Path = field(repr=False)
    files: list[ZooFile] = field(repr=False)
    architectures: dict[str, Architecture] = field(repr=False)
    column: str | None = None
    shown: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.table) if self.column else sum(file.rows for file in self.files)

    @cached_property
    def _by_architecture(self) -> list[tuple[str, pd.DataFrame, dict[str, Tensor]]]:
        """Architecture, table and tensors of every group."""
        import pandas as pd

        groups = []
        for key in dict.fromkeys(file.architecture for file in self.files):
            tables, tensors = [], []
            for file in (file for file in self.files if file.architecture == key):
                table, arrays = read_table(self.folder, file), read_tensors(self.folder, file)
                if self.column:
                    rows = np.flatnonzero(table[self.column] == self.name)
                    table, arrays = table.iloc[rows], {name: values[rows] for name, values in arrays.items()}
                tables.append(table)
                tensors.append(arrays)
            joined = tensors[0] if len(tensors) == 1 else {n: torch.cat([t[n] for t in tensors]) for n in tensors[0]}
            table = pd.concat(tables, ignore_index=True).assign(architecture=key)
            if self.shown is not None:
                table = table[[name for name in table if name in self.shown]]
                joined = {name: values for name, values in joined.items() if name in self.shown}
            groups.append((key, table, joined))
        return groups

    @cached_property
    def groups(self) -> list[Networks]:
        """One `Networks` per architecture."""
        return [Networks(self.architectures[key], tensors["params"]) for key, _, tensors in self._by_architecture]

    @property
    def networks(self) -> Networks:
        """The networks of a split with a single architecture. Raises ValueError where there are several."""
        if len(self.groups) != 1:
            raise ValueError(f"split {self.name!r} holds {len(self.groups)} architectures: use .groups")
        return self.groups[0]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per network: `id`, labels, scores and hyperparameters, plus `architecture`."""
        import pandas as pd

        return pd.concat([table for _, table, _ in self._by_architecture], ignore_index=True)

    @property
    def group_ids(self) -> list[list[str]]:
        """The ids of every group's networks."""
        return [table["id"].tolist() for _, table, _ in self._by_architecture]

    @property
    def ids(self) -> list[str]:
        """The id of every network, in the order of `table`."""
        return self.table["id"].tolist()

    def array(self, column: str) -> Tensor:
        """A column of arrays, `[rows, length]`, for instance `image`."""
        return torch.cat([tensors[column] for _, _, tensors in self._by_architecture])


@dataclass(frozen=True, eq=False)
class Zoo:
    """A verified zoo folder; `policy` names other splits than those of its files, see `with_splits`."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str
    policy: str | None = None

    @property
    def name(self) -> str:
        """For instance "digits-inrs"."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """For instance "1.0.0"; with "+local" for a build from other raw data than the catalogue's."""
        return self.manifest.version

    @property
    def source(self) -> SourceInfo:
        """The data that the networks were trained on; the first data set where there are several."""
        return self.manifest.sources[0]

    @property
    def architectures(self) -> list[Architecture]:
        """The architectures of the networks, in the order of the manifest."""
        return list(self.manifest.architectures.values())

    @cached_property
    def splits(self) -> dict[str, Split]:
        """The splits by name: those of the files, or those of `policy`."""
        if self.policy is None:
            chosen = {n: [f for f in self.manifest.files if f.split == n] for n in self.manifest.splits}
            return {name: self._split(name, files) for name, files in chosen.items()}
        return {n: self._split(n, self.manifest.files) for n in self.manifest.other_splits[self.policy]}

    def _split(self, name: str, files: list[ZooFile]) -> Split:
        column = self.policy.replace("-", "_") if self.policy else None
        return Split(name, self.folder, files, self.manifest.architectures, column)

    def with_splits(self, policy: str) -> Zoo:
        """The same networks in other splits that the zoo stores.

        Arguments:
            policy: "within-run" for a snapshot zoo: epochs of one run in every split, which leaks; its own splits,
                "across-runs", hold whole runs.

        Raises BadInput when the zoo does not store such splits.
        """
        if policy == "across-runs" and self.manifest.other_splits:
            return Zoo(self.folder, self.manifest, self.manifest_sha256)
        if policy not in self.manifest.other_splits:
            raise unknown(f"split policy of zoo {self.name}", policy, self.manifest.other_splits)
        return Zoo(self.folder, self.manifest, self.manifest_sha256, policy)

    def __getitem__(self, split: str) -> Split:
        return self.splits[split]

    def images(self, split: str) -> Tensor:
        """The source image of every network of a split in [0, 1], `[rows, *image_shape]`.

        Raises BadInput for a zoo whose networks do not encode images, and for an imported one, which has only networks.
        """
        _, shape = self._rendering, self.source.image_shape or ()
        if "image" not in self.manifest.columns:
            raise BadInput(f"zoo {self.name}: holds no source images: build a zoo of INRs with `weightbench zoo build`")
        return self.splits[split].array("image").view(-1, *shape) / (self.source.image_max or 1)

    def render(self, networks: Networks) -> Tensor:
        """What INRs of this zoo encode, `[B, *image_shape]`, black at 0 and white at 1 whatever they were fitted to.

        Raises BadInput for a zoo whose networks do not encode images.
        """
        low, high = self._rendering.target_range
        images = render(networks, self.source.image_shape or (), self._rendering.coordinates)
        return images if (low, high) == (0, 1) else (images - low) / (high - low)

    @property
    def _rendering(self) -> Rendering:
        if self.manifest.rendering is None:
            raise BadInput(f"zoo {self.name}: its networks do not encode images")
        return self.manifest.rendering

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the folder itself; the memory-mapped tensors are then shared, not copied."""
        return open_again, (self.folder.resolve(), self.manifest_sha256, self.policy)

    def __repr__(self) -> str:
        rows = self.manifest.splits if self.policy is None else self.manifest.other_splits[self.policy]
        sizes = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        return f"Zoo({self.name}@{self.version}: {sizes})"


def open_zoo(folder: Path, *, always_hash: bool = False) -> Zoo:
    """The zoo in `folder`, its files verified. Raises BadInput for a damaged one."""
    manifest, sha256 = read_manifest(folder)
    verify_files(folder, manifest, always_hash=always_hash)
    return Zoo(folder, manifest, sha256)


@lru_cache(maxsize=8)
def open_again(folder: Path, manifest_sha256: str, policy: str | None) -> Zoo:
    """A zoo that another process has open. Raises BadInput where the folder holds something else by now."""
    zoo = open_zoo(folder)
    if zoo.manifest_sha256 != manifest_sha256:
        raise BadInput(f"{folder}: holds another build of {zoo.name}@{zoo.version} than the one expected: remove it")
    return zoo.with_splits(policy) if policy else zoo
