"""How the cost of a zoo of INRs grows with its size: seconds and memory of every stage, a table and a picture.

    python benchmarks/speed/growth.py --zoo mnist-inrs --sizes 1000 3000 10000 30000 70000 --builds 3000 --out growth

Smaller zoos are the first networks of each split. A stage runs in a process of its own, with one thread, and its peak
of memory is that process's; only stages up to `--builds` networks are built anew. What is measured is kept in
`OUT/growth.json`, so that a second run goes on where the first was stopped. The exponent is the slope of a line
through the logarithms of sizes and seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STAGES = {
    "build": "fitting the networks",
    "load": "all parameters into memory, for the first time",
    "load again": "the same from the cache",
    "mlp": "one epoch of `mlp`",
    "probegen": "one epoch of `probegen`",
    "score": "scoring a result's predictions, all intervals",
    "board": "making the board of both results, scored before",
}
ROWS = 2048  # copied at once


def cut(zoo_name: str, networks: int, folder: Path) -> None:
    """Write a zoo of the first networks of each split, in the proportions of the whole one."""
    import weightbench as wb
    from weightbench.zoo.storage.manifest import MANIFEST
    from weightbench.zoo.storage.tables import TableWriter, describe_file

    zoo = wb.load_zoo(zoo_name)
    share = networks / sum(zoo.manifest.splits.values())
    (key,) = zoo.manifest.architectures
    files, counts = [], {}
    for name, split in zoo.splits.items():
        counts[name] = round(share * len(split))
        path = f"data/{name}.parquet"
        writer = TableWriter(folder / path)
        arrays = {"params": split.networks.params, "image": split.array("image")}
        table = split.table.drop(columns="architecture")
        for start in range(0, counts[name], ROWS):
            rows = slice(start, min(start + ROWS, counts[name]))
            writer.append(table.iloc[rows], {column: values[rows].numpy() for column, values in arrays.items()})
        writer.close()
        files.append(describe_file(folder, path, name, key, counts[name]))
    manifest = zoo.manifest.model_copy(update={"splits": counts, "files": files})
    (folder / MANIFEST).write_bytes(manifest.to_json())


def load(folder: Path) -> None:
    """Every parameter, read."""
    import weightbench as wb

    for split in wb.load_zoo(folder).splits.values():
        split.networks.params.sum()


def train(method: str, folder: Path) -> float:
    """Seconds of one epoch's fit; the result stays beside the zoo."""
    import weightbench as wb

    (result,) = wb.run(
        wb.load_method(method, epochs=1), task="inr-classification", zoo=folder, out=folder.parent / "runs"
    )
    assert result.cost is not None
    return float(result.cost.fit_s)


def stage(name: str, zoo_name: str, networks: int, folder: Path) -> dict[str, float]:
    """Run one stage in this process: its seconds and peak of memory in MB."""
    from weightbench.runtime.machine import peak_memory_mb, reset_peak_memory, tune_process

    tune_process()
    import torch  # noqa: F401  # imports are no part of a stage

    import weightbench as wb

    work: dict[str, Callable[[], Any]] = {
        "build": lambda: wb.build_zoo(zoo_name, limit=networks, out=folder.parent / "built", jobs=1),
        "load": lambda: load(folder),
        "load again": lambda: load(folder),
        "mlp": lambda: train("mlp", folder),
        "probegen": lambda: train("probegen", folder),
        "score": lambda: wb.boards(folder.parent / "runs"),
        "board": lambda: subprocess.run(
            [sys.executable, "-m", "weightbench", "leaderboard", "--results", str(folder.parent / "runs")],
            check=True,
            capture_output=True,
        ),
    }
    reset_peak_memory()
    start = time.perf_counter()
    told = work[name]()
    seconds = told if isinstance(told, float) else time.perf_counter() - start
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    return {"seconds": seconds, "memory_mb": child if name == "board" else peak_memory_mb("cpu")}


def exponent(found: dict[int, dict[str, float]]) -> float:
    """The slope of log seconds over log networks."""
    sizes = sorted(found)
    return float(np.polyfit(np.log(sizes), [math.log(found[size]["seconds"]) for size in sizes], 1)[0])


def table(measured: dict[str, dict[int, dict[str, float]]]) -> str:
    """Markdown: a row per stage, seconds and memory for every size, and the exponent."""
    sizes = sorted({size for found in measured.values() for size in found})
    lines = [
        "| stage | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |",
        "| --- |" + " ---: |" * (len(sizes) + 1),
    ]
    for name, found in measured.items():
        cells = [f"{f['seconds']:.3g} s, {f['memory_mb']:,.0f} MB" if (f := found.get(size)) else "" for size in sizes]
        slope = f"{exponent(found):.2f}" if len(found) > 1 else ""
        lines.append(f"| {STAGES[name]} | " + " | ".join([*cells, slope]) + " |")
    return "\n".join(lines)


def picture(measured: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    """Seconds and memory over networks, both on logarithmic axes."""
    from matplotlib.figure import Figure

    from weightbench.runtime.drawing import COLOURS, plain, save

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, (key, label) in zip(
        figure.subplots(1, 2), {"seconds": "seconds", "memory_mb": "peak memory, MB"}.items(), strict=True
    ):
        for colour, (name, found) in zip(COLOURS, measured.items(), strict=False):
            sizes = sorted(found)
            axis.loglog(sizes, [found[size][key] for size in sizes], "o-", color=colour, markersize=3, label=name)
        plain(axis, "networks", label, "")
    figure.axes[0].legend(fontsize=8, frameon=False)
    save(figure, path)


def main() -> None:
    """Measure what is missing, then write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", default="mnist-inrs")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000, 70_000])
    parser.add_argument("--builds", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("growth"))
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.out.resolve()
    if given.stage:
        (size,) = given.sizes
        print(json.dumps(stage(given.stage, given.zoo, size, folder / str(size) / "zoo")))
        return
    kept = folder / "growth.json"
    measured: dict[str, dict[int, dict[str, float]]] = {name: {} for name in STAGES}
    if kept.is_file():
        for name, found in json.loads(kept.read_text()).items():
            measured[name] = {int(size): values for size, values in found.items()}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WEIGHTBENCH_CACHE": str(folder / "cache")}
    for size in given.sizes:
        if not (folder / str(size) / "zoo" / "zoo.json").is_file():
            cut(given.zoo, size, folder / str(size) / "zoo")
        for name in STAGES:
            if size in measured[name] or (name == "build" and size > given.builds):
                continue
            command = [sys.executable, __file__, "--zoo", given.zoo, "--out", str(folder), "--sizes", str(size)]
            done = subprocess.run(
                [*command, "--stage", name], env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            measured[name][size] = json.loads(done.stdout.splitlines()[-1])
            kept.write_text(json.dumps(measured, indent=1))
            print(f"{size:,} networks, {name}: {measured[name][size]}", flush=True)
    measured = {name: found for name, found in measured.items() if found}
    picture(measured, folder / "growth.png")
    print(table(measured), kept, folder / "growth.png", sep="\n\n")


if __name__ == "__main__":
    main()
