"""`INRRecipe`: how implicit neural representations are fitted. torch-free; unknown fields are refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt

from ..networks.architecture import Architecture

INRInit = Literal["dwsnets", "siren"]


class INRRecipe(BaseModel):
    """How one SIREN is fitted to one image: Adam, full batch over all pixels, mean squared error.

    Arguments:
        sizes: widths from the two coordinates to the channels.
        omega_0: frequency of the sine layers.
        output_offset: added to the network's output.
        init: "dwsnets" (Navon et al. 2023) or "siren" (Sitzmann et al. 2020); see `initialisation.initial_params`.
        coordinates: "xy" (column, row) or "ij" (row, column), each from -1 to 1.
        target_range: what black and white are fitted to.
        lr, steps: of Adam.
        copies: networks per image in each split, with independent initialisations.
        order: "shuffled" or "index", how the data set's images are cut into splits.
        seed: of the initialisations; each network's depends on (seed, item, copy) only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["inr"] = "inr"
    sizes: tuple[PositiveInt, ...]
    omega_0: PositiveFloat = 30.0
    output_offset: float = 0.0
    init: INRInit
    coordinates: Literal["xy", "ij"] = "xy"
    target_range: tuple[float, float] = (0.0, 1.0)
    lr: PositiveFloat
    steps: PositiveInt
    copies: dict[str, PositiveInt]
    order: Literal["shuffled", "index"] = "shuffled"
    seed: NonNegativeInt = 0

    @property
    def architectures(self) -> dict[str, Architecture]:
        """The one architecture, under the key "siren"."""
        return {
            "siren": Architecture.mlp(self.sizes, "sine", omega_0=self.omega_0, output_offset=self.output_offset),
        }
