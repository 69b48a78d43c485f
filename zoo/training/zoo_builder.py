"""What the two kinds of builders have in common: members in chunks, trained segment by segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from ..networks.architecture import Architecture
from ..recipes.raw_data import Source

Arrays = dict[str, np.ndarray]
Member = TypeVar("Member")


class ZooBuilder(Protocol[Member]):
    """Trains the members of a zoo (fits of an image, training runs), each of which gives one network or more."""

    @property
    def sources(self) -> dict[str, Source]:
        """The raw data by name."""
        ...

    @property
    def architectures(self) -> dict[str, Architecture]:
        """Of the members, by key."""
        ...

    @property
    def columns(self) -> dict[str, str]:
        """The table's columns with their meaning."""
        ...

    @property
    def engine(self) -> str:
        """What trains: "inductor" or "eager"."""
        ...

    @property
    def members(self) -> dict[str, list[Member]]:
        """By split, in the order in which they are stored."""
        ...

    @property
    def chunks(self) -> list[list[Member]]:
        """Members that are trained together; all of one architecture."""
        ...

    @property
    def segments(self) -> int:
        """Parts of a member's training; each is kept when done, so that an interrupted build goes on there."""
        ...

    @property
    def networks(self) -> int:
        """How many networks the members give."""
        ...

    def fit(
        self, chunk: list[Member], segment: int, state: Arrays, advance: Callable[..., None]
    ) -> tuple[Arrays, Arrays]:
        """Train one segment; `state` is empty before the first.

        Returns rows `[len(chunk), networks, ...]`, `params` and scores, and the state that the next segment needs.
        """
        ...

    def architecture(self, member: Member) -> str:
        """The key of the member's architecture."""
        ...

    def describe(self, members: list[Member], rows: list[Arrays]) -> tuple[pd.DataFrame, Arrays]:
        """The table of the members' networks, and their array columns `[networks, length]`, `params` among them."""
        ...

    def quality(self, table: pd.DataFrame) -> dict[str, float]:
        """Summary statistics of the scores, from the whole table."""
        ...
