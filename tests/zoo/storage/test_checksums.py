"""What `zoo verify` notices beside damaged files."""

from __future__ import annotations

import shutil
from pathlib import Path


def test_verify_notices_an_extra_file_and_a_manifest_edited_by_hand(small_zoo: Path, tmp_path: Path, cli) -> None:
    folder = Path(shutil.copytree(small_zoo, tmp_path / "zoo"))
    assert cli("zoo", "verify", folder)[0] == 0
    (folder / "data/more.parquet").write_bytes(b"more")
    code, _, err = cli("zoo", "verify", folder)
    assert code == 2
    assert "more.parquet: not named by zoo.json" in err
    (folder / "data/more.parquet").unlink()
    text = (folder / "zoo.json").read_text()
    (folder / "zoo.json").write_text(text.replace('"psnr_mean": 2', '"psnr_mean": 3'))
    code, _, err = cli("zoo", "verify", folder)
    assert code == 2
    assert "changed since it was written" in err
