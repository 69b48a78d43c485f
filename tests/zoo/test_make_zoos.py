"""Zoos that a run needs and that are not here are made side by side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weightbench.runtime.errors import BadInput
from weightbench.runtime.files import cache_dir, make_folder
from weightbench.zoo.load_zoo import make_zoos

NAMES = ["moons-mlps", "digits-mlps"]


@pytest.fixture
def _places_taken() -> Iterator[None]:
    """Where these zoos would be built lie files."""
    places = [make_folder(cache_dir() / "zoos") / f"{name}@1.0.0" for name in NAMES]
    for place in places:
        place.write_text("taken")
    yield
    for place in places:
        place.unlink()


@pytest.mark.usefixtures("_places_taken")
def test_several_are_made_by_other_processes_whose_refusals_arrive_here() -> None:
    with pytest.raises(BadInput, match="is not empty and not a zoo"):
        make_zoos(NAMES, jobs=2)
    make_zoos(NAMES, jobs=1)  # one at a time is left to `load_zoo`
    make_zoos([NAMES[0], "mnist-inrs", "of/somebody"], jobs=2)  # as are a single one, and what is not built on demand
