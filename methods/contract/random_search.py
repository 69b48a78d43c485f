"""Random search (Bergstra and Bengio 2012): other settings of a method, drawn from the space that it declares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.errors import BadInput
from ...runtime.files import digest
from .method import Method


def trials(method: Method, count: int) -> list[Method]:
    """The method as it is, then `count - 1` with settings of its `search_space` drawn anew, the rest as they are.

    What is drawn depends on the method's name and settings and on the trial's number alone, so that everyone tries the
    same. A method without a search space is one trial. Raises BadInput for fewer than one.

    Example:
        >>> import weightbench as wb
        >>> from weightbench.methods.contract.random_search import trials
        >>> len(trials(wb.load_method("mlp"), 3)), len(trials(wb.load_method("weight-norms"), 3))
        (3, 1)
    """
    if count < 1:
        raise BadInput(f"{count} trials: a search takes 1 or more; 1 runs the settings that are given")
    searched = {name: drawn for name, drawn in sorted(method.search_space.items()) if hasattr(method, name)}
    found = [method]
    for number in range(1, count if searched else 1):
        seed = digest({"name": method.name, "params": method.params, "trial": number})
        rng = np.random.default_rng(int(seed[:16], 16))
        settings = {name: _short(drawn.sample(rng)) for name, drawn in searched.items()}
        found.append(replace(method, **settings))
    return found


def _short(value: float | str) -> float | str:
    """Three digits: more would tell a reader nothing."""
    return value if isinstance(value, str) else float(f"{value:.3g}")
