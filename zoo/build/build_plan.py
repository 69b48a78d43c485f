"""What a build is, as data: every process makes the same builder from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipes.inr_recipe import INRRecipe
from ..recipes.raw_data import Source, load_source
from ..recipes.run_recipe import RunRecipe
from ..recipes.splits import split_items
from ..recipes.zoo_entry import ZooEntry
from ..training.inr_builder import INRBuilder
from ..training.run_builder import RunBuilder
from ..training.trainer import compiler
from ..training.zoo_builder import ZooBuilder


@dataclass(frozen=True)
class BuildPlan:
    """A build of an entry.

    Arguments:
        limit: how many source items over all splits; None for all.
        seed: of the initialisations; None for the recipe's.
        source_dir: with the raw data sets; None to download them.
    """

    entry: ZooEntry
    limit: int | None
    seed: int | None
    device: str
    source_dir: Path | None

    @property
    def chunk(self) -> int:
        """How many networks are trained together."""
        return self.entry.chunk[self.device.split(":")[0]]

    @property
    def engine(self) -> str:
        """What trains. A compiled step for each of many architectures would take longer than it saves."""
        recipe = self.entry.recipe
        return "eager" if isinstance(recipe, RunRecipe) and recipe.draws_architectures else compiler()

    def builder(self, sources: dict[str, Source] | None = None) -> ZooBuilder[Any]:
        """The builder, on `sources` or else on what `source_dir` holds. Raises BadInput for a missing source."""
        sources = sources or {name: load_source(name, self.source_dir) for name in self.entry.sources}
        recipe = self.entry.recipe.model_copy(update={} if self.seed is None else {"seed": self.seed})
        if isinstance(recipe, INRRecipe):
            (source,) = sources.values()
            parts = split_items(self.entry.splits, source, recipe.order, self.limit)
            return INRBuilder(recipe, source, parts, self.chunk, self.device, self.engine)
        return RunBuilder(recipe, sources, self.entry.splits, self.limit, self.chunk, self.device, self.engine)
