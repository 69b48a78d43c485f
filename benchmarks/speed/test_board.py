"""How long boards take: 1,000 generated results, 50 methods on 20 boards of 500 test networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from weightbench.benchmarks.records.predictions import write_predictions
from weightbench.benchmarks.records.result import Result
from weightbench.benchmarks.records.results_folder import ResultsFolder, read_result
from weightbench.leaderboard.board.board import load_boards
from weightbench.leaderboard.pages.board_files import board_files

METHODS, BOARDS, NETWORKS = 50, 20, 500
RECORD = next(Path("tests/fixtures/records/2").glob("inr-classification/*/mlp/*/seed-0.json"))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    random = np.random.default_rng(0)
    template = read_result(RECORD)
    for number in range(BOARDS):
        recipe = f"{number:064x}"
        ids, labels = [f"{i:04d}" for i in range(NETWORKS)], random.integers(0, 10, NETWORKS)
        images = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(NETWORKS, np.uint8)), 1)
        table = pa.table({"id": ids, "item": ids, "label": labels, "image": images})
        about = {
            "source": json.dumps({"image_shape": [1, 1], "image_max": 1}),
            "classes": json.dumps({"label": list(range(10))}),
            "neurons": "{}",
        }
        about_zoo = template.zoo.model_copy(update={"name": f"zoo-{number}", "recipe_sha256": recipe})
        path = ResultsFolder(folder).truth_paths(template.spec._replace(zoo=about_zoo))[0]
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table.replace_schema_metadata(about), path)
        for method in range(METHODS):
            logits = random.normal(size=(NETWORKS, 10)).astype(np.float32)
            logits[np.arange(NETWORKS), labels] += method / 10
            record = json.loads(RECORD.read_text())
            record["zoo"] |= {"name": f"zoo-{number}", "recipe_sha256": recipe, "n_test": NETWORKS}
            record["method"] |= {"name": f"method-{method}", "variant": None}
            score = 100 * float((logits.argmax(1) == labels).mean())
            record |= {"score": score, "scores": {"accuracy": score}}
            result = Result.model_validate(record)
            path = folder / result.path
            path.parent.mkdir(parents=True)
            sha256 = write_predictions(path.with_suffix(".safetensors"), ids, {"logits": logits})
            record["predictions"] = {"file": "seed-0.safetensors", "sha256": sha256, "n": NETWORKS}
            path.write_text(json.dumps(record))
    return folder


def test_statistics(
    benchmark: BenchmarkFixture,
    results: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From records to boards, nothing cached."""

    def fresh() -> None:
        monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))

    assert len(benchmark.pedantic(load_boards, args=(results,), setup=fresh, rounds=3)) == BOARDS


def test_page_from_cached_statistics(
    benchmark: BenchmarkFixture, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From records to every file of the board, statistics cached."""
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path))
    load_boards(results)
    assert benchmark.pedantic(lambda: board_files(load_boards(results)), rounds=3)["index.html"]
