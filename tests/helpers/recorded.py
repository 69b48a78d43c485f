"""The results of a folder, as tests look at them and change them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weightbench import Result
from weightbench.benchmarks.records.results_folder import ResultsFolder, read_result


def read_results(folder: Path) -> list[tuple[Path, Result]]:
    """Every record's file and content."""
    return [(record.path, record.result) for record in ResultsFolder(folder).records()]


def rewritten(results: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the JSON of every record where it lies."""
    for path in results.glob("*/*/*/*/seed-*.json"):
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))


def put_in_place(results: Path) -> None:
    """Move changed records, and their predictions, where their content says."""
    for path in ResultsFolder(results).record_paths():
        result = read_result(path)
        target = (results / result.path).parent
        target.mkdir(parents=True, exist_ok=True)
        for file in path.parent.glob(f"seed-{result.seed}.*"):
            file.rename(target / file.name)


def with_tie_groups(results: Path) -> Path:
    """Make results of two seeds on 6 images, which are too few, into three seeds on 24."""
    for path in results.glob("*/*/*/*/seed-0.json"):
        record = json.loads(path.read_text()) | {"seed": 2}
        if record["predictions"]:
            record["predictions"]["file"] = "seed-2.safetensors"
            shutil.copyfile(path.with_suffix(".safetensors"), path.with_name("seed-2.safetensors"))
        path.with_name("seed-2.json").write_text(json.dumps(record))
    for path in results.glob("zoos/*.parquet"):
        truth = pq.read_table(path)
        items = pa.array(range(len(truth)))
        pq.write_table(truth.set_column(truth.column_names.index("item"), "item", items), path)
    return results
