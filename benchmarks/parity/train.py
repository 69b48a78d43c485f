"""A method of the suite and another implementation of it, trained alike; both learning curves are kept.

    python benchmarks/parity/train.py dwsnet authors.py:dwsnet --repository AvivNavon/DWSNets --commit 2001d52 \\
        -p epochs=6 -p batch_size=64 --networks 2000 --seeds 0,1,2

`FILE:FUNCTION` takes an `Architecture` and the number of outputs and returns a torch module; that one takes the weights
`[batch, out, in]` and the biases `[batch, out]` of every layer, two lists, and returns logits or values
`[batch, outputs]`. Both are trained by the suite's own loop under the method's recipe: the same networks in the same
order, optimiser, schedule, clipping, augmentation. After every epoch the test split is scored; nothing is chosen by it.

One file is kept for each comparison. What it holds already is not trained again, and a training that was cut off goes
on at its last epoch. `page.py` makes docs/parity.md of the files.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import runpy
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import scipy.stats
import torch
import typer
from torch import Tensor, nn

from weightbench.benchmarks.running.task_views import Sealed
from weightbench.benchmarks.task.learned_task import LearnedTask
from weightbench.benchmarks.task.registry import load_task
from weightbench.cli.options import parsed_param
from weightbench.methods.contract.network_checks import of_one_layout
from weightbench.methods.contract.registry import load_method
from weightbench.methods.layers.tensor_normalisation import TensorNormalisation
from weightbench.methods.training import checkpoint
from weightbench.methods.training.augmentation import compose
from weightbench.methods.training.neural_method import NeuralMethod
from weightbench.methods.training.training_loop import train
from weightbench.runtime.errors import BadInput
from weightbench.runtime.files import write_atomically
from weightbench.runtime.machine import tune_process
from weightbench.runtime.progress import track
from weightbench.zoo.networks.networks import Networks

CURVES = Path(__file__).parent / "curves"
SIDES = ("ours", "theirs")


class TestedTask(Sealed):
    """A task whose first training networks are learned from; the test split stands where the loop validates."""

    __test__ = False

    def __init__(self, task: LearnedTask, networks: int | None) -> None:
        super().__init__(task)
        part, test = task.splits["train"], task.splits["test"]
        if networks is not None:
            part = dataclasses.replace(part, column="id", values=tuple(part.ids[:networks]))
        self.splits = {"train": part, "val": dataclasses.replace(test, name="val")}


class OtherModule(nn.Module):
    """A module of weights and biases as one of `Networks`; with `train` they are standardised, each by its tensor."""

    def __init__(self, module: nn.Module, train: Networks | None) -> None:
        super().__init__()
        self.module = module
        self.normalise = nn.Identity() if train is None else TensorNormalisation(train)

    def forward(self, networks: Networks) -> Tensor:
        """Logits or values `[B, outputs]`."""
        networks = self.normalise(networks)
        answers: Tensor = self.module(networks.weights, networks.biases)
        return answers


class OwnRandomNumbers(nn.Module):
    """A module whose dropout draws from a stream of its own, so that the seed alone decides on the batches."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.stream: Tensor
        self.register_buffer("stream", torch.get_rng_state())

    def forward(self, networks: Networks) -> Any:
        """The module's answers."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.stream)
            answers = self.module(networks)
            self.stream.copy_(torch.get_rng_state())
        return answers


def function_of(reference: str) -> Callable[..., nn.Module]:
    """The function that `FILE:FUNCTION` names. Raises BadInput."""
    file, _, name = reference.rpartition(":")
    if not file or not Path(file).is_file():
        raise BadInput(f"{reference}: no such file: write FILE.py:FUNCTION")
    if not callable(found := runpy.run_path(file).get(name)):
        raise BadInput(f"{file} has no function {name}: name one that returns a torch module")
    function: Callable[..., nn.Module] = found
    return function


def learning_curve(
    method: NeuralMethod, task: TestedTask, build: Callable[[], nn.Module], seed: int
) -> tuple[int, list[float]]:
    """The module's trained parameters, and the test score after every epoch."""
    torch.manual_seed(seed)
    module = OwnRandomNumbers(build())
    torch.manual_seed(seed)  # building drew as many numbers as it needed
    augmentation = compose(method.augment, keep_function=not task.inputs_may_move)
    report = train(method, module, task, task.splits["train"], task.splits["val"], augmentation, device="cpu")
    return sum(p.numel() for p in module.parameters() if p.requires_grad), report["curves"]["val_score"]


def summary(curves: dict[str, list[float]]) -> dict[str, list[Any]]:
    """Of every epoch the mean over seeds and its 95 % interval (Student's t; None for a single seed)."""
    epochs = list(zip(*curves.values(), strict=True))
    width = scipy.stats.t.ppf(0.975, len(curves) - 1) / len(curves) ** 0.5 if len(curves) > 1 else None
    means = [statistics.fmean(scores) for scores in epochs]
    return {
        "mean": [round(mean, 3) for mean in means],
        "interval": [
            None if width is None else [round(mean + sign * width * statistics.stdev(scores), 3) for sign in (-1, 1)]
            for mean, scores in zip(means, epochs, strict=True)
        ],
    }


def compare(
    method: Annotated[str, typer.Argument(help="a method of the suite that is a torch module")],
    other: Annotated[str, typer.Argument(help="FILE:FUNCTION, the other implementation")],
    repository: Annotated[str, typer.Option(help="where that one is from")] = "",
    commit: Annotated[str, typer.Option(help="of the repository")] = "",
    settings: Annotated[str, typer.Option(help="of the other implementation, in words")] = "",
    remark: Annotated[str, typer.Option(help="what differs and why, for the page")] = "",
    name: Annotated[str, typer.Option(help="of the kept file; the method's where left out")] = "",
    param: Annotated[list[str], typer.Option("-p", help="KEY=VALUE of the method and its recipe")] = [],  # noqa: B006
    zoo: Annotated[str, typer.Option(help="a name or a folder")] = "digits-inrs",
    task: Annotated[str, typer.Option(help="a task with logits or values")] = "inr-classification",
    networks: Annotated[int | None, typer.Option(help="the first so many of the training split; all without")] = None,
    standardise: Annotated[bool, typer.Option(help="as ours does: mean 0 and deviation 1 for every tensor")] = False,
    seeds: Annotated[str, typer.Option(help="with commas")] = "0,1,2",
    out: Annotated[Path, typer.Option(help="the folder of the kept files")] = CURVES,
) -> None:
    """Train both under every seed, as far as the kept file does not have their curves."""
    given = dict(parsed_param(text) for text in param)
    found, build_other = load_method(method, dict(given)), function_of(other)
    loaded = load_task(task, zoo)
    if not isinstance(found, NeuralMethod) or not isinstance(loaded, LearnedTask):
        raise BadInput(f"{method} on {task}: name a torch module of the suite and a task that is learned")
    view = TestedTask(loaded, networks)
    found.check(view)
    train_networks = of_one_layout(view.splits["train"].groups)
    asked = {
        "method": method,
        "version": found.version,
        "parameters": {key: getattr(found, key) for key in sorted(given)},
        "recipe": {key: value for key, value in sorted(found.params.items()) if key in found.recipe_fields},
        "task": task,
        "zoo": loaded.zoo.name,
        "train_networks": len(view.splits["train"]),
        "test_networks": len(view.splits["val"]),
        "standardised": standardise,
    }
    asked = json.loads(json.dumps(asked))
    path = out / f"{name or method}.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else asked | {side: {} for side in SIDES}
    if changed := [key for key, value in asked.items() if kept[key] != value]:
        raise BadInput(f"{path} was made with another {changed[0]}: give the comparison another --name")
    said = {"repository": repository, "commit": commit, "settings": settings, "remark": remark}
    kept |= {key: text or kept.get(key, "") for key, text in said.items()}
    builds: dict[str, Callable[[], nn.Module]] = {
        "ours": functools.partial(found.build, view),
        "theirs": lambda: OtherModule(
            build_other(train_networks.arch, view.output_dim), train_networks if standardise else None
        ),
    }
    left = [(int(seed), side) for seed in seeds.split(",") for side in SIDES]
    with track(f"parity of {method}", len(left), "trainings") as advance:
        for seed, side in left:
            curves: dict[str, list[float]] = kept[side].setdefault("curves", {})
            fresh = str(seed) not in curves
            if fresh:
                with checkpoint.kept_in(out / ".checkpoints" / f"{path.stem}-{side}-{seed}"):
                    kept[side]["parameters"], curves[str(seed)] = learning_curve(found, view, builds[side], seed)
                kept[side] |= summary(curves)
            write_atomically(path, (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode())
            advance(1, "", fresh)


if __name__ == "__main__":
    tune_process()
    try:
        typer.run(compare)
    except BadInput as error:
        raise SystemExit(f"error: {error}") from None
