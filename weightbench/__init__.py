"""WeightBench: the benchmark suite for weight-space learning.

The names below are the public API; each is imported when it is first used, so that `import weightbench` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightbench.benchmarks.result import Result as Result
    from weightbench.benchmarks.runner import run as run
    from weightbench.benchmarks.task import Task as Task
    from weightbench.benchmarks.task import load_task as load_task
    from weightbench.leaderboard.board import boards as boards
    from weightbench.methods.base import Method as Method
    from weightbench.methods.neural import NeuralMethod as NeuralMethod
    from weightbench.zoo.architecture import Architecture as Architecture
    from weightbench.zoo.build import build_zoo as build_zoo
    from weightbench.zoo.collection import Split as Split
    from weightbench.zoo.collection import Zoo as Zoo
    from weightbench.zoo.download import get_zoo as get_zoo
    from weightbench.zoo.errors import BadInput as BadInput
    from weightbench.zoo.export import export_zoo as export_zoo
    from weightbench.zoo.importing import import_zoo as import_zoo
    from weightbench.zoo.inrs import render as render
    from weightbench.zoo.load import load_zoo as load_zoo
    from weightbench.zoo.networks import Networks as Networks

__version__ = "0.1.0"

_HOME = {
    "Architecture": "zoo.architecture",
    "BadInput": "zoo.errors",
    "Method": "methods.base",
    "Networks": "zoo.networks",
    "NeuralMethod": "methods.neural",
    "Result": "benchmarks.result",
    "Split": "zoo.collection",
    "Task": "benchmarks.task",
    "Zoo": "zoo.collection",
    "boards": "leaderboard.board",
    "build_zoo": "zoo.build",
    "export_zoo": "zoo.export",
    "get_zoo": "zoo.download",
    "import_zoo": "zoo.importing",
    "load_task": "benchmarks.task",
    "load_zoo": "zoo.load",
    "render": "zoo.inrs",
    "run": "benchmarks.runner",
}
__all__ = [*_HOME, "load_method"]


def load_method(reference: str, /, **params: Any) -> Any:
    """A method by built-in name, by path "file.py[:Class]" or by entry point; `params` are its hyperparameters."""
    from weightbench.methods.registry import load_method as load

    return load(reference, params)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
