"""How much faster the batched engine fits MNIST INRs than one `nn.Sequential` and Adam at a time, in one run.

    pytest benchmarks/speed/test_inr_fit.py --benchmark-json inr-fit.json

MNIST comes from `WEIGHTBENCH_SOURCE_DIR` or the Hub. Both sides fit the full recipe of mnist-inrs. The loop is the
plain full-batch one without logging, with one thread and with all; compiling is excluded (a chunk is fitted before the
clock starts). The rate of a 2048 x 2048 float32 matrix product stands beside them, so that figures carry between
machines.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from weightbench.runtime.machine import cpu_name
from weightbench.zoo.build.build_plan import BuildPlan
from weightbench.zoo.networks.rendering import pixel_grid
from weightbench.zoo.recipes.catalogue import catalogue_entry
from weightbench.zoo.recipes.raw_data import load_source, raw_data_dir
from weightbench.zoo.training.inr_builder import INRBuilder

THREADS = torch.get_num_threads()
CHUNKS = 2

networks_per_s: dict[str, float] = {}


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


@pytest.fixture(scope="module")
def builder() -> INRBuilder:
    entry = catalogue_entry("mnist-inrs")
    source = load_source("mnist", raw_data_dir(None))
    made = BuildPlan(entry, None, None, "cpu", None).builder({"mnist": source})
    assert isinstance(made, INRBuilder)
    return made


@pytest.mark.parametrize("threads", sorted({1, THREADS}))
def test_one_at_a_time(benchmark: BenchmarkFixture, builder: INRBuilder, threads: int) -> None:
    recipe, grid = builder.recipe, pixel_grid(28, 28)
    target = torch.from_numpy(builder.source.inputs[0]).reshape(-1, 1) / 255

    def fit() -> None:
        network = nn.Sequential(nn.Linear(2, 32), Sine(), nn.Linear(32, 32), Sine(), nn.Linear(32, 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr)
        for _ in range(recipe.steps):
            optimizer.zero_grad()
            (network(grid) + recipe.output_offset - target).square().mean().backward()
            optimizer.step()

    torch.set_num_threads(threads)
    try:
        benchmark.pedantic(fit, rounds=3, warmup_rounds=1)
    finally:
        torch.set_num_threads(THREADS)
    assert benchmark.stats is not None
    rate = 1 / benchmark.stats.stats.median
    networks_per_s["loop"] = max(rate, networks_per_s.get("loop", 0.0))
    benchmark.extra_info["networks_per_s"] = rate


def test_batched(
    benchmark: BenchmarkFixture, builder: INRBuilder, gflops: float, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = builder.chunks[:CHUNKS]

    def fit() -> None:
        for chunk in chunks:
            builder.fit(chunk, 0, {}, lambda *_: None)

    benchmark.pedantic(fit, rounds=3, warmup_rounds=1)
    assert benchmark.stats is not None
    rate = sum(map(len, chunks)) / benchmark.stats.stats.median
    benchmark.extra_info |= {"networks_per_s": rate, "engine": builder.engine}
    if "loop" not in networks_per_s:
        return
    loop = networks_per_s["loop"]
    benchmark.extra_info |= {"times_the_loop": rate / loop, "networks_per_tflop": 1000 * rate / gflops}
    with capsys.disabled():
        print(
            f"\n{cpu_name()}, {THREADS} threads, torch {torch.__version__}, {builder.engine}, chunks of {builder.chunk}"
            f"\none at a time {loop:.3f} networks/s, batched {rate:.3f} networks/s: {rate / loop:.1f} times as fast"
            f"\nmatrix product {gflops:.0f} GFLOP/s: {1000 * loop / gflops:.2f} and "
            f"{1000 * rate / gflops:.2f} networks per TFLOP of it"
        )
