"""What an importer finds before it reads a single weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...networks.architecture import Architecture
from ...storage.manifest import Rendering, SourceInfo
from .network_reader import NetworkReader

# Columns that have a meaning, all text.
FILE, GROUP, SPLIT, ARCHITECTURE = "file", "group", "split", "architecture"
MAX_CLASSES = 10_000
UNKNOWN_SOURCE = SourceInfo(name="unknown", sha256=None, license="not stated", citation="Not stated", classes=[])


class ImportedNetwork(NamedTuple):
    """One network as it was read from a file.

    Attributes:
        key: of its architecture; None for the one that follows from the architecture.
        params: float32 `[P]`.
        extra: columns that only its file knows.
    """

    key: str | None
    arch: Architecture
    params: np.ndarray
    extra: Mapping[str, Any] = {}


ReadNetworks = Callable[[pd.DataFrame], Sequence[ImportedNetwork]]


@dataclass
class NetworkListing:
    """The networks of a folder in their order.

    Arguments:
        table: one row per network: `id`; `file`, its path in the folder (and row); `group`, whose networks go to one
            split; `split` ("" where it is free); then the columns that the zoo will have.
        read: the networks of some rows of the table.
        columns: what these columns mean.
        reader: how tensors are read; its notes are what was assumed.
        source: the data that the networks were trained on, as far as it is known.
        split_rule: what the splits keep apart, a sentence.
        strata: a column of which every split gets its share.
        labels: a CSV that lies beside the networks, for where none is given.
        reads_architecture: `read` heeds the column `architecture`, the key of one of several that are described.
        largest_file: in bytes, where a network may be so large that few are read at once.
    """

    table: pd.DataFrame
    read: ReadNetworks
    columns: dict[str, str]
    reader: NetworkReader
    source: SourceInfo
    split_rule: str
    rendering: Rendering | None = None
    strata: str | None = None
    labels: Path | None = None
    reads_architecture: bool = False
    largest_file: int = 0
    notes: list[str] = field(default_factory=list)
