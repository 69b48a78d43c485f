"""Stored scores derived anew from weights and raw data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import raw_data as raw
from helpers.counted_work import shrunk

from weightbench.runtime.errors import BadInput
from weightbench.zoo.build.build_zoo import build_zoo
from weightbench.zoo.build.rescore import rescore


def test_rescoring_finds_a_wrong_figure_and_other_source_data(
    sources: Path, tmp_path: Path, eager: None, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = build_zoo(
        str(shrunk("california-mlps", tmp_path)), limit=3, out=tmp_path / "zoo", device="cpu", source_dir=sources
    )
    code, out, _ = cli("zoo", "verify", zoo.folder, "--rescore", 9, "--source-dir", sources)
    assert (code, "derived anew" in out, "twins" in out) == (0, True, True)
    other = tmp_path / "other"
    raw.write_npz(other / "california_housing/x.npz", X=np.ones((9, 8)), y=np.arange(9.0))
    code, _, err = cli("zoo", "verify", zoo.folder, "--rescore", 9, "--source-dir", other)
    assert (code, "other california-housing data" in err, err.count("\n")) == (2, True, 1)
    zoo["test"].table.loc[:, "test_r2"] += 0.5
    with pytest.raises(BadInput, match="test_r2 is stored as"):
        rescore(zoo, rows=9, source_dir=sources)
