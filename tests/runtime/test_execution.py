"""Where work runs: what does not fit together is refused at once, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from weightbench.runtime.errors import BadInput
from weightbench.runtime.execution import Execution
from weightbench.runtime.open_executor import open_executor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "rya"}, "unknown executor 'rya': did you mean ray"),
        ({"jobs": 0}, "--jobs 0: how many"),
        ({"address": "127.0.0.1:6379"}, "say --executor ray too"),
        ({"memory": 4.0}, "say --executor ray too"),
        ({"executor": "ray", "memory": 0.0}, "--memory 0: GB that"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Execution(**options)  # type: ignore[arg-type]


def test_by_default_work_runs_in_this_process_in_its_order(tmp_path: Path) -> None:
    with open_executor(Execution()) as executor:
        assert (executor.here, executor.jobs) == (True, 1)
        assert list(executor.run(lambda item: item**2, [3, 1, 2], folder=tmp_path)) == [(0, 9), (1, 1), (2, 4)]
