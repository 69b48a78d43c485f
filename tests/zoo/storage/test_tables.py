"""Property: a parquet file gives back every bit of what was written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weightbench.zoo.storage import tables as storage
from weightbench.zoo.storage.manifest import ZooFile

floats = st.floats(width=32, allow_nan=False)


@given(params=arrays(np.float32, (5, 7), elements=floats), labels=st.lists(st.integers(0, 9), min_size=5, max_size=5))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_parquet_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory, params: np.ndarray, labels: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    image = (np.arange(20, dtype=np.uint8)).reshape(5, 4)
    table = pd.DataFrame({"id": list("abcde"), "label": labels})
    writer = storage.TableWriter(folder / "data/a.parquet")
    writer.append(table[:2], {"params": params[:2], "image": image[:2]})
    writer.append(table[2:], {"params": params[2:], "image": image[2:]})
    writer.close()
    file: ZooFile = storage.describe_file(folder, "data/a.parquet", "train", "x", 5)
    tensors = storage.read_tensors(folder, file)
    assert tensors["params"].numpy().tobytes() == params.tobytes()
    assert np.array_equal(tensors["image"].numpy(), image)
    pd.testing.assert_frame_equal(storage.read_table(folder, file), table, check_dtype=False)
