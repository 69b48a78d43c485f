"""What imported INRs have in common: their images are unknown, only the size in which to render them is known."""

from __future__ import annotations

from ...networks.architecture import Architecture
from ...storage.manifest import SourceInfo

IMAGE_SHAPES = {1: (28, 28), 3: (32, 32, 3)}  # by channels: MNIST and Fashion-MNIST, CIFAR-10


def image_source(citation: str) -> SourceInfo:
    """The images of a release that says nothing of their licence and checksum."""
    return SourceInfo(name="images", sha256=None, license="not stated by the release", citation=citation, classes=[])


def image_shape(arch: Architecture) -> tuple[int, ...] | None:
    """The size that an INR is rendered in; None for a network from other than two coordinates to 1 or 3 channels."""
    return IMAGE_SHAPES.get(arch.output_shape[0]) if arch.input_shape == (2,) else None
