"""An import format is a file in `zoo/exchange/importers`, and nothing else has to be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from weightbench.runtime.errors import BadInput
from weightbench.zoo.exchange import importers
from weightbench.zoo.exchange.import_formats import import_formats, load_importer


def test_every_file_is_a_format_that_the_command_line_names(cli) -> None:
    folder = Path(importers.__path__[0])
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *(n.replace("-", "_") for n in import_formats())}
    help_text = cli("zoo", "import", "--help")[1]
    for name in import_formats():
        assert name in help_text
        assert callable(load_importer(name).find)


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="unknown format 'model-zoo': did you mean modelzoo"):
        load_importer("model-zoo")
