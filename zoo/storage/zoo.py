"""`Zoo` and `Split`: a named, versioned collection of trained networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...runtime.errors import BadInput, unknown
from ..networks.architecture import Architecture
from ..networks.networks import Networks
from ..networks.rendering import pixel_grid, render
from .checksums import verify_files
from .manifest import Manifest, Rendering, SourceInfo, ZooFile, read_manifest
from .split_policies.across_architectures import ACROSS_ARCHITECTURES, architectures_of
from .split_policies.cross_fitting import CROSS_FITTED, FOLDS, fold_of, runs_of_fold
from .tables import read_table, read_tensors

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Split:
    """The networks of one split, in groups of one architecture each; `table` has one row per network, in that order.

    Arguments:
        files: where the networks lie.
        column: None when the files hold this split alone; else the column that tells which rows are of it.
        values: of that column, in the rows of this split; its own name where that is the column's text.
        shown: the columns of the table and arrays that can be seen; None for all.

    Example:
        >>> import weightbench as wb
        >>> train = wb.load_zoo("digits-inrs")["train"]
        >>> len(train.networks) == len(train.table) == len(train.ids)
        True
        >>> train.networks.params.shape[1], train.array("image").shape[1]
        (337, 64)
    """

    name: str
    folder: Path = field(repr=False)
    files: list[ZooFile] = field(repr=False)
    architectures: dict[str, Architecture] = field(repr=False)
    column: str | None = None
    values: tuple[Any, ...] = ()
    shown: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.table) if self.column else sum(file.rows for file in self.files)

    @cached_property
    def _tables(self) -> list[tuple[ZooFile, pd.DataFrame]]:
        """Of every file its rows of this split, by their numbers in the file; the architectures one after the other."""
        found = []
        for key in dict.fromkeys(file.architecture for file in self.files):
            for file in (file for file in self.files if file.architecture == key):
                table = read_table(self.folder, file).reset_index(drop=True).assign(architecture=key)
                found.append(
                    (file, table[table[self.column].isin(self.values or (self.name,))] if self.column else table)
                )
        return found

    def _tensors(self, column: str) -> list[tuple[str, Tensor]]:
        """A column of arrays, `[rows, length]`, file by file, with the file's architecture."""
        if self.shown is not None and column not in self.shown:
            raise KeyError(column)
        found = []
        for file, table in self._tables:
            values = read_tensors(self.folder, file)[column]
            found.append((file.architecture, values[table.index.tolist()] if self.column else values))
        return found

    @cached_property
    def groups(self) -> list[Networks]:
        """One `Networks` per architecture."""
        parts: dict[str, list[Tensor]] = {}
        for key, values in self._tensors("params"):
            parts.setdefault(key, []).append(values)
        return [Networks(self.architectures[key], p[0] if len(p) == 1 else torch.cat(p)) for key, p in parts.items()]

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

        found = pd.concat([table for _, table in self._tables], ignore_index=True)
        return found if self.shown is None else found[[name for name in found if name in self.shown]]

    @property
    def group_ids(self) -> list[list[str]]:
        """The ids of every group's networks."""
        found: dict[str, list[str]] = {}
        for file, table in self._tables:
            found.setdefault(file.architecture, []).extend(table["id"])
        return list(found.values())

    @property
    def ids(self) -> list[str]:
        """The id of every network, in the order of `table`."""
        return self.table["id"].tolist()

    def array(self, column: str) -> Tensor:
        """A column of arrays, `[rows, length]`, for instance `image`."""
        return torch.cat([values for _, values in self._tensors(column)])


@dataclass(frozen=True, eq=False)
class Zoo:
    """A verified zoo folder; `policy` names other splits than those of its files, see `with_splits`.

    Example:
        >>> import weightbench as wb
        >>> zoo = wb.load_zoo("digits-inrs")
        >>> list(zoo.splits), str(zoo.architectures[0])
        (['train', 'val', 'test'], 'mlp 2-16-16-1 sine')
        >>> zoo.render(zoo["test"].networks[:4]).shape
        torch.Size([4, 8, 8])
    """

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
        if self.policy == CROSS_FITTED:
            return {"test": self._split("test", self.manifest.files)}
        if (fold := fold_of(self.policy)) is not None:
            runs = runs_of_fold(self._runs, fold, self.name)
            return {name: self._split(name, self.manifest.files, "run", these) for name, these in runs.items()}
        if self.policy in ACROSS_ARCHITECTURES:
            keys = architectures_of(self.policy, self.manifest.architectures, self.name)
            return {n: self._split(n, [f for f in self.manifest.files if f.architecture in k]) for n, k in keys.items()}
        column = self.policy.replace("-", "_")
        return {n: self._split(n, self.manifest.files, column) for n in self.manifest.other_splits[self.policy]}

    def _split(self, name: str, files: list[ZooFile], column: str | None = None, values: tuple[Any, ...] = ()) -> Split:
        return Split(name, self.folder, files, self.manifest.architectures, column, values)

    @property
    def _runs(self) -> list[list[int]]:
        """The runs of each architecture."""
        if "run" not in self.manifest.columns:
            raise BadInput(f"zoo {self.name} names no runs: {CROSS_FITTED} takes a zoo of training runs")
        table = self._split("all", self.manifest.files).table
        return [sorted(set(part["run"].tolist())) for _, part in table.groupby("architecture", sort=False)]

    def with_splits(self, policy: str) -> Zoo:
        """The same networks in other splits.

        Arguments:
            policy: "across-runs" for those of the files, which hold whole runs. Of a snapshot zoo, "within-run":
                epochs of one run in every split, which leaks. Of any zoo of runs, "cross-fitted": all networks are
                the test split, and `folds` says by which fit each is read; "cross-fitted-2" is one of these folds.
                Of any zoo of several architectures, "across-depths", "across-widths" and "across-families": test holds
                architectures that are deeper, wider or of other operations than those of train.

        Raises BadInput when the zoo does not have such splits.
        """
        stored = self.manifest.other_splits
        if policy == "across-runs" and stored:
            return Zoo(self.folder, self.manifest, self.manifest_sha256)
        if policy == CROSS_FITTED or fold_of(policy) is not None:
            runs_of_fold(self._runs, 0, self.name)  # raises where the runs are too few
        elif policy in ACROSS_ARCHITECTURES:
            architectures_of(policy, self.manifest.architectures, self.name)  # raises where they are too much alike
        elif policy not in stored:
            raise unknown(f"split policy of zoo {self.name}", policy, [*stored, CROSS_FITTED, *ACROSS_ARCHITECTURES])
        return Zoo(self.folder, self.manifest, self.manifest_sha256, policy)

    @property
    def folds(self) -> Iterator[Zoo]:
        """The folds of a cross-fitted zoo, one after the other; the zoo itself under any other policy."""
        if self.policy != CROSS_FITTED:
            yield self
            return
        for fold in range(FOLDS):
            yield self.with_splits(f"{CROSS_FITTED}-{fold}")

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
    def coordinates(self) -> torch.Tensor:
        """Where `render` evaluates INRs, `[pixels, 2]`, row by row. Raises BadInput as `render` does."""
        height, width, *_ = self.source.image_shape or (0, 0)
        return pixel_grid(height, width, coordinates=self._rendering.coordinates)

    @property
    def _rendering(self) -> Rendering:
        if self.manifest.rendering is None:
            raise BadInput(f"zoo {self.name}: its networks do not encode images")
        return self.manifest.rendering

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the folder itself; the memory-mapped tensors are then shared, not copied."""
        return open_again, (self.folder.resolve(), self.manifest_sha256, self.policy)

    def __repr__(self) -> str:
        stored = self.manifest.splits if self.policy is None else self.manifest.other_splits.get(self.policy)
        rows = stored or {name: len(split) for name, split in self.splits.items()}
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
