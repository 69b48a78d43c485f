"""Files to start from: a method and a task that work as they are."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from weightbench.runtime.errors import BadInput

METHOD = '''\
"""{title}: say here what it does, and where it comes from."""

from __future__ import annotations

import torch
import weightbench as wb


class {title}Net(torch.nn.Module):
    """Mean and deviation of every neuron's incoming weights, pooled over the neurons of a layer, into an MLP."""

    def __init__(self, layers: int, width: int, output_dim: int) -> None:
        super().__init__()
        self.read = torch.nn.ModuleList(torch.nn.Linear(3, width) for _ in range(layers))
        self.answer = torch.nn.Sequential(
            torch.nn.Linear(layers * width, width), torch.nn.ReLU(), torch.nn.Linear(width, output_dim)
        )

    def forward(self, networks: wb.Networks) -> torch.Tensor:
        pooled = []
        for read, weight, bias in zip(self.read, networks.weights, networks.biases):
            rows = weight.flatten(2)  # [B, out, in]
            bias = torch.zeros_like(rows[..., 0]) if bias is None else bias
            neurons = torch.stack([rows.mean(2), rows.square().mean(2), bias], 2)  # [B, out, 3]
            pooled.append(read(neurons).relu().mean(1))  # [B, width], whatever the order of the neurons
        return self.answer(torch.cat(pooled, 1))


class {title}(wb.NeuralMethod):
    """One line that `weightbench methods` shows."""

    name = "{name}"
    tasks = ("inr-classification", "property")
    symmetries = ("permutation",)  # what cannot change the answer; `weightbench check` holds it to that
    one_architecture = True

    width: int = 64  # fields are hyperparameters: -p width=128
    epochs: int = 10
    lr: float = 3e-3
    schedule: str = "one-cycle"

    def build(self, task) -> torch.nn.Module:
        return {title}Net(len(task.architectures[0].layers), self.width, task.output_dim)
'''

TASK = '''\
"""{title}: say here what is asked, and why it is worth asking."""

from __future__ import annotations

import weightbench as wb


class {title}(wb.ColumnTask):
    """Values: the epoch that each network is of."""

    name = "{name}"
    description = "Tell for how long a network was trained"  # `weightbench tasks` shows it
    family = "property"  # methods that support that task support this one too
    fixed_target = "epoch"  # a column of the zoo's table, or the difference of two: "test_loss - train_loss"
    output, metric = "values", "kendall-tau"  # or "pearson-r", "r2"; for text and labels "logits", "accuracy"


# What else is possible:
#
# version = 2            the question has changed; an edited file never shares a board with the old one anyway
# needs = ("run",)       other columns that a zoo must have
# without fixed_target   commands take --target, any column; `_target(self, given)` resolves what was given
#
# For an answer that is more than a column derive from wb.LearnedTask and write `targets(split)`, `output_dim`,
# `loss(output, targets)`, `observe(output)`, what is judged of an output, and `evidence(observed, split)`, what is
# stored of it: a metric of the suite must be able to score that with the test split's table and images alone.
'''


def title_of(name: str, what: str) -> str:
    """The class's name for "my-net". Raises BadInput for what cannot be a name."""
    title = "".join(part.capitalize() for part in name.split("-"))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise BadInput(f"{name}: a {what}'s name has small letters, digits and dashes, for instance my-{what}")
    if keyword.iskeyword(name) or keyword.iskeyword(title):
        raise BadInput(f"{name}: is a word of Python itself: choose another name, for instance my-{name}")
    return title


def write_plug_in(name: str, what: str, template: str, out: Path) -> Path:
    """Write a template under a name of its own, `my_net.py` for "my-net". Raises BadInput."""
    text = template.format(name=name, title=title_of(name, what))
    path = out / f"{name.replace('-', '_')}.py"
    if path.exists():
        raise BadInput(f"{path}: is there already: choose another name, or remove it")
    if not out.is_dir():
        raise BadInput(f"{out}: no such folder")
    path.write_text(text)
    return path
