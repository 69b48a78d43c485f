"""Small pieces of work to spread: suites of a method that counts its fits, and standard zoos of few steps."""

from __future__ import annotations

import json
import re
from pathlib import Path

from weightbench.zoo.recipes.catalogue import STANDARD

METHOD = """
import os, time
from pathlib import Path
import torch
import weightbench as wb

class Counted(wb.Method):
    '''Writes a line for every fit.'''
    name = "counted"
    tasks = ("inr-classification",)
    seconds: float = 0.0
    log: str = ""
    fails: bool = False
    dies: bool = False

    def fit(self, task, train, val, *, seed, device):
        with open(self.log, "a") as stream:
            stream.write(f"{self.seconds} {seed} {torch.get_num_threads()} {os.getpid()}\\n")
        time.sleep(self.seconds)
        if self.dies:
            os.kill(os.getpid(), 9)
        if self.fails:
            raise RuntimeError("as asked")
        self.classes = task.output_dim

    def predict(self, networks):
        return networks.params[:, : self.classes]
"""


def write_suite(folder: Path, zoo: Path, seeds: list[int], *, others: str = "", **params: object) -> Path:
    """A suite of the method above, and of `others`, methods as TOML; fits are logged in `folder`."""
    (folder / "counted.py").write_text(METHOD)
    fields = {"name": f"{folder / 'counted.py'}", "log": str(folder / "log"), **params}
    methods = ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    path = folder / "own.toml"
    path.write_text(
        f'description = "a test"\nseeds = {seeds}\n[[runs]]\ntask = "inr-classification"\n'
        f'zoo = "{zoo}"\nmethods = [{{ {methods} }}, {others}]\n'
    )
    return path


def fits(folder: Path) -> list[list[str]]:
    """Of every fit: seconds, seed, threads, process."""
    return [line.split() for line in (folder / "log").read_text().splitlines()] if (folder / "log").exists() else []


def shrunk(name: str, folder: Path, **changes: str) -> Path:
    """The standard zoo's TOML file with shorter training, in `folder`."""
    text = (STANDARD / f"{name}.toml").read_text()
    changes = {"steps": "20", "epochs": "4", "batch_size": "16", "chunk": "{ cpu = 4, cuda = 4 }"} | changes
    if "checkpoints" in text:
        changes.setdefault("checkpoints", "[0, 1, 4]")
    for key, value in changes.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path
