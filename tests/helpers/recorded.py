"""The results of a folder, as tests look at them and change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
