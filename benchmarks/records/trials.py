"""Which trial of a random search is chosen: the best on the validation split, at its first seed. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from .result import Result


def chosen_trial(results: Sequence[Result]) -> Result | None:
    """Of one seed's results, one per trial, that with the best validation score; of equals the first trial.

    None where no trial that succeeded has a validation score.
    """
    scored = [result for result in results if _val_score(result) is not None]
    if not scored:
        return None
    sign = 1 if scored[0].task.higher_is_better else -1
    return max(scored, key=lambda result: (sign * (_val_score(result) or 0.0), -_number(result)))


def _val_score(result: Result) -> float | None:
    found = (result.selection or {}).get("val_score")
    return float(found) if isinstance(found, int | float) else None


def _number(result: Result) -> int:
    return result.trial.number if result.trial else 0
