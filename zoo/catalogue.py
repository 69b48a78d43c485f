"""The standard zoos, one declarative entry each. A name and version stand for exactly one recipe, for ever."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .architecture import Architecture
from .errors import BadInput, unknown


@dataclass(frozen=True)
class INRRecipe:
    """How one SIREN is fitted to one image.

    Arguments:
        sizes: widths from the two coordinates to the channels.
        omega_0: frequency of the sine layers.
        output_offset: added to the network's output; targets are pixels in [0, 1].
        init: "dwsnets" (Navon et al. 2023; see `inrs.initial_params`).
        lr, steps: Adam, full batch over all pixels, mean squared error.
        copies: networks per image, with independent initialisations.
        seed: of the initialisations; each network's depends on (seed, item, copy) only.
    """

    sizes: tuple[int, ...]
    omega_0: float
    output_offset: float
    init: str
    lr: float
    steps: int
    copies: int
    seed: int = 0

    @property
    def architecture(self) -> Architecture:
        return Architecture.mlp(self.sizes, "sine", omega_0=self.omega_0, output_offset=self.output_offset)

    def to_dict(self) -> dict[str, Any]:
        fixed = {"kind": "inr", "optimizer": "adam", "loss": "mse", "grid": "linspace(-1, 1), (x, y)"}
        return fixed | asdict(self) | {"sizes": list(self.sizes)}


@dataclass(frozen=True)
class Entry:
    """A zoo of the catalogue.

    Arguments:
        source: key of `sources.SOURCES`; `source_sha256` is the checksum of its pixels and labels.
        splits: source items per split; the data set's own test images, where it has some, are the test split.
        chunk: networks fitted together, by kind of device.
        build_minutes: of the whole zoo on two CPU cores.
        embedded: small enough for `load_zoo` to build it on first use.
    """

    name: str
    version: str
    description: str
    source: str
    source_sha256: str
    splits: dict[str, int]
    recipe: INRRecipe
    chunk: dict[str, int]
    build_minutes: float
    embedded: bool = False

    @property
    def networks(self) -> int:
        return sum(self.splits.values()) * self.recipe.copies


CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            name="digits-inrs",
            version="1.0.0",
            description="SIRENs of scikit-learn's 8x8 digits, four per image",
            source="digits",
            source_sha256="87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
            splits={"train": 1437, "val": 180, "test": 180},
            recipe=INRRecipe((2, 16, 16, 1), 30.0, 0.5, "dwsnets", lr=5e-4, steps=300, copies=4),
            chunk={"cpu": 512, "cuda": 8192},
            build_minutes=0.6,
            embedded=True,
        ),
        Entry(
            name="mnist-inrs",
            version="1.0.0",
            description="SIRENs of all 70,000 MNIST images, after Navon et al. (2023)",
            source="mnist",
            source_sha256="c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83",
            splits={"train": 55_000, "val": 5_000, "test": 10_000},
            recipe=INRRecipe((2, 32, 32, 1), 30.0, 0.5, "dwsnets", lr=1e-3, steps=1500, copies=1),
            chunk={"cpu": 32, "cuda": 4096},
            build_minutes=250,
        ),
    )
}


def catalogue_entry(reference: str) -> Entry:
    """The entry for "name" or "name@version". Raises BadInput with the nearest names."""
    name, _, version = reference.partition("@")
    entry = CATALOGUE.get(name)
    if entry is None:
        raise unknown("zoo", name, CATALOGUE)
    if version and version != entry.version:
        raise BadInput(f"zoo {name!r} has version {entry.version}, not {version!r}")
    return entry
