"""The proof that no network stands in a zoo twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import weightbench as wb
from weightbench.runtime.errors import BadInput
from weightbench.zoo.build.twins import check_twins


def test_a_twin_in_two_splits_is_found(small_zoo: Path, tmp_path: Path) -> None:
    from weightbench.zoo.networks import symmetry
    from weightbench.zoo.storage.manifest import MANIFEST
    from weightbench.zoo.storage.tables import TableWriter, describe_file, read_table

    zoo = wb.load_zoo(small_zoo)
    check_twins(zoo)
    train, test = zoo["train"], zoo["test"]
    order = symmetry.sample(train.networks.arch, "permutation", 1, torch.Generator().manual_seed(0))
    smuggled = torch.cat([test.networks.params[1:], train.networks[5].permuted(order).params])
    folder = Path(shutil.copytree(small_zoo, tmp_path / "zoo"))
    (file,) = test.files
    table = read_table(folder, file)
    writer = TableWriter(folder / file.path)
    writer.append(table, {"params": smuggled.numpy()})
    writer.close()
    files = [*train.files, describe_file(folder, file.path, file.split, file.architecture, file.rows)]
    (folder / MANIFEST).write_bytes(zoo.manifest.model_copy(update={"files": files}).to_json())
    with pytest.raises(BadInput, match=rf"train/{train.ids[5]} and test/{test.ids[-1]} .*equal up to the order"):
        check_twins(wb.load_zoo(folder))
