"""Network classification: which optimiser, data set, architecture or initialisation made this network?"""

from __future__ import annotations

from .property import Property


class NetworkClassification(Property):
    """Logits over the values of a column of text."""

    name = "network-classification"
    version = 1
    family = "property"
    description = "Tell how a network was made: its optimizer, source, variant or init (--target)"
    output, metric = "logits", "accuracy"
    kinds = ("classes",)
