"""Zoo folders whose figures are known functions of the weights, written through the library's own writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from weightbench import Zoo, load_zoo
from weightbench.runtime.files import digest
from weightbench.zoo.networks.architecture import Architecture
from weightbench.zoo.networks.networks import Networks
from weightbench.zoo.storage.manifest import Manifest, SourceInfo
from weightbench.zoo.storage.tables import TableWriter, describe_file

SHARES = {"train": 0.4, "val": 0.1, "test": 0.5}  # a large test split: r of unrelated numbers stays far below 0.2


def networks(sizes: tuple[int, ...], count: int, seed: int = 0) -> Networks:
    """MLPs whose tensors each have a scale of their own, between 0.3 and 1, and a mean of its own."""
    arch = Architecture.mlp(sizes)
    generator = torch.Generator().manual_seed(seed)
    params = torch.randn(count, arch.num_params, generator=generator)
    for tensor in arch.tensors:
        scale = 0.3 + 0.7 * torch.rand(count, 1, generator=generator)
        mean = 0.5 * torch.randn(count, 1, generator=generator)
        params[:, tensor.start : tensor.stop] = scale * params[:, tensor.start : tensor.stop] + scale * mean
    return Networks(arch, params)


def table(found: Networks) -> pd.DataFrame:
    """What is known about these networks."""
    first = found.weights[0]
    total = found.params.square().sum(1)
    answer = found.forward(torch.zeros(1, *found.arch.input_shape))[:, 0, 0]
    return pd.DataFrame(
        {
            "sum_of_squares": total,
            "spectral_norm": torch.linalg.matrix_norm(first, 2),
            "answer": answer,
            "sign": np.where(answer > 0, "positive", "negative"),
            "mean_weight": first.flatten(1).mean(1),
            "shuffled": total[torch.randperm(len(found), generator=torch.Generator().manual_seed(5))],
            "size": np.where(total > total.median(), "large", "small"),
        }
    )


def write_zoo(
    folder: Path,
    groups: dict[str, Networks],
    *,
    name: str = "planted",
    extra: dict[str, object] | None = None,
    one_run: bool = False,
) -> Zoo:
    """A zoo of the given networks, one architecture each, split in order; `extra` columns are scalars or full arrays.

    Ten networks each are a run (or all are one), "across-runs" in the files and "within-run" in a column.
    """
    files, counts, within = [], dict.fromkeys(SHARES, 0), dict.fromkeys(SHARES, 0)
    for group, found in groups.items():
        frame = table(found).assign(**(extra or {}))
        frame.insert(0, "id", [f"{group}-{i:04d}" for i in range(len(found))])
        frame["run"] = 0 if one_run else np.arange(len(found)) // 10
        frame["within_run"] = np.tile(["train"] * 7 + ["val"] + ["test"] * 2, len(found) // 10)
        start = 0
        for split, share in SHARES.items():
            stop = start + round(share * len(found))
            path = f"data/{split}-{group}.parquet"
            writer = TableWriter(folder / path)
            writer.append(frame.iloc[start:stop], {"params": found.params[start:stop].numpy()})
            writer.close()
            files.append(describe_file(folder, path, split, group, stop - start))
            counts[split] += stop - start
            start = stop
        for split in SHARES:
            within[split] += int((frame["within_run"] == split).sum())
    source = SourceInfo(name="none", sha256="", license="MIT", citation="", classes=[])
    manifest = Manifest(
        schema=1,
        name=name,
        version="1.0.0",
        description="planted",
        architectures={group: found.arch for group, found in groups.items()},
        splits=counts,
        other_splits={"within-run": within},
        files=files,
        columns=dict.fromkeys([*frame, "params"], ""),
        quality={},
        recipe={},
        recipe_sha256=digest([str(file.sha256) for file in files]),
        sources=[source],
        build={},
        builder="tests",
    )
    (folder / "zoo.json").write_bytes(manifest.to_json())
    return load_zoo(folder)
