"""Networks per second of every neural method at the MNIST INRs' shape, 2-32-32-1, with the methods' default sizes.

    pytest benchmarks/speed/test_methods.py --benchmark-json methods.json [-k dwsnet]

To see what two cores do as they are best used, by two processes of one thread, start it twice at once with
OMP_NUM_THREADS=1 and add up.

Training is forward, loss, backward and AdamW as in `methods/training/training_loop.py`. Rates are also divided by the
machine's rate of a 2048 x 2048 float32 matrix product, measured in the same run, so that they carry between machines.
Editors that do not classify are timed in dilation.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from weightbench.benchmarks.task.learned_task import LearnedTask
from weightbench.benchmarks.task.registry import load_task
from weightbench.methods.contract.registry import load_class, load_method, method_names
from weightbench.methods.training.neural_method import NeuralMethod
from weightbench.runtime.machine import peak_memory_mb, reset_peak_memory
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.storage.zoo import Zoo

BATCHES = (8, 32, 64)
METHODS: list[tuple[str, dict[str, object]]] = [
    (name, {}) for name in method_names() if issubclass(load_class(name), NeuralMethod)
]
# Sizes in which published code is usually timed, beside the defaults.
METHODS += [("ng-gnn", {"width": 64})]
NAMES = [" ".join([name, *(f"{k}={v}" for k, v in given.items())]) for name, given in METHODS]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A few MNIST INRs, fitted here: at 28 x 28 pixels, which some methods render."""
    return build_zoo("mnist-inrs", limit=90, out=tmp_path_factory.mktemp("speed") / "zoo")


def task_of(method: NeuralMethod, zoo: Zoo) -> LearnedTask:
    """INR classification, or of what does not classify the task that it is made for."""
    task = load_task("inr-classification" if "inr-classification" in method.tasks else method.tasks[0], zoo)
    assert isinstance(task, LearnedTask)
    return task


def record(benchmark: BenchmarkFixture, networks: int, gflops: float, module: torch.nn.Module) -> None:
    assert benchmark.stats is not None
    rate = networks / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "networks_per_s": round(rate, 2),
        "networks_per_gflop": round(rate / gflops, 4),
        "gflops": round(gflops, 1),
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in module.parameters()),
        "peak_memory_mb": peak_memory_mb("cpu"),
    }


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("name", "given"), METHODS, ids=NAMES)
def test_training(
    benchmark: BenchmarkFixture, zoo: Zoo, gflops: float, name: str, given: dict[str, object], batch: int
) -> None:
    method = load_method(name, given)
    assert isinstance(method, NeuralMethod)
    task = task_of(method, zoo)
    reset_peak_memory()
    torch.manual_seed(0)
    module = method.build(task).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, amsgrad=True, fused=True)
    train = task.splits["train"]
    networks, targets = train.networks[:batch], task.targets(train)[:batch]

    def step() -> None:
        loss = task.loss(module(networks), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    benchmark.pedantic(step, rounds=5, warmup_rounds=4)  # the first steps get memory from the system
    record(benchmark, len(networks), gflops, module)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("name", "given"), METHODS, ids=NAMES)
def test_prediction(
    benchmark: BenchmarkFixture, zoo: Zoo, gflops: float, name: str, given: dict[str, object], batch: int
) -> None:
    method = load_method(name, given)
    assert isinstance(method, NeuralMethod)
    task = task_of(method, zoo)
    reset_peak_memory()
    module = method.build(task).eval()
    networks = task.splits["train"].networks[:batch]
    with torch.no_grad():
        benchmark.pedantic(module, (networks,), rounds=5, warmup_rounds=4)
    record(benchmark, len(networks), gflops, module)
