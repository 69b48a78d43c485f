"""Ranges of hyperparameters as types of fields, beside pydantic's own `PositiveInt` and `NonNegativeInt`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFinite = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]
