"""Datasheets: every zoo has one, of what its recipe says; built or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from weightbench.zoo.recipes.catalogue import catalogue, facts_of
from weightbench.zoo.recipes.zoo_entry import ZooEntry
from weightbench.zoo.storage.datasheet import datasheet

SECTIONS = ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_every_standard_zoo_has_one(entry: ZooEntry) -> None:
    found = datasheet(facts_of(entry))
    assert list(found) == SECTIONS
    assert f"{entry.networks:,} networks" in found["Composition"]
    assert f"`weightbench zoo build {entry.name}`" in found["Collection"]
    assert all(source in found["Distribution"] for source in entry.sources)
    images_inside = "can be rendered" in found["Composition"]
    assert images_inside == (entry.recipe.kind == "inr")
    assert not any("  " in text or "{" in text for text in found.values())


def test_of_a_built_zoo_it_is_on_its_card_and_counts_what_is_there(small_zoo: Path, cli) -> None:
    code, text, _ = cli("zoo", "info", small_zoo, "--datasheet")
    assert code == 0
    assert "- **Composition.** 240 networks of one architecture, 337 parameters" in text
    assert "Kept out: 0 duplicates, 0 that diverged." in text
    assert text.strip() in (small_zoo / "README.md").read_text()
    code, text, _ = cli("zoo", "info", "mnist-inrs", "--datasheet")  # not on this machine
    assert code == 0
    assert text.count("- **") == len(SECTIONS)
