"""Submission: records are checked, re-scored against the zoo itself, and copied to the committed results; all or none.

Whatever a record says is doubted: names, counts, scores, directions and paths. The truth comes from the zoo on this
machine, or from the truth that is committed already, never from the runs folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...benchmarks.metrics.scoring import metric_of
from ...benchmarks.records.result import Result, same_score
from ...benchmarks.records.results_folder import TRUTHS, Record, ResultsFolder, read_record
from ...benchmarks.records.truth import Truth
from ...benchmarks.task.builtin import builtin_tasks
from ...runtime.errors import BadInput, unknown
from ...runtime.files import ROOT, file_sha256, write_atomically
from ..evidence.analysis import evaluated
from ..evidence.plausibility import Copies, board_of, copied, suite_first, truth_told
from .computed_lines import check_lines
from .method_sources import checked_source
from .record_checks import checked_record
from .replications import replication_of
from .truths import Truths
from .whole_rows import require_one_code, require_whole_rows, require_whole_searches

if TYPE_CHECKING:
    from ...zoo.storage.zoo import Zoo

PREDICTIONS_LIMIT = 64 * 2**20  # bytes


def home_folder(option: str) -> Path:
    """The committed `leaderboard/` of this clone. Raises BadInput, which names the option that takes another folder,
    for an installed package."""
    if not (ROOT / ".git").exists():
        raise BadInput(f"there is no committed board beside an installed package: work in a clone, or say {option} DIR")
    return ROOT / "leaderboard"


@dataclass
class Submission:
    """What `submit` did: files written, the results in them, replications of committed ones, and how many records were
    there already."""

    written: list[Path] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    replications: list[Result] = field(default_factory=list)
    kept: int = 0

    @property
    def failed(self) -> int:
        """How many of the results are failed runs, which the board shows."""
        return sum(result.status != "ok" for result in self.results)


def submit(runs: Path, home: Path, zoos: Sequence[Path] = ()) -> Submission:
    """Check every record of a results folder and copy the evidence to `home`.

    Arguments:
        runs: a results folder, as `weightbench run` writes it.
        home: receives `results/`, a results folder with its truths.
        zoos: folders of zoos that are not in the cache.

    Raises BadInput, with nothing written, for the first record that does not hold.
    """
    if not runs.is_dir():
        raise BadInput(f"{runs}: no such folder; `weightbench run` writes results")
    given, committed = ResultsFolder(runs), ResultsFolder(home / "results")
    paths = given.record_paths()
    if not paths:
        raise BadInput(f"{runs}: no results there; `weightbench run` writes some")
    done = Submission()
    files: dict[Path, bytes | Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        truths = Truths(committed, ResultsFolder(Path(scratch)), zoos)
        records = suite_first(checked_record(path, given) for path in paths)
        boards = {board_of(record) for record in records}
        there = committed.records() if committed.path.is_dir() else []
        beside = [record for record in there if board_of(record) in boards]
        copies = _seen(beside)
        for record in records:
            result = record.result
            scores, evidence = _checked(record, truths, copies)
            target = committed.record_path(result.spec, result.seed)
            if _is_there(committed, record):
                first = read_record(target)
                again = replication_of(first, record)
                if again is None:
                    done.kept += 1
                else:
                    files[again] = _as_replication(_as_committed(record.beside(first), scores)).to_json()
                    done.replications.append(result)
                continue
            done.results.append(result)
            files |= {target.with_suffix(file.suffix): file for file in evidence}
            files[target] = _as_committed(result, scores).to_json()
            if plug_in := checked_source(record):
                files[committed.source_path(result.method.source_sha256)] = plug_in
        require_whole_rows(records, beside)
        require_whole_searches(records, beside)
        require_one_code([record for record in records if not _is_there(committed, record)], beside)
        for file in truths.new:
            files[committed.path / TRUTHS / file.name] = file.read_bytes()
    try:
        for target, source in files.items():
            write_atomically(target, source.read_bytes() if isinstance(source, Path) else source)
            done.written.append(target)
    except (OSError, KeyboardInterrupt) as error:
        for written in done.written:
            written.unlink()
        if isinstance(error, KeyboardInterrupt):
            raise
        raise BadInput(f"{target}: {error.strerror}; nothing was submitted") from None
    return done


def _checked(record: Record, truths: Truths, copies: Copies) -> tuple[dict[str, float], list[Path]]:
    """The scores of a record and the file of its predictions; neither where the run failed. Raises BadInput."""
    path, result, zoo = record.path, record.result, truths.zoo_of(record.result)
    _check_task(path, result, zoo)
    _check_settings(path, result)
    known = truths.of(record)
    if result.status != "ok":
        return {}, []
    file = _predictions(path, result)
    scores = _rescored(record, known)
    _check_honesty(record, known, zoo, copies)
    return scores, [file]


def _is_there(committed: ResultsFolder, record: Record) -> bool:
    """Whether a record of its cell is committed."""
    return committed.record_path(record.result.spec, record.result.seed).exists()


def _seen(committed: Sequence[Record]) -> Copies:
    """The answers that are committed."""
    found = Copies()
    for record in committed:
        if record.succeeded:
            found.original(record, *record.predictions())
    return found


def _check_honesty(record: Record, truths: Sequence[Truth], zoo: Zoo | None, copies: Copies) -> None:
    """Raises BadInput for predictions that no honest method gives."""
    ids, arrays = record.predictions()
    for truth in truths:
        if told := truth_told(record.result, ids, arrays, truth):
            raise BadInput(f"{record.path}: {told}")
    if original := copies.original(record, ids, arrays):
        raise BadInput(f"{record.path}: {copied(original)}")
    check_lines(record, ids, arrays, zoo)


def _as_committed(result: Result, scores: dict[str, float]) -> Result:
    """With the scores that its predictions give, and without the places of files on the submitter's machine."""
    placeless = {name: getattr(result, name).model_copy(update={"reference": None}) for name in ("zoo", "method")}
    found = {"score": scores[result.task.metric], "scores": scores} if scores else {}
    return result.model_copy(update=found | placeless)


def _as_replication(result: Result) -> Result:
    """Without the learning curves: what a replication says is its score, and the checksum of its predictions."""
    return result.model_copy(update={"curves": None})


def _check_task(path: Path, result: Result, zoo: Zoo | None) -> None:
    """Raises BadInput unless the record's task is one of the suite's, with its version, metric and direction."""
    from ...benchmarks.task.registry import task_class
    from ...benchmarks.task.task import Task

    name, suite = result.task.name, builtin_tasks()
    if name not in suite and result.task.is_plug_in:
        raise BadInput(
            f"{path}: task.name: {name} is no task of the suite: `weightbench leaderboard --results` shows it on a "
            "board of your own; a pull request that adds it to benchmarks/tasks proposes it (CONTRIBUTING.md)"
        )
    if name not in suite:
        raise BadInput(f"{path}: task.name: {unknown('task', name, suite)}")
    known = task_class(name)
    task = known(zoo, result.task.options) if zoo else known
    metric = metric_of(getattr(task, "metric", result.task.metric))  # without the zoo, some tasks do not know it
    facts = {"version": task.version, "metric": metric.name, "unit": metric.unit}
    for name, is_so in (facts | {"higher_is_better": metric.higher_is_better}).items():
        if (said := getattr(result.task, name)) != is_so:
            raise BadInput(f"{path}: task.{name}: says {said!r}, the task has {is_so!r}; run the cell again")
    for name, split in task.splits.items() if isinstance(task, Task) else ():
        if (counted := getattr(result.zoo, f"n_{name}")) != len(split):
            raise BadInput(f"{path}: zoo.n_{name}: says {counted}, the zoo's {name} split has {len(split)}")


def _check_settings(path: Path, result: Result) -> None:
    """Raises BadInput when the record names the settings of a known method otherwise than the method does."""
    from ...methods.contract.registry import load_method, method_names

    if result.method.name in method_names():
        try:
            method = load_method(result.method.name, result.method.params)
        except BadInput:  # parameters of another version: nothing to compare with
            return
        for name, named in (("variant", method.variant), ("recipe", method.recipe)):
            said = getattr(result.method, name)
            if said != named and (name, said) != ("recipe", None):  # older records do not say
                raise BadInput(
                    f"{path}: method.{name}: says {said!r}, these settings are {named!r}; run the cell again"
                )


def _predictions(path: Path, result: Result) -> Path:
    """The file of a record's predictions. Raises BadInput."""
    about = result.predictions
    expected = f"seed-{result.seed}.safetensors"
    if about is None or about.file != expected:
        found = about.file if about else None
        raise BadInput(f"{path}: predictions.file: is {found!a}, expected {expected!r} beside the record")
    file = path.with_name(expected)
    if not file.is_file() or file.is_symlink():
        raise BadInput(f"{file}: no such file, or a link; run the cell again")
    if (size := file.stat().st_size) > PREDICTIONS_LIMIT:
        raise BadInput(f"{file}: has {size:,} bytes, at most {PREDICTIONS_LIMIT:,} are taken")
    if file_sha256(file) != about.sha256:
        raise BadInput(f"{file}: its sha256 is not the one of its record; run the cell again")
    return file


def _rescored(record: Record, truths: Sequence[Truth]) -> dict[str, float]:
    """The scores that the predictions give; the claimed ones must be these.

    Where another build of the zoo stands behind the committed truth, the claim may be that of the record's own build.
    """
    result, wrong = record.result, ""
    found: dict[str, float] = {}
    for truth in truths:
        scores = evaluated(record, truth).scores
        found = found or scores
        claims: dict[str, float | None] = dict(result.scores or {})
        differing = [name for name in claims.keys() | scores if not _claimed(claims.get(name), scores.get(name))]
        if not _claimed(result.score, scores[result.task.metric]):
            claims, differing = {result.task.metric: result.score}, [result.task.metric]
        if not differing:
            return found
        name = min(differing)
        wrong = wrong or f"claims {name} {claims.get(name)}, its predictions give {scores.get(name)}"
    raise BadInput(f"{record.path}: score: {wrong}")


def _claimed(claim: float | None, found: float | None) -> bool:
    return claim is not None and same_score(claim, found)


def pull_request_steps(done: Submission, home: Path) -> list[str]:
    """What to do after `submit`, as commands."""
    names = sorted({result.method.name for result in (*done.results, *done.replications)})
    folder = os.path.relpath(home)
    return [
        f"git switch -c results-{'-'.join(names)[:40]}",
        "weightbench leaderboard",
        f"git add {folder} {os.path.relpath(home.parent / 'README.md')}",  # which holds the board's overview
        f'git commit -m "Results: {", ".join(names)[:60]}"',
        "git push -u origin HEAD    # then open a pull request: CI rebuilds the board and compares",
    ]
