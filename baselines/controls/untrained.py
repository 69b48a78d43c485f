"""The encoder of structure-reps as it is before any training."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...methods.structure_reps import StructureReps


class Untrained(StructureReps):
    """The same graph encoder with its initial parameters: what a trained one reads beyond it, training brought."""

    name = "untrained"
    tasks: ClassVar[tuple[str, ...]] = ("property",)

    epochs: Literal[0] = 0
