"""Property: read any column of a zoo's table off the weights; classes from text, values from numbers."""

from __future__ import annotations

from ...runtime.errors import BadInput
from ..task.column_task import ColumnTask


class Property(ColumnTask):
    """Logits or values, as the column's type is."""

    name = "property"
    version = 2  # 1: read from representations by least squares
    description = "Predict any column of the zoo's table, or the difference of two (--target)"

    def _target(self, given: str | None) -> str:
        if given is None:
            columns = ", ".join(name for name in self.zoo.manifest.columns if name not in ("id", "params", "image"))
            raise BadInput(f"task {self.name} takes --target COLUMN, for zoo {self.zoo.name} one of {columns}")
        return given
