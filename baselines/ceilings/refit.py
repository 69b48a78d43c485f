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
from ...runtime.progress import Advance, track
from ...zoo.networks.networks import Networks
from ...zoo.storage.zoo import Split


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
        batch_size: networks that are trained side by side, each as if alone.
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
        self.render, self.device = task.render, device

    def predict(self, networks: Networks) -> Networks:
        """The networks after `steps` steps, `[B, P]`."""
        parts = require_finite(networks, self.name).params.split(self.batch_size)
        with track(self.name, self.steps * len(parts), "steps") as advance:
            found = [self._refitted(Networks(networks.arch, part.to(self.device)), advance) for part in parts]
        return Networks(networks.arch, torch.cat(found) if found else networks.params)

    def _refitted(self, networks: Networks, advance: Advance) -> Tensor:
        with torch.no_grad():
            wanted = dilated(self.render(networks))
        params = networks.params.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([params], lr=self.lr)
        for _ in range(self.steps):
            rendered = self.render(Networks(networks.arch, params))
            # A sum over networks: each has the gradient that it would have alone.
            loss = (rendered - wanted).square().flatten(1).mean(1).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            advance(1)
        return params.detach().cpu()
