"""INR classification: which class does the image belong to that this INR encodes? (Navon et al. 2023, section 7.1)"""

from __future__ import annotations

from ..task import Classification


class INRClassification(Classification):
    name = "inr-classification"
    description = "Tell the class of an image from the weights of its INR"
    target = "label"
    needs = ("label", "image")


TASK = INRClassification
