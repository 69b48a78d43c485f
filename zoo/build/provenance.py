"""What a zoo on this machine was made from: its recipe and raw data, and so what can evaluate its networks anew."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ...runtime.errors import BadInput
from ..recipes.inr_recipe import INRRecipe
from ..recipes.raw_data import Source, load_source, raw_data_dir
from ..recipes.run_recipe import RunRecipe
from ..recipes.zoo_entry import Recipe
from ..storage.zoo import Zoo
from ..training.inr_evaluation import INREvaluator
from ..training.run_evaluation import RunEvaluator


def evaluator_of(zoo: Zoo, source_dir: Path | None = None) -> INREvaluator | RunEvaluator:
    """What measures a zoo's networks on its raw data. Raises BadInput where recipe or raw data cannot be found."""
    recipe, sources = recipe_of(zoo), sources_of(zoo, source_dir)
    if isinstance(recipe, INRRecipe):
        (source,) = sources.values()
        return INREvaluator(recipe, source, "cpu")
    return RunEvaluator(recipe, sources, "cpu")


def recipe_of(zoo: Zoo) -> INRRecipe | RunRecipe:
    """How a zoo's networks were trained. Raises BadInput for imported ones, and for a recipe that cannot be read."""
    if zoo.manifest.imported:
        raise BadInput(f"{zoo.folder}: was imported, without the data that its scores come from")
    content = {key: value for key, value in zoo.manifest.recipe.items() if key not in ("splits", "sources")}
    try:
        recipe: INRRecipe | RunRecipe = TypeAdapter(Recipe).validate_python(content)
    except ValidationError:
        raise BadInput(f"{zoo.folder}: its recipe is of another version of WeightBench, which can derive it") from None
    return recipe


def sources_of(zoo: Zoo, source_dir: Path | None = None) -> dict[str, Source]:
    """A zoo's raw data by name. Raises BadInput where they are missing or others than the zoo was made from."""
    sources = {info.name: load_source(info.name, raw_data_dir(source_dir)) for info in zoo.manifest.sources}
    for info in zoo.manifest.sources:
        if sources[info.name].sha256 != info.sha256:
            raise BadInput(
                f"{zoo.folder}: was made from other {info.name} data (checksum {info.sha256}): "
                "give them with --source-dir or WEIGHTBENCH_SOURCE_DIR"
            )
    return sources
