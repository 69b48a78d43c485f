"""Results as a pandas table. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ...runtime.errors import BadInput
from .result import Result
from .results_folder import ResultsFolder


class Results(list[Result]):
    """What a run gave, a list.

    Arguments:
        folder: the results folder that it went to.
    """

    def __init__(self, results: Iterable[Result], folder: Path) -> None:
        super().__init__(results)
        self.folder = folder

    def to_pandas(self) -> pd.DataFrame:
        """One row per result, with the columns of `load_results`."""
        return _table(self, [self.folder / result.path for result in self])


def load_results(folder: str | Path = "runs") -> pd.DataFrame:
    """Every result of a folder, one row per record (a method on a task, a zoo and a seed), failed ones too.

    Scores are the records' own; `wb.boards` computes them anew from the predictions, with intervals. Columns:

        task, target, split, protocol, also: the task with its options, None where it has no such one.
        zoo, zoo_version, recipe: the zoo; of its recipe's checksum the first eight digits.
        method, variant, params: the method; what differs from its defaults as text, and all settings as a dict.
        seed, spec: results of one `spec` differ by seed and machine alone.
        status, error: "ok", "failed" or "oom", and why.
        score, metric, unit, higher_is_better, val_score: the headline score, that on the validation split.
        parameters, fit_s, networks_per_s, peak_mb: trained parameters, seconds of fit, prediction rate, memory in MB.
        device, finished: "CPU" or the GPU's name, and when it ended (UTC).
        path: the record's file.
        score_<name>: every score of the task, the headline one too, NaN where a task has no such score.

    Raises BadInput for a folder without results and for damaged records.

    Example:
        >>> import weightbench as wb
        >>> _ = wb.run(["weight-norms", "constant"], task="property", zoo="digits-inrs", target="psnr", out="runs")
        >>> wb.load_results("runs")[["method", "metric", "status"]].values.tolist()
        [['constant', 'pearson-r', 'ok'], ['weight-norms', 'pearson-r', 'ok']]
    """
    records = ResultsFolder(Path(folder)).records()
    if not records:
        raise BadInput(f"{folder}: no results there; `weightbench run` writes some")
    return _table([record.result for record in records], [record.path for record in records])


def _table(results: list[Result], paths: list[Path]) -> pd.DataFrame:
    rows = [_row(result) | {"path": str(path)} for result, path in zip(results, paths, strict=True)]
    scores = [{f"score_{name}": value for name, value in (result.scores or {}).items()} for result in results]
    return pd.DataFrame(rows).join(pd.DataFrame(scores, index=range(len(rows))))


def _row(result: Result) -> dict[str, Any]:
    task, zoo, method, cost = result.task, result.zoo, result.method, result.cost
    return {
        "task": task.name,
        **task.options.model_dump(include={"target", "split", "protocol", "also"}),
        "zoo": zoo.name,
        "zoo_version": zoo.version,
        "recipe": zoo.recipe_sha256[:8],
        "method": method.name,
        "variant": method.variant,
        "params": method.params,
        "seed": result.seed,
        "spec": result.spec.hash,
        "status": result.status,
        "error": result.error,
        "score": result.score,
        "metric": task.metric,
        "unit": task.unit,
        "higher_is_better": task.higher_is_better,
        "val_score": (result.selection or {}).get("val_score"),
        "parameters": cost.parameters if cost else None,
        "fit_s": cost.fit_s if cost else None,
        "networks_per_s": cost.predict_networks_per_s if cost else None,
        "peak_mb": cost.peak_memory_mb if cost else None,
        "device": str(result.environment.get("gpu") or "CPU"),
        "finished": pd.Timestamp(result.finished),
    }
