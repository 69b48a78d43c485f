"""WeightBench: the benchmark suite for weight-space learning.

The names below are the public API; each is imported when it is first used, so that `import weightbench` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightbench.benchmarks.records.result import Result as Result
    from weightbench.benchmarks.records.results_table import load_results as load_results
    from weightbench.benchmarks.running.run import run as run
    from weightbench.benchmarks.task.column_task import ColumnTask as ColumnTask
    from weightbench.benchmarks.task.learned_task import LearnedTask as LearnedTask
    from weightbench.benchmarks.task.registry import load_task as load_task
    from weightbench.benchmarks.task.task import Task as Task
    from weightbench.leaderboard.board.board import boards as boards
    from weightbench.methods.contract.method import Method as Method
    from weightbench.methods.training.neural_method import NeuralMethod as NeuralMethod
    from weightbench.runtime.errors import BadInput as BadInput
    from weightbench.zoo.build.build_zoo import build_zoo as build_zoo
    from weightbench.zoo.exchange.download import get_zoo as get_zoo
    from weightbench.zoo.exchange.export_zoo import export_zoo as export_zoo
    from weightbench.zoo.exchange.import_network import import_network as import_network
    from weightbench.zoo.exchange.import_zoo import import_zoo as import_zoo
    from weightbench.zoo.load_zoo import load_zoo as load_zoo
    from weightbench.zoo.networks.architecture import Architecture as Architecture
    from weightbench.zoo.networks.networks import Networks as Networks
    from weightbench.zoo.networks.rendering import render as render
    from weightbench.zoo.storage.zoo import Split as Split
    from weightbench.zoo.storage.zoo import Zoo as Zoo

__version__ = "0.1.0"

_HOME = {
    "Architecture": "zoo.networks.architecture",
    "BadInput": "runtime.errors",
    "ColumnTask": "benchmarks.task.column_task",
    "LearnedTask": "benchmarks.task.learned_task",
    "Method": "methods.contract.method",
    "Networks": "zoo.networks.networks",
    "NeuralMethod": "methods.training.neural_method",
    "Result": "benchmarks.records.result",
    "Split": "zoo.storage.zoo",
    "Task": "benchmarks.task.task",
    "Zoo": "zoo.storage.zoo",
    "boards": "leaderboard.board.board",
    "build_zoo": "zoo.build.build_zoo",
    "export_zoo": "zoo.exchange.export_zoo",
    "get_zoo": "zoo.exchange.download",
    "import_network": "zoo.exchange.import_network",
    "import_zoo": "zoo.exchange.import_zoo",
    "load_results": "benchmarks.records.results_table",
    "load_task": "benchmarks.task.registry",
    "load_zoo": "zoo.load_zoo",
    "render": "zoo.networks.rendering",
    "run": "benchmarks.running.run",
}
__all__ = [*_HOME, "load_method"]


def load_method(reference: str, /, **params: Any) -> Any:
    """A method by built-in name, by path "file.py[:Class]" or by entry point; `params` are its hyperparameters.

    Example:
        >>> import weightbench as wb
        >>> method = wb.load_method("probegen", probes=16)
        >>> method.variant, method.epochs
        ('probes=16', 30)
    """
    from weightbench.methods.contract.registry import load_method as load

    return load(reference, params)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
