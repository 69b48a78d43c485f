"""Building a zoo of the catalogue: chunk by chunk, resumable after a kill, whole or not at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from .card import write_card
from .catalogue import Entry, catalogue_entry
from .collection import Zoo, open_zoo
from .errors import BadInput
from .fit import compiler
from .inrs import COLUMNS, INRBuilder, split_items
from .machine import cache_dir, make_folder, pick_device, source_dir, write_atomically
from .manifest import MANIFEST, Manifest, SourceInfo, ZooFile, digest, read_manifest
from .progress import track
from .sources import SOURCES
from .storage import describe_file, write_parquet

BUILDER = "1"  # raised when the same recipe would give other networks
_ARCH = "siren"  # the architecture's key in the manifest


def default_folder(entry: Entry) -> Path:
    """Where a whole build of `entry` lives."""
    return cache_dir() / "zoos" / f"{entry.name}@{entry.version}"


def build_zoo(
    name: str,
    *,
    limit: int | None = None,
    out: Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    source_folder: Path | None = None,
) -> Zoo:
    """Build the zoo `name` of the catalogue and return it; a folder that holds it already is only verified.

    Arguments:
        limit: keep that many source items over all splits.
        out: the zoo's folder; by default one in the cache, with the limit and seed in its name.
        device: "cpu", "cuda", ...; by default a GPU where there is one.
        seed: of the initialisations, instead of the recipe's.
        source_folder: with the raw data sets, for machines without internet.

    Raises BadInput for an unknown name, a folder that holds something else or that cannot be written, a missing source.
    """
    entry = catalogue_entry(name)
    device = pick_device(device)
    seed = entry.recipe.seed if seed is None else seed
    source = SOURCES[entry.source](source_dir(source_folder))
    parts = split_items(entry, source, limit)
    source_sha256 = source.sha256
    version = entry.version if source_sha256 == entry.source_sha256 else f"{entry.version}+local"
    recipe = replace(entry.recipe, seed=seed).to_dict() | {
        "splits": {split: len(items) for split, items in parts.items()},
        "source_sha256": source_sha256,
    }
    recipe_sha256 = digest({"name": entry.name, "version": version, "builder": BUILDER} | recipe)
    if out is None:
        suffix = (f"-limit-{limit}" if limit is not None else "") + (f"-seed-{seed}" if seed else "")
        out = default_folder(entry).with_name(f"{entry.name}@{version}{suffix}")
    make_folder(out.parent)
    if _holds(out, entry, recipe_sha256):
        return open_zoo(out)

    chunk = entry.chunk[device.split(":")[0]]
    engine = compiler()
    builder = INRBuilder(entry, source, parts, seed, chunk, device, engine)
    build = {"device": device, "threads": torch.get_num_threads(), "chunk": chunk, "engine": engine}
    work = make_folder(out.with_name(f".{out.name}.building"))
    with FileLock(make_folder(cache_dir() / "locks") / digest(str(out.resolve()))[:16]):
        if _holds(out, entry, recipe_sha256):  # another process built it while this one waited
            return open_zoo(out)
        fitted = _fit_all(builder, work, digest(build | {"recipe_sha256": recipe_sha256}))
        build["engine"] = builder.engine
        finished = work / "zoo"
        files = _write_splits(builder, fitted, finished)
        manifest = Manifest(
            schema=1,
            name=entry.name,
            version=version,
            description=entry.description,
            architectures={_ARCH: entry.recipe.architecture},
            splits={file.split: file.rows for file in files},
            files=files,
            columns=COLUMNS,
            quality={
                "psnr_mean": round(float(fitted["psnr"].mean()), 3),
                "psnr_min": round(float(fitted["psnr"].min()), 3),
            },
            recipe=recipe,
            recipe_sha256=recipe_sha256,
            source=SourceInfo(
                name=source.name,
                sha256=source_sha256,
                license=source.license,
                citation=source.citation,
                classes=source.classes,
                image_shape=source.images.shape[1:],
                image_max=source.image_max,
            ),
            build=build,
            builder=BUILDER,
        )
        write_card(finished, manifest)
        (finished / MANIFEST).write_bytes(manifest.to_json())
        _move_in(finished, out)
        shutil.rmtree(work)
    return open_zoo(out)


def _holds(out: Path, entry: Entry, recipe_sha256: str) -> bool:
    """Whether `out` already is the wanted zoo. Raises BadInput when it is something else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).exists():
        if out.is_dir() and {path.name for path in out.iterdir()} <= {"data", "README.md"}:
            return False  # a build died while moving in
        raise BadInput(f"{out}: is not empty and not a zoo: choose another --out")
    try:
        manifest, _ = read_manifest(out)
    except BadInput:
        return False
    if manifest.recipe_sha256 != recipe_sha256:
        raise BadInput(
            f"{out}: holds {manifest.name}@{manifest.version} of another recipe (limit, seed or source differ): "
            "choose another --out or remove it"
        )
    try:
        open_zoo(out)
    except BadInput:
        return False  # damaged: built again
    return True


def _fit_all(builder: INRBuilder, work: Path, key: str) -> dict[str, np.ndarray]:
    """Fit every chunk that is not yet in `work`; returns all results, concatenated."""
    shards = work / f"shards-{key[:16]}"
    shards.mkdir(exist_ok=True)
    for stale in work.glob("shards-*"):
        if stale != shards:
            shutil.rmtree(stale)
    results = []
    with track(f"fit {builder.entry.name}", len(builder.jobs), "networks") as advance:
        for number, jobs in enumerate(builder.chunks):
            path = shards / f"{number:06d}.safetensors"
            try:
                fitted = load_file(path)
            except (OSError, SafetensorError):
                fitted = builder.fit(jobs)
                write_atomically(path, save(fitted))
            results.append(fitted)
            advance(len(jobs), f"{fitted['psnr'].mean():.1f} dB")
    return {name: np.concatenate([result[name] for result in results]) for name in results[0]}


def _write_splits(builder: INRBuilder, fitted: dict[str, np.ndarray], folder: Path) -> list[ZooFile]:
    files: list[ZooFile] = []
    start = 0
    for split, items in builder.parts.items():
        stop = start + len(items) * builder.entry.recipe.copies
        jobs = builder.jobs[start:stop]
        mine = {name: values[start:stop] for name, values in fitted.items()}
        images = builder.source.images[[item for item, _ in jobs]].reshape(len(jobs), -1)
        path = f"data/{split}.parquet"
        write_parquet(folder / path, builder.table(jobs, mine), {"params": mine["params"], "image": images})
        files.append(describe_file(folder, path, split, _ARCH, len(jobs)))
        start = stop
    return files


def _move_in(finished: Path, out: Path) -> None:
    """Put the finished files in place, the manifest last: a folder without it is not a zoo."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    names = [path.relative_to(finished) for path in finished.rglob("*") if path.is_file()]
    for name in sorted(names, key=lambda name: name.name == MANIFEST):
        os.replace(finished / name, out / name)
