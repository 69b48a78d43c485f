"""`ZooEntry`: a zoo of the catalogue, with the recipe of its networks. torch-free; unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from ...runtime.files import digest
from ..storage.manifest import RELEASE, ZOO_NAME
from .inr_recipe import INRRecipe
from .run_recipe import RunRecipe

BUILDER = "2"  # raised when the same recipe would give other networks

Recipe = Annotated[INRRecipe | RunRecipe, Field(discriminator="kind")]


class Mirror(BaseModel):
    """A place that serves a zoo: a data set repository "ORG/NAME" or its address, and the commit that holds the zoo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class ZooEntry(BaseModel):
    """A zoo of the catalogue, or of one's own TOML file.

    Arguments:
        name, version: stand for exactly one recipe, for ever.
        sources: raw data sets by name (`raw_data.SOURCES`), each with the checksum of its content; "" where the whole
            data set was never available, so that every build of it is called `+local`.
        splits: source items (INRs) or runs in each split; INRs keep a data set's own test images for the test split.
        chunk: networks trained together, by kind of device.
        build_minutes: measured for the whole zoo, by kind of device ("cpu" is at most two cores); absent: unmeasured.
        megabytes: size of the whole zoo on disk.
        embedded: small enough for `load_zoo` to build it on first use.
        changelog: what each version changed.
        manifest_sha256: of the published `zoo.json`, which holds all other checksums; None until there is one.
        mirrors: where it is published, in the order in which they are tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=f"^{ZOO_NAME}$")]
    version: Annotated[str, Field(pattern=f"^{RELEASE}$")]
    description: str
    sources: dict[str, str]
    splits: dict[str, PositiveInt]
    chunk: dict[str, PositiveInt]
    build_minutes: dict[str, float] = {}
    megabytes: int | None = None
    embedded: bool = False
    changelog: dict[str, str] = {}
    manifest_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    mirrors: tuple[Mirror, ...] = ()
    recipe: Recipe

    @model_validator(mode="after")
    def _is_pinned_where_published(self) -> ZooEntry:
        if bool(self.mirrors) != bool(self.manifest_sha256):
            raise ValueError("a published zoo has both manifest_sha256 and mirrors, another neither")
        return self

    @model_validator(mode="after")
    def _splits_are_filled(self) -> ZooEntry:
        if isinstance(self.recipe, RunRecipe):
            runs = self.recipe.runs(list(self.sources))
            if runs != sum(self.splits.values()):
                raise ValueError(f"splits share out {sum(self.splits.values())} runs, the recipe makes {runs}")
        elif set(self.recipe.copies) != set(self.splits):
            raise ValueError(f"copies name {sorted(self.recipe.copies)}, splits {sorted(self.splits)}")
        return self

    @property
    def networks(self) -> int:
        """How many networks the whole zoo has, before duplicates are dropped."""
        if isinstance(self.recipe, RunRecipe):
            return sum(self.splits.values()) * len(self.recipe.kept_epochs)
        return sum(items * self.recipe.copies[split] for split, items in self.splits.items())

    @property
    def members(self) -> dict[str, int]:
        """How many fits or runs each split of the whole zoo has."""
        copies = {} if isinstance(self.recipe, RunRecipe) else self.recipe.copies
        return {split: items * copies.get(split, 1) for split, items in self.splits.items()}

    @property
    def recipe_sha256(self) -> str:
        """What identifies everybody's build of the whole zoo from the catalogue's raw data."""
        return recipe_digest(self.name, self.version, self.build_dict(None, self.members, self.sources))

    def build_dict(self, seed: int | None, members: dict[str, int], sources: dict[str, str]) -> dict[str, Any]:
        """How a build's networks are made, the `recipe` of its `zoo.json`.

        Arguments:
            seed: in place of the recipe's own; None for that.
            members: how many fits or runs each split has.
            sources: checksums of the raw data sets.
        """
        return self.recipe_dict(seed) | {"splits": members, "sources": sources}

    def recipe_dict(self, seed: int | None = None) -> dict[str, Any]:
        """The recipe as JSON, with `seed` in place of its own if given."""
        return self.recipe.model_copy(update={} if seed is None else {"seed": seed}).model_dump(
            mode="json", exclude_none=True
        )


def recipe_digest(name: str, version: str, recipe: dict[str, Any]) -> str:
    """The `recipe_sha256` of a zoo: name, version and recipe, and how this version of the builder reads that."""
    return digest({"name": name, "version": version, "builder": BUILDER} | recipe)
