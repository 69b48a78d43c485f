"""Publishing and getting zoos: the real clients against a Hub on 127.0.0.1, with everything that can go wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from helpers.loopback_hub import Fault, LoopbackHub, serving

import weightbench as wb
from weightbench.zoo.load_zoo import ZooReference
from weightbench.zoo.recipes.catalogue import catalogue_entry
from weightbench.zoo.storage.checksums import seal
from weightbench.zoo.storage.zoo import open_again, open_zoo

FILE = "GET .*/resolve/.*test.parquet"


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with serving() as hub:
        yield hub


@pytest.fixture
def published(hub: LoopbackHub, small_zoo: Path, cli) -> str:
    """The address of a repository that holds the small zoo as v1.0.0; its requests are forgotten."""
    address = f"{hub.url}/datasets/lab/digits-inrs"
    code, out, err = cli("zoo", "push", small_zoo, "--repo-id", address)
    assert (code, err) == (0, "")
    assert "published" in out
    hub.requests.clear()
    return address


@pytest.fixture
def newer(small_zoo: Path, tmp_path: Path) -> Path:
    """The small zoo as version 1.1.0: one network less in the test split."""
    folder = Path(shutil.copytree(small_zoo, tmp_path / "newer"))
    file = folder / "data/test.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    manifest = json.loads((folder / "zoo.json").read_text())
    entry = next(entry for entry in manifest["files"] if entry["split"] == "test")
    entry |= {"rows": entry["rows"] - 1, "bytes": file.stat().st_size, "sha256": _sha256(file)}
    manifest["splits"]["test"] -= 1
    manifest |= {"version": "1.1.0", "changelog": {"1.0.0": "First version.", "1.1.0": "One network less."}}
    (folder / "zoo.json").write_text(json.dumps(manifest))
    zoo = open_zoo(folder)
    seal(folder, zoo.manifest)
    return folder


def _sha256(path: Path) -> str:
    from weightbench.runtime.files import file_sha256

    return file_sha256(path)


def _same(one: Path, other: Path) -> bool:
    first, second = open_zoo(one, always_hash=True), open_zoo(other, always_hash=True)
    return first.manifest_sha256 == second.manifest_sha256 and all(
        torch.equal(first[split].networks.params, second[split].networks.params) for split in first.splits
    )


def test_a_pushed_zoo_comes_back_as_it_was(hub, published, small_zoo: Path, tmp_path: Path, cli) -> None:
    out = tmp_path / "got"
    code, printed, _ = cli("zoo", "get", "digits-inrs@1.0.0", "--repo-id", published, "--out", out)
    assert code == 0
    assert hub.repos["lab/digits-inrs"].tags["v1.0.0"] in printed
    assert _same(small_zoo, out)
    assert sorted(p.name for p in out.iterdir()) == ["SHA256SUMS", "data", "origin.json", "zoo.json"]
    assert not list(tmp_path.glob(".*"))
    assert sum("GET" in request and "resolve" in request for request in hub.requests) == 4  # zoo.json and three files
    assert cli("zoo", "verify", out)[0] == 0


def test_a_zoo_that_is_here_needs_no_request(hub, published, tmp_path: Path) -> None:
    out = tmp_path / "got"
    first = wb.get_zoo("digits-inrs@1.0.0", repo_id=published, out=out)
    hub.requests.clear()
    assert wb.get_zoo("digits-inrs@1.0.0", repo_id=published, out=out).manifest_sha256 == first.manifest_sha256
    assert wb.load_zoo(out).manifest_sha256 == first.manifest_sha256
    assert hub.requests == []


def test_get_says_where_a_zoo_that_is_here_is_not_from_the_repository_asked_for(
    hub, published, small_zoo: Path, tmp_path: Path, cli
) -> None:
    own = Path(shutil.copytree(small_zoo, tmp_path / "own"))
    code, out, err = cli("zoo", "get", "digits-inrs@1.0.0", "--repo-id", published, "--out", own)
    assert (code, "verified, built here" in out) == (0, True)
    assert err == (
        f"{published} was not asked: {own} holds digits-inrs@1.0.0 already, built here; --out DIR downloads it beside\n"
    )
    got = tmp_path / "got"
    get = ("zoo", "get", "digits-inrs@1.0.0", "--out", got, "--repo-id")
    assert cli(*get, published)[0] == 0
    assert cli(*get, published)[2] == "", "it is from there"
    assert f", from {published}; --out DIR" in cli(*get, f"{hub.url}/datasets/other/digits-inrs")[2]
    assert cli("zoo", "get", "digits-inrs@1.0.0", "--out", own)[2] == "", "no repository was asked for"


def test_another_machine_fetches_the_zoo_of_a_task_once(hub, published, small_zoo, tmp_path, monkeypatch) -> None:
    zoo = wb.get_zoo("digits-inrs@1.0.0", repo_id=published, out=tmp_path / "got")
    own = pickle.dumps(ZooReference.of(open_zoo(Path(shutil.copytree(small_zoo, tmp_path / "own")))))
    sent = pickle.dumps(ZooReference.of(zoo))
    shutil.rmtree(tmp_path / "got")
    shutil.rmtree(tmp_path / "own")
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(wb.BadInput, match=r"has no zoo digits-inrs@1.0.0: put .*own on a disk that all nodes share"):
        pickle.loads(own).open()
    there = pickle.loads(sent).open()
    assert there.folder == tmp_path / "elsewhere/zoos/digits-inrs@1.0.0"
    assert _same(there.folder, small_zoo)
    hub.requests.clear()
    open_again.cache_clear()  # as in another process of that machine
    assert pickle.loads(sent).open().folder == there.folder
    assert hub.requests == []


def test_pushing_again_makes_no_commit(hub, published, small_zoo: Path, cli) -> None:
    before = list(hub.repos["lab/digits-inrs"].order)
    code, out, _ = cli("zoo", "push", small_zoo, "--repo-id", published)
    assert code == 0
    assert "nothing changed" in out
    assert f'revision = "{before[-1]}"' in out
    assert hub.repos["lab/digits-inrs"].order == before


def test_a_push_that_died_before_its_tag_is_finished_without_another_commit(
    hub, published, small_zoo: Path, cli
) -> None:
    repo = hub.repos["lab/digits-inrs"]
    before, sha = list(repo.order), repo.tags.pop("v1.0.0")
    assert cli("zoo", "push", small_zoo, "--repo-id", published)[0] == 0
    assert repo.tags == {"v1.0.0": sha}
    assert repo.order == before


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", "POST .*preupload", 403), "hf auth login"),
        (Fault("status", "PUT", 403), "hf auth login"),
        (Fault("status", "POST .*commit", 412), "try again"),
        (Fault("status", "POST .*create", 401), "hf auth login"),
    ],
)
def test_a_push_that_is_refused_publishes_nothing(hub, small_zoo: Path, fault: Fault, words: str, cli) -> None:
    hub.faults = [fault]
    address = f"{hub.url}/datasets/lab/digits-inrs"
    code, out, err = cli("zoo", "push", small_zoo, "--repo-id", address)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    hub.faults = []
    assert not hub.repos.get("lab/digits-inrs") or not hub.repos["lab/digits-inrs"].tags
    assert cli("zoo", "push", small_zoo, "--repo-id", address)[0] == 0


def test_a_published_version_never_changes(hub, published, newer: Path, cli) -> None:
    manifest = json.loads((newer / "zoo.json").read_text()) | {"version": "1.0.0"}
    (newer / "zoo.json").write_text(json.dumps(manifest))
    before = dict(hub.repos["lab/digits-inrs"].tags)
    code, out, err = cli("zoo", "push", newer, "--repo-id", published)
    assert (code, out) == (2, "")
    assert "a published version never changes" in err
    assert err.count("\n") == 1
    assert hub.repos["lab/digits-inrs"].tags == before


def test_a_private_repository(hub, small_zoo: Path, cli) -> None:
    assert cli("zoo", "push", small_zoo, "--repo-id", f"{hub.url}/datasets/me/secret", "--private")[0] == 0
    assert hub.repos["me/secret"].private


def test_what_a_version_dropped_is_not_served_with_the_next(hub, published, newer: Path, cli) -> None:
    repo = hub.repos["lab/digits-inrs"]
    repo.commits[repo.order[-1]]["data/old.parquet"] = b"a file that the next version does not have"
    assert cli("zoo", "push", newer, "--repo-id", published)[0] == 0
    assert "data/old.parquet" not in repo.commits[repo.order[-1]]


PLAIN_CLIENT = """
import datasets, huggingface_hub, os, sys, weightbench as wb
first, second = sys.argv[1:]
for revision, rows in (("v1.0.0", 24), ("v1.1.0", 23), (first, 24), (second, 23)):
    data = datasets.load_dataset("lab/digits-inrs", revision=revision)
    assert data["test"].num_rows == rows, (revision, data)
    assert data["test"].features["params"] == datasets.List(datasets.Value("float32"), length=337)
    assert data["test"].features["label"].names == [str(digit) for digit in range(10)]
for version, rows in (("1.0.0", 24), ("1.1.0", 23)):
    zoo = wb.get_zoo(f"digits-inrs@{version}", repo_id="lab/digits-inrs")
    assert len(zoo["test"]) == rows
    assert zoo["test"].networks.params.dtype.itemsize == 4
"""
OFFLINE = """
import weightbench as wb
assert len(wb.load_zoo("digits-inrs@1.0.0")["test"]) == 24
assert len(wb.load_zoo("digits-inrs@1.1.0")["test"]) == 23
assert len(wb.get_zoo("digits-inrs@1.1.0", repo_id="lab/digits-inrs")["test"]) == 23
try:
    wb.get_zoo("digits-inrs@1.2.0", repo_id="lab/digits-inrs")
except wb.BadInput as error:
    assert "HF_HUB_OFFLINE" in str(error), error
else:
    raise AssertionError("another version answered")
"""


def test_two_versions_side_by_side_with_plain_clients_and_offline(
    hub, published, newer: Path, tmp_path: Path, cli
) -> None:
    assert cli("zoo", "push", newer, "--repo-id", published)[0] == 0
    tags = hub.repos["lab/digits-inrs"].tags
    assert sorted(tags) == ["v1.0.0", "v1.1.0"]
    card = hub.repos["lab/digits-inrs"].commits[tags["v1.1.0"]]["README.md"].decode()
    assert "1.1.0: One network less." in card
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "WEIGHTBENCH_CACHE": str(tmp_path / "cache"),
    }
    _run(PLAIN_CLIENT, environment, tags["v1.0.0"], tags["v1.1.0"])
    hub.requests.clear()
    _run(OFFLINE, environment | {"HF_HUB_OFFLINE": "1"})
    assert hub.requests == []


def _run(code: str, environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# What passes: the right data arrive. docs/hub.md has the same table.
PASSES = {
    "connection-refused-once": Fault("refuse", FILE, times=1),
    "stall-once": Fault("stall", FILE, 4, times=1),
    "cut-once": Fault("cut", FILE, 1000, times=1),
    "flip-once": Fault("flip", FILE, 5000, times=1),
}
# What ends in one line: the words that it must hold.
ENDS = {
    "down": (Fault("refuse", "."), "try again"),
    "stalls": (Fault("stall", "GET /api", 8), "try again"),
    "cut": (Fault("cut", FILE, 1000), "try again"),
    "flip": (Fault("flip", FILE, 5000), "arrives corrupted"),
    "flip-in-manifest": (Fault("flip", "GET .*/resolve/.*zoo.json", 300), "arrives corrupted"),
    "busy": (Fault("status", "/api/datasets", 429), "too many requests"),
    "busy-at-a-file": (Fault("status", "HEAD .*/resolve/", 429), "too many requests"),
    "unavailable": (Fault("status", "/api/datasets", 503), "status 503"),
    "unavailable-at-a-file": (Fault("status", FILE, 503), "status 503"),
    "forbidden": (Fault("status", "/api/datasets", 403), "hf auth login"),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_fault_that_passes_leaves_the_right_data(hub, published, small_zoo: Path, tmp_path: Path, name: str) -> None:
    hub.faults = [PASSES[name]]
    wb.get_zoo("digits-inrs@1.0.0", repo_id=published, out=tmp_path / "got")
    assert hub.faults[0].times == 0, "the fault did not happen"
    assert _same(small_zoo, tmp_path / "got")


@pytest.mark.parametrize("name", ENDS)
def test_a_fault_that_stays_is_one_line_and_leaves_no_zoo(
    hub, published, small_zoo: Path, tmp_path: Path, name: str, cli
) -> None:
    fault, words = ENDS[name]
    hub.faults = [fault]
    out = tmp_path / "got"
    code, printed, err = cli("zoo", "get", "digits-inrs@1.0.0", "--repo-id", published, "--out", out)
    assert (code, printed) == (2, "")
    assert words in err
    assert err.count("\n") == 1, err
    assert cli("zoo", "verify", out)[0] == 2
    hub.faults = []
    assert cli("zoo", "get", "digits-inrs@1.0.0", "--repo-id", published, "--out", out)[0] == 0  # the mend: again
    assert _same(small_zoo, out)


def test_what_is_not_there(hub, published, tmp_path: Path, cli) -> None:
    def refused(*arguments: str) -> str:
        code, _, err = cli("zoo", "get", *arguments, "--out", tmp_path / "got")
        assert code == 2
        assert err.count("\n") == 1
        return err

    assert "no such revision" in refused("digits-inrs@9.0.0", "--repo-id", published)
    assert "no such revision" in refused("digits-inrs", "--repo-id", published, "--revision", "0" * 40)
    assert "no such data set" in refused("digits-inrs", "--repo-id", f"{hub.url}/datasets/lab/other")
    assert "ORG/NAME" in refused("digits-inrs", "--repo-id", "nonsense")
    assert "NAME@VERSION" in refused("../../etc", "--repo-id", published)
    assert "--repo-id" in refused("my-zoo")
    files = hub.repos["lab/digits-inrs"].commits[hub.repos["lab/digits-inrs"].tags["v1.0.0"]]
    content = files.pop("data/val.parquet")
    assert "lacks data/val.parquet" in refused("digits-inrs", "--repo-id", published)
    files["data/val.parquet"] = content
    del files["zoo.json"]
    assert "not a zoo" in refused("digits-inrs", "--repo-id", published)


def test_a_moved_tag_is_noticed(hub, published, newer: Path, tmp_path: Path, cli) -> None:
    assert cli("zoo", "push", newer, "--repo-id", published)[0] == 0
    tags = hub.repos["lab/digits-inrs"].tags
    tags["v1.0.0"] = tags["v1.1.0"]
    code, _, err = cli("zoo", "get", "digits-inrs@1.0.0", "--repo-id", published, "--out", tmp_path / "got")
    assert code == 2
    assert "holds digits-inrs@1.1.0, not digits-inrs@1.0.0" in err


def test_the_catalogues_pin_and_its_mirrors(hub, published, small_zoo: Path, tmp_path: Path, monkeypatch, cli) -> None:
    sha, manifest = hub.repos["lab/digits-inrs"].tags["v1.0.0"], open_zoo(small_zoo).manifest_sha256
    entry = catalogue_entry("digits-inrs")

    def pin(manifest_sha256: str, *mirrors: str) -> None:
        places = [{"repo": mirror, "revision": sha} for mirror in mirrors]
        pinned = type(entry).model_validate(
            entry.model_dump() | {"manifest_sha256": manifest_sha256, "mirrors": places}
        )
        monkeypatch.setattr("weightbench.zoo.recipes.catalogue._standard", lambda name: pinned)

    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path))
    pin("0" * 64, published)
    code, _, err = cli("zoo", "get", "digits-inrs", "--repo-id", published)
    assert code == 2
    assert f"expects {'0' * 64}" in err
    pin(manifest, f"{hub.url}/datasets/lab/gone", published)
    zoo = wb.load_zoo("digits-inrs")  # no request but for what the pin names; the first mirror fails
    assert zoo.manifest_sha256 == manifest
    assert json.loads((zoo.folder / "origin.json").read_text())["repository"] == published
    file = zoo.folder / "data/val.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    hub.requests.clear()
    assert cli("zoo", "get", "digits-inrs")[0] == 0  # repairs the one file
    assert _same(small_zoo, zoo.folder)
    assert [r for r in hub.requests if r.startswith("GET") and r.endswith(".parquet")] == [
        f"GET /datasets/lab/digits-inrs/resolve/{sha}/data/val.parquet"
    ]


def test_an_own_build_is_not_overwritten(hub, published, newer: Path, tmp_path: Path, cli) -> None:
    manifest = json.loads((newer / "zoo.json").read_text()) | {"version": "1.0.0"}
    (newer / "zoo.json").write_text(json.dumps(manifest))
    before = (newer / "zoo.json").read_bytes()
    sha = hub.repos["lab/digits-inrs"].tags["v1.0.0"]
    code, _, err = cli("zoo", "get", "digits-inrs", "--repo-id", published, "--revision", sha, "--out", newer)
    assert code == 2
    assert "holds another digits-inrs@1.0.0" in err
    assert (newer / "zoo.json").read_bytes() == before


def test_the_newest_version_of_a_zoo_that_the_catalogue_does_not_have(
    hub, published, newer: Path, tmp_path: Path, monkeypatch, cli
) -> None:
    monkeypatch.setenv("WEIGHTBENCH_CACHE", str(tmp_path / "cache"))
    for version in ("1.9.0", "1.10.0"):
        manifest = json.loads((newer / "zoo.json").read_text()) | {"name": "my-zoo", "version": version}
        (newer / "zoo.json").write_text(json.dumps(manifest))
        assert cli("zoo", "push", newer, "--repo-id", f"{hub.url}/datasets/me/my-zoo")[0] == 0
    assert cli("zoo", "get", "my-zoo", "--repo-id", f"{hub.url}/datasets/me/my-zoo")[0] == 0
    assert wb.load_zoo("my-zoo").version == "1.10.0"
    assert wb.load_zoo("my-zoo@1.10.0").name == "my-zoo"


def test_a_manifest_from_elsewhere_reaches_no_other_place(hub, published, tmp_path: Path, cli) -> None:
    files = hub.repos["lab/digits-inrs"].commits[hub.repos["lab/digits-inrs"].tags["v1.0.0"]]
    manifest = json.loads(files["zoo.json"])
    manifest["files"][0]["path"] = "data/../../../outside.parquet"
    files["zoo.json"] = json.dumps(manifest).encode()
    code, _, err = cli("zoo", "get", "digits-inrs", "--repo-id", published, "--out", tmp_path / "a/got")
    assert code == 2
    assert "files.0.path" in err
    assert not list(tmp_path.rglob("outside*"))
