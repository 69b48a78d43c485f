"""Moving the records of a results folder to today's schema, once.

    python -m weightbench.benchmarks.records.migration RESULTS_DIR

writes each record anew where its cell now belongs. Scores and predictions stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .results_folder import ResultsFolder


def migrate(folder: ResultsFolder) -> int:
    """Write the records of an earlier schema anew, in their new places; returns how many. Raises BadInput."""
    moved = 0
    for record in folder.records():
        if record.is_in_place:
            continue
        target = folder.path / record.result.path
        target.parent.mkdir(parents=True, exist_ok=True)
        for file in record.path.parent.glob(f"{record.path.stem}.*"):
            if file != record.path:
                file.rename(target.with_name(file.name))
        target.write_bytes(record.result.to_json())
        record.path.unlink()
        if not any(record.path.parent.iterdir()):
            record.path.parent.rmdir()
        moved += 1
    return moved


if __name__ == "__main__":
    print(f"{migrate(ResultsFolder(Path(sys.argv[1])))} records moved")
