"""The results of a folder, as tests look at them."""

from __future__ import annotations

from pathlib import Path

from weightbench import Result
from weightbench.benchmarks.records.results_folder import ResultsFolder


def read_results(folder: Path) -> list[tuple[Path, Result]]:
    """Every record's file and content."""
    return [(record.path, record.result) for record in ResultsFolder(folder).records()]
