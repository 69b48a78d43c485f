"""INR classification: which class does the image belong to that this INR encodes? (Navon et al. 2023, section 7.1)"""

from __future__ import annotations

from ..task.column_task import ColumnTask


class INRClassification(ColumnTask):
    """Logits over the classes of the source images."""

    name = "inr-classification"
    description = "Tell the class of an image from the weights of its INR"
    needs = ("label",)
    fixed_target = "label"
    inputs_may_move = True
    output, metric = "logits", "accuracy"
