"""How much faster the batched INR builder is per network than one `nn.Sequential` and Adam at a time, in one run.

    python benchmarks/speed/inr_fit.py --source-dir DIR [--networks 64] [--rounds 3]

The loop is the plain full-batch one without logging, with one thread and with two, whichever is better; the recipe is
that of mnist-inrs. Compiling is excluded (one chunk is fitted before the clock starts). Prints the median of rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from weightbench.zoo.machine import cpu_name, tune_process

tune_process()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from weightbench.zoo.catalogue import CATALOGUE  # noqa: E402
from weightbench.zoo.fit import compiler  # noqa: E402
from weightbench.zoo.inrs import INRBuilder, pixel_grid, split_items  # noqa: E402
from weightbench.zoo.sources import SOURCES  # noqa: E402


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


def loop_steps_per_second(threads: int, target: Tensor, steps: int) -> float:
    """Optimiser steps per second of one network at a time."""
    torch.set_num_threads(threads)
    grid = pixel_grid(28, 28)
    network = nn.Sequential(nn.Linear(2, 32), Sine(), nn.Linear(32, 32), Sine(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    started = time.perf_counter()
    for step in range(-20, steps):
        if step == 0:
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = (network(grid) + 0.5 - target).square().mean()
        loss.backward()
        optimizer.step()
    return steps / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source-dir", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    entry = CATALOGUE["mnist-inrs"]
    source = SOURCES[entry.source](arguments.source_dir)
    threads = torch.get_num_threads()
    chunk = entry.chunk["cpu"]
    builder = INRBuilder(entry, source, split_items(entry, source, None), 0, chunk, "cpu", compiler())
    chunks = [builder.jobs[i : i + chunk] for i in range(0, arguments.networks, chunk)]
    target = torch.from_numpy(source.images[0]).reshape(-1, 1) / 255
    builder.fit(chunks[0])
    loops, batched = [], []
    for _ in range(arguments.rounds):
        best = max(loop_steps_per_second(n, target, 1500) for n in {1, threads})
        loops.append(best / entry.recipe.steps)
        torch.set_num_threads(threads)
        started = time.perf_counter()
        for jobs in chunks:
            builder.fit(jobs)
        batched.append(sum(map(len, chunks)) / (time.perf_counter() - started))
    loop, fast = statistics.median(loops), statistics.median(batched)
    print(f"{cpu_name()}, {threads} threads, torch {torch.__version__}, {builder.engine}, chunks of {chunk}")
    print(f"one at a time {loop:.3f} networks/s, batched {fast:.3f} networks/s: {fast / loop:.1f} times as fast")


if __name__ == "__main__":
    main()
