"""The datasheet of a zoo: the questions of Gebru et al. (Communications of the ACM, 2021), answered from its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..networks.architecture import Architecture
from .manifest import Manifest, SourceInfo

Kind = Literal["inr", "snapshots", "population", "import"]
MOTIVATION: dict[Kind, str] = {
    "inr": "Made to ask what the weights of an implicit neural representation tell of the image that it encodes, and "
    "to edit images through weights.",
    "snapshots": "Made to ask what the weights of a network tell of its training and accuracy, at every epoch of it.",
    "population": "Made to ask what the weights of a network tell of its accuracy and of the hyperparameters that it "
    "was trained with.",
    "import": "The networks were made elsewhere, for the purpose that their source says; here they are in the form "
    "that WeightBench reads.",
}
USES: dict[Kind, str] = {
    "inr": "The tasks `inr-classification`, `inr-dilation`, `neuron-alignment`, and `property` of any column.",
    "snapshots": "The tasks `accuracy-decoding` and `generalization-gap`, `neuron-alignment` along a run or between "
    "runs, and those about a column of the table. Neighbouring epochs of a run are nearly equal: a split that does not "
    "keep runs whole measures how well they are recognised.",
    "population": "The tasks `accuracy-decoding`, `generalization-gap`, `network-classification`, `network-retrieval` "
    "and `property` of a hyperparameter, and `neuron-alignment`.",
    "import": "The tasks that its table has columns for.",
}
NOT_FOR = (
    "The networks are small, and trained briefly: they are objects of study, not models to be used, and what holds for "
    "them need not hold for large ones."
)


@dataclass(frozen=True)
class ZooFacts:
    """What a datasheet is made from.

    Arguments:
        networks: how many, over all splits.
        recipe: as in `zoo.json`.
        kept_out: networks that are not in the zoo, in words; "" before it is built.
    """

    name: str
    networks: int
    architectures: dict[str, Architecture]
    recipe: dict[str, Any]
    sources: list[SourceInfo]
    kept_out: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> ZooFacts:
        """Those of a zoo that is there."""
        duplicates, diverged = manifest.dropped.duplicates, len(manifest.dropped.diverged)
        kept_out = f"Kept out: {duplicates} duplicates, {diverged} that diverged."
        networks = sum(file.rows for file in manifest.files)
        return cls(manifest.name, networks, manifest.architectures, manifest.recipe, manifest.sources, kept_out)

    @property
    def kind(self) -> Kind:
        """What a network of the zoo is."""
        if self.recipe["kind"] == "runs":
            return "snapshots" if self.recipe.get("checkpoints") is None else "population"
        return "inr" if self.recipe["kind"] == "inr" else "import"


def datasheet(zoo: ZooFacts) -> dict[str, str]:
    """A paragraph for each of the seven sections, by heading."""
    return {
        "Motivation": MOTIVATION[zoo.kind],
        "Composition": " ".join([_networks(zoo), _content(zoo), zoo.kept_out]).strip(),
        "Collection": _collection(zoo),
        "Preprocessing": _preprocessing(zoo),
        "Uses": f"{USES[zoo.kind]} {NOT_FOR}",
        "Distribution": _distribution(zoo),
        "Maintenance": "A name and version stand for one content for ever; a change of recipe or data is a new "
        "version, and the changelog says what changed. Mistakes are reported as issues of WeightBench.",
    }


def datasheet_markdown(zoo: ZooFacts) -> str:
    """The datasheet as a list."""
    return "\n".join(f"- **{heading}.** {text}" for heading, text in datasheet(zoo).items())


def _networks(zoo: ZooFacts) -> str:
    sizes = sorted({arch.num_params for arch in zoo.architectures.values()})
    parameters = f"{sizes[0]:,}" + (f" to {sizes[-1]:,}" if len(sizes) > 1 else "")
    count = len(zoo.architectures)
    of = "one architecture" if count == 1 else f"{count} architectures"
    one = {
        "inr": "fitted to one image",
        "snapshots": "one epoch of one training run",
        "population": "a checkpoint of one training run",
        "import": "a row of the published collection",
    }[zoo.kind]
    return f"{zoo.networks:,} networks of {of}, {parameters} parameters; each is {one}."


def _content(zoo: ZooFacts) -> str:
    """What the networks hold of the data behind them."""
    data = _listed([source.name for source in zoo.sources])
    if zoo.kind == "inr":
        return (
            f"A network can be rendered: the images of {data} are in the zoo, and what is said of those is said of it."
        )
    if zoo.kind == "import":
        return f"Trained on {data}." if zoo.sources else "What they were trained on is not recorded."
    return f"No item of {data} is in the zoo, but trained networks may remember some."


def _collection(zoo: ZooFacts) -> str:
    recipe = zoo.recipe
    if zoo.kind == "import":
        return "Read from published files, whose weights are stored as they are; nothing in those files was run."
    if zoo.kind == "inr":
        copies = _listed([f"{number} for each image of {split}" for split, number in recipe["copies"].items()])
        how = f"{recipe['steps']:,} steps of Adam on all pixels of an image; networks: {copies}."
    else:
        kept = recipe.get("checkpoints")
        epochs = "every epoch" if kept is None else f"epoch{'s' * (len(kept) > 1)} {_listed([str(n) for n in kept])}"
        how = f"{recipe['epochs']} epochs in batches of {recipe['batch_size']}; kept: {epochs}."
    again = f"`weightbench zoo build {zoo.name}` makes them again."
    return f"Trained by WeightBench as the recipe says: {how} All random numbers come from its seed. {again}"


def _preprocessing(zoo: ZooFacts) -> str:
    recipe = zoo.recipe
    if zoo.kind == "import":
        return "Tensors are put into state-dict order; labels and figures are those of the published files."
    if zoo.kind == "inr":
        low, high = recipe["target_range"]
        data = f"Pixels from {low:g} to {high:g}, coordinates ({', '.join(recipe['coordinates'])}) from -1 to 1."
    else:
        items = f"{recipe['train_items']:,} training and {recipe['test_items']:,} test items"
        data = (
            f"At most {items} of a source, images from -1 to 1, features and values standardised by the training items."
        )
    return f"{data} Networks are stored as they were trained; those that diverged or are equal to another are left out."


def _distribution(zoo: ZooFacts) -> str:
    licences = _listed([f"{source.license} ({source.name})" for source in zoo.sources])
    said = f"The licences of the source data hold: {licences}." if zoo.sources else "No licence is recorded."
    return f"{said} Recipes and code of WeightBench have the MIT licence. Data files are parquet, without code."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
