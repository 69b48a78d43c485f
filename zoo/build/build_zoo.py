"""Building a zoo, chunk by chunk and segment by segment: resumable after a kill, its folder complete or not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from ...runtime.errors import BadInput
from ...runtime.execution import Execution
from ...runtime.executor import Engine, Executor
from ...runtime.files import digest, make_folder
from ...runtime.open_executor import open_executor
from ..recipes.catalogue import catalogue_entry, default_folder
from ..recipes.inr_recipe import INRRecipe
from ..recipes.raw_data import SOURCES, Source, raw_data_dir
from ..recipes.zoo_entry import BUILDER, recipe_digest
from ..storage.checksums import OTHER_FILES
from ..storage.manifest import LOCAL, MANIFEST, Manifest, Rendering, SourceInfo, read_manifest
from ..storage.network_writer import NetworksWriter, StoredNetworks
from ..storage.tables import ROW_GROUP
from ..storage.zoo import Zoo, open_zoo
from ..storage.zoo_folder import move_in, sole_writer
from ..training.zoo_builder import ZooBuilder
from .build_plan import BuildPlan
from .finish_zoo import finish_zoo
from .training_shards import TrainingShards


def build_zoo(
    name: str,
    *,
    limit: int | None = None,
    out: Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    source_dir: Path | None = None,
    executor: Engine = "local",
    jobs: int | None = None,
    address: str | None = None,
    memory: float | None = None,
    wait: bool = False,
) -> Zoo:
    """Build a zoo and return it; a folder that holds it already is only verified.

    Arguments:
        name: of the catalogue, or the path of one's own TOML file.
        limit: keep that many source items (images, runs) over all splits.
        out: the zoo's folder; by default one in the cache, or beside the TOML file, with limit and seed in its name.
        device: "cpu", "cuda", ...; by default a GPU where there is one.
        seed: of the initialisations, instead of the recipe's.
        source_dir: with the raw data sets, for machines without internet.
        executor, jobs, address, memory: where chunks are trained and how many at once, see `Execution`.
        wait: for another process that builds the same folder, instead of refusing.

    Raises BadInput for an unknown name, a folder that holds something else or that cannot be written, a missing source,
    a build of the same folder that is going on.

    Example:
        >>> from pathlib import Path
        >>> import weightbench as wb
        >>> zoo = wb.build_zoo("digits-inrs", limit=10, out=Path("small"))  # of ten images
        >>> zoo.name, sum(len(split) for split in zoo.splits.values())
        ('digits-inrs', 40)
    """
    execution = Execution(executor, jobs, address, memory, device)
    entry = catalogue_entry(name)
    folder = raw_data_dir(source_dir)
    with open_executor(execution) as workers:
        plan = BuildPlan(entry, limit, seed, workers.device(execution.device), folder.resolve() if folder else None)
        return _build(name, plan, out, workers, wait=wait)


def _build(name: str, plan: BuildPlan, out: Path | None, executor: Executor, *, wait: bool) -> Zoo:
    entry, limit, seed = plan.entry, plan.limit, plan.seed
    builder = plan.builder()
    checksums = {name: source.sha256 for name, source in builder.sources.items()}
    version = entry.version if checksums == entry.sources else entry.version + LOCAL
    recipe = entry.build_dict(seed, {split: len(members) for split, members in builder.members.items()}, checksums)
    recipe_sha256 = recipe_digest(entry.name, version, recipe)
    if out is None:
        suffix = f"-limit-{limit}" if limit is not None else ""
        suffix += f"-seed-{seed}" if seed not in (None, entry.recipe.seed) else ""
        # One's own recipe never takes the place of a standard zoo.
        home = Path(name).parent if name.endswith(".toml") else default_folder(entry).parent
        out = home / f"{entry.name}@{version}{suffix}"
    make_folder(out.parent)
    if _holds(out, recipe_sha256):
        return open_zoo(out)

    with sole_writer(out, wait=wait):
        if _holds(out, recipe_sha256):  # another process built it while this one waited
            return open_zoo(out)
        build: dict[str, Any] = {
            "device": plan.device,
            "threads": executor.threads,
            "chunk": plan.chunk,
            "engine": plan.engine,
        }
        work = make_folder(out.with_name(f".{out.name}.building"))
        shards = TrainingShards(builder, work, digest(build | {"recipe_sha256": recipe_sha256}))
        build["engine"] = shards.train(plan, executor)
        finished = work / "zoo"
        shutil.rmtree(finished, ignore_errors=True)
        stored = _store(builder, shards, finished)
        manifest = Manifest(
            schema=1,
            name=entry.name,
            version=version,
            description=entry.description,
            changelog=entry.changelog,
            architectures=builder.architectures,
            splits=stored.splits,
            other_splits=stored.other_splits,
            files=stored.files,
            columns=builder.columns,
            quality=builder.quality(stored.table),
            dropped=stored.dropped,
            rendering=Rendering(coordinates=entry.recipe.coordinates, target_range=entry.recipe.target_range)
            if isinstance(entry.recipe, INRRecipe)
            else None,
            recipe=recipe,
            recipe_sha256=recipe_sha256,
            sources=[_source_info(source, checksums[name]) for name, source in builder.sources.items()],
            build=build,
            builder=BUILDER,
        )
        finish_zoo(finished, manifest)
        move_in(finished, out)
        shutil.rmtree(work)
    return open_zoo(out)


def _source_info(source: Source, sha256: str) -> SourceInfo:
    return SourceInfo(
        name=source.name,
        sha256=sha256,
        license=SOURCES[source.name].license,
        citation=SOURCES[source.name].citation,
        classes=source.classes,
        image_shape=source.inputs.shape[1:] if source.image_max else None,
        image_max=source.image_max,
    )


def _holds(out: Path, recipe_sha256: str) -> bool:
    """Whether `out` already is the wanted zoo. Raises BadInput when it is something else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).exists():
        if out.is_dir() and {path.name for path in out.iterdir()} <= {"data", *OTHER_FILES}:
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


def _store(builder: ZooBuilder[Any], shards: TrainingShards, folder: Path) -> StoredNetworks:
    """Write every split's files."""
    writer = NetworksWriter(folder)
    for split, members in builder.members.items():
        for key, batch in _batches(builder, members):
            table, arrays = builder.describe(batch, [shards.rows(member) for member in batch])
            writer.append(split, key, builder.architectures[key], table, arrays)
        if split not in writer.splits:
            raise BadInput(f"split {split}: every network diverged: lower the recipe's learning rates")
    stored = writer.close()
    if "within_run" in stored.table:
        counts = stored.table["within_run"].value_counts()
        stored.other_splits["within-run"] = {split: int(counts.get(split, 0)) for split in stored.splits}
    return stored


def _batches(builder: ZooBuilder[Any], members: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Members in their order, neighbours of one architecture together, up to a row group of networks at a time."""
    size = max(1, ROW_GROUP * sum(map(len, builder.members.values())) // builder.networks)
    for key, group in groupby(members, builder.architecture):
        alike = list(group)
        yield from ((key, alike[start : start + size]) for start in range(0, len(alike), size))
