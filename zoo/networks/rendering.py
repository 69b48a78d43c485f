"""From implicit neural representations (INRs) to the images that they encode."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .networks import Networks

Coordinates = Literal["xy", "ij"]


def pixel_grid(height: int, width: int, *, coordinates: Coordinates = "xy") -> Tensor:
    """Coordinates of the pixels' centres, row by row, `[height * width, 2]`, each axis from -1 to 1.

    "xy" puts the column first, "ij" the row.
    """
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y] if coordinates == "xy" else [y, x], -1).reshape(-1, 2)


def render(networks: Networks, image_shape: tuple[int, ...], coordinates: Coordinates = "xy") -> Tensor:
    """The images that INRs encode, `[B, *image_shape]`; omega_0 and the output offset are part of the networks.

    `Zoo.render` knows a zoo's image shape and coordinates.

    Example:
        >>> import torch
        >>> import weightbench as wb
        >>> arch = wb.Architecture.mlp((2, 16, 1), "sine", omega_0=30.0)
        >>> wb.render(wb.Networks(arch, torch.randn(3, arch.num_params)), (8, 8)).shape
        torch.Size([3, 8, 8])
    """
    grid = pixel_grid(image_shape[0], image_shape[1], coordinates=coordinates).to(networks.params)
    return networks.forward(grid).reshape(len(networks), *image_shape)
