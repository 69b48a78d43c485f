"""Editing by fitting: render the INR, dilate the picture, and train the network on that. The ceiling of editors."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor

from ...methods.contract.method import Method
from ...methods.contract.network_checks import require_finite
from ...methods.contract.parameter_ranges import PositiveFinite
from ...methods.contract.task_view import TaskView
from ...runtime.errors import BadInput
from ...runtime.progress import track
from ...zoo.networks.architecture import Architecture
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split
from ...zoo.training.inr_fitter import INRFitter
from ...zoo.training.trainer import compiler

COMPILING = 100_000  # steps of one network each, all together: fewer end before a compiled step is there


def dilated(images: Tensor) -> Tensor:
    """The 3x3 dilation of grey images `[B, height, width]`: the largest of a pixel and its neighbours.

    On the method's device; the task's own, of arrays, lies a floor above, where no method may look.
    """
    found: Tensor = torch.nn.functional.max_pool2d(images[:, None], 3, stride=1, padding=1)[:, 0]
    return found


class Refit(Method):
    """Adam on the parameters of each network, from where they are, towards its own dilated rendering.

    It learns nothing from the training networks, and takes as long for a network as its first fit did: what a single
    pass of an editor is measured against. Its error is what the fit of the network and that of the edit leave.

    Fields:
        steps: of full-batch gradient descent for each network.
        lr: of Adam.
        batch_size: networks that are trained side by side, each as if alone; on a CPU fewer, as its cache holds.
    """

    name = "refit"
    tasks = ("inr-dilation",)

    steps: PositiveInt = 1500
    lr: PositiveFinite = 1e-3
    batch_size: PositiveInt = 256

    def check(self, task: TaskView) -> None:
        """Refuse networks of colour images. Raises BadInput."""
        super().check(task)
        for arch in task.architectures:
            if arch.output_shape != (1,):
                raise BadInput(f"refit dilates INRs of grey images, not {arch}")

    def fit(self, task: TaskView, train: Split, val: Split, *, seed: int, device: str) -> None:
        """There is nothing to learn; how the zoo's networks are rendered is kept."""
        self.render, self.pixels, self.device = task.render, task.coordinates.to(device), device
        self.fitters: dict[tuple[Architecture, str], INRFitter] = {}

    @torch.no_grad()
    def predict(self, networks: Networks) -> Networks:
        """The networks after `steps` steps, `[B, P]`."""
        fitter = self._fitter(networks)
        block = fitter.largest_block(self.batch_size)
        found = [networks.params[:0]]
        with track(self.name, len(networks), "networks") as advance:
            for params in require_finite(networks, self.name).params.split(self.batch_size):
                start = Networks(networks.arch, params.to(self.device))
                wanted = dilated(self.render(start)).flatten(1).unsqueeze(-1)
                found.append(fitter.fit(start.params, wanted, steps=self.steps, block=block, advance=advance).cpu())
        return Networks(networks.arch, torch.cat(found))

    def _fitter(self, networks: Networks) -> INRFitter:
        """That of the architecture, whose step is compiled once."""
        engine = compiler() if self.steps * len(networks) > COMPILING else "eager"
        key = networks.arch, engine
        if key not in self.fitters:
            self.fitters[key] = INRFitter(networks.arch, self.pixels, lr=self.lr, engine=engine)
        return self.fitters[key]
