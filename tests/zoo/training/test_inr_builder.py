"""INRs are fitted in blocks of a chunk; what comes out does not depend on how large they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weightbench.zoo.build.build_plan import BuildPlan
from weightbench.zoo.recipes.catalogue import catalogue_entry
from weightbench.zoo.training import inr_fitter
from weightbench.zoo.training.inr_builder import INRBuilder


def test_a_chunk_is_fitted_the_same_in_any_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, eager: None) -> None:
    """The last chunk too, which is padded."""
    entry = catalogue_entry("digits-inrs")
    recipe = entry.recipe.model_copy(update={"steps": 3})
    entry = entry.model_copy(update={"recipe": recipe, "chunk": {"cpu": 12}})
    found = {}
    for size in (12, 4, 1):
        per_network = 4 * 2 * (16 + 16) * 64
        monkeypatch.setattr(inr_fitter, "BLOCK_BYTES", size * per_network)
        builder = BuildPlan(entry, 10, None, "cpu", tmp_path).builder()
        assert isinstance(builder, INRBuilder)
        assert builder.block == size
        assert [len(chunk) for chunk in builder.chunks] == [12, 12, 12, 4]
        found[size] = [builder.fit(chunk, 0, {}, lambda *_: None)[0] for chunk in builder.chunks]
    for other in (4, 1):
        for whole, blocks in zip(found[12], found[other], strict=True):
            assert whole["params"].shape == blocks["params"].shape
            np.testing.assert_allclose(whole["params"], blocks["params"], atol=1e-5)
