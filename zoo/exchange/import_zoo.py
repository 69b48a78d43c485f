"""`import_zoo`: networks that were made elsewhere become an ordinary zoo, complete or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from ...runtime.errors import BadInput, unknown
from ...runtime.files import cache_dir, make_folder
from ...runtime.progress import track
from ..build.finish_zoo import finish_zoo
from ..networks.architecture import Architecture
from ..networks.operations.elementwise import ActivationName
from ..recipes.catalogue import zoo_names
from ..recipes.splits import SPLITS, split_groups
from ..recipes.zoo_entry import BUILDER, recipe_digest
from ..storage.manifest import RELEASE, ZOO_NAME, Manifest
from ..storage.network_writer import NetworksWriter, StoredNetworks
from ..storage.tables import ROW_GROUP
from ..storage.zoo import Zoo, open_zoo
from ..storage.zoo_folder import sole_writer
from .import_formats import load_importer
from .reading.archives import unpacked
from .reading.inr_images import image_shape
from .reading.label_table import add_labels, read_labels
from .reading.network_listing import ARCHITECTURE, FILE, GROUP, SPLIT, ImportedNetwork, NetworkListing
from .reading.network_reader import AxisOrder, NetworkReader, key_of, read_architectures

MAX_ARCHITECTURES = 256
MAX_BYTES_AT_ONCE = 2**28  # of files that are read before they are written


def import_zoo(
    format: str,
    path: Path | Sequence[Path],
    *,
    name: str,
    version: str = "1.0.0",
    labels: Path | None = None,
    arch: Path | None = None,
    activation: str | None = None,
    output_activation: str | None = None,
    order: str | None = None,
    license: str | None = None,
    drop_diverged: bool = False,
    out: Path | None = None,
) -> Zoo:
    """Make a zoo of networks from elsewhere; `zoo.manifest.recipe["assumed"]` says what the files left open.

    Arguments:
        format: one of `import_formats.import_formats()`; each file in `importers/` describes its own.
        path: folder or archive; for "state-dicts" also one .npz file of stacked arrays, for "onnx" files of any number.
        name, version: of the new zoo.
        labels: CSV with a column `file` and any others; `split`, `group`, `id` and `architecture` have a meaning.
        arch: JSON of an `Architecture`, or of several by key.
        activation: between the layers of MLPs that are known by their shapes alone.
        output_activation: after the last layer of such MLPs.
        order: of a weight's axes, "out-in" (torch) or "in-out".
        license: of the networks, where the format does not say.
        drop_diverged: leave networks with NaN or infinite weights out, instead of refusing.
        out: the zoo's folder; by default one in the cache, where `load_zoo(name)` finds it.

    Networks that are equal up to neuron order are kept once. Raises BadInput for files that cannot be read safely or do
    not fit together; nothing is left of a refused or interrupted import.

    Example:
        >>> from pathlib import Path
        >>> import torch
        >>> import weightbench as wb
        >>> Path("nets").mkdir()
        >>> for number in range(10):
        ...     net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        ...     torch.save(net.state_dict(), f"nets/{number}.pt")
        >>> zoo = wb.import_zoo("state-dicts", Path("nets"), name="my-nets", activation="relu")
        >>> str(zoo.architectures[0]), sum(len(split) for split in zoo.splits.values())
        ('mlp 2-8-1 relu', 10)
    """
    importer = load_importer(format)
    _check_arguments(name, version, (activation, output_activation), order)
    if output_activation and (format != "state-dicts" or arch):
        said_by = "--arch" if arch else f"the format {format}"
        raise BadInput(f"--output-activation: {said_by} says that itself: leave it out")
    path, files = _chosen(format, [path] if isinstance(path, Path) else list(path))
    out = out or cache_dir() / "zoos" / f"{name}@{version}"
    make_folder(out.parent)
    with sole_writer(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BadInput(f"{out}: is there already: remove it, or choose another --version, --name or --out")
        work = out.with_name(f".{out.name}.importing")
        shutil.rmtree(work, ignore_errors=True)
        try:
            finished = make_folder(work / "zoo")
            folder = path if path.suffix.lower() == ".npz" and path.is_file() else unpacked(path, work / "unpacked")
            reader = NetworkReader(
                files=files,
                activation=activation,  # type: ignore[arg-type]
                output_activation=output_activation,  # type: ignore[arg-type]
                order=order,  # type: ignore[arg-type]
                architectures=read_architectures(arch) if arch else {},
            )
            listing = importer.find(folder, reader)
            if labels := labels or listing.labels:
                add_labels(listing, read_labels(labels), labels)
                if ARCHITECTURE in listing.table and not listing.reads_architecture:
                    raise BadInput(
                        f"{labels}: names architectures, but nothing describes them: give --arch, or rename it"
                    )
            found = _store(listing, path, finished, drop_diverged)
            manifest = _manifest(listing, found, format, name, version, license)
            finish_zoo(finished, manifest)
            os.replace(finished, out)
        except BadInput as error:  # names what the user has, not where it was unpacked to
            raise BadInput(str(error).replace(str(work / "unpacked"), str(path))) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return open_zoo(out)


def _chosen(format: str, paths: list[Path]) -> tuple[Path, tuple[str, ...]]:
    """The folder or archive that is imported, and which files of it where they were named one by one."""
    if format == "onnx" and paths and all(path.suffix.lower() == ".onnx" for path in paths):
        for path in paths:
            if not path.is_file():
                raise BadInput(f"{path}: no such file")
        folder = Path(os.path.commonpath([path.absolute().parent for path in paths]))
        return folder, tuple(path.absolute().relative_to(folder).as_posix() for path in paths)
    if len(paths) != 1:
        raise BadInput(f"{len(paths)} paths: several are for .onnx files; other networks are imported from one folder")
    return paths[0], ()


def _check_arguments(name: str, version: str, activations: Iterable[str | None], order: str | None) -> None:
    if not re.fullmatch(ZOO_NAME, name):
        raise BadInput(f"--name {name}: lower-case letters, digits and single dashes, for instance my-zoo")
    if name in zoo_names():
        raise BadInput(f"--name {name}: is a standard zoo, which stands for one recipe: choose another name")
    if not re.fullmatch(RELEASE, version):
        raise BadInput(f"--version {version}: three numbers, for instance 1.0.0")
    for activation in activations:
        if activation is not None and activation not in get_args(ActivationName):
            raise unknown("activation", activation, get_args(ActivationName))
    if order is not None and order not in get_args(AxisOrder):
        raise unknown("order", order, get_args(AxisOrder))


@dataclass
class _Imported:
    """What was read: `architectures` by key, the files that hold the networks, and a checksum of all of it."""

    folder: Path
    architectures: dict[str, Architecture] = field(default_factory=dict)
    stored: StoredNetworks = field(default_factory=StoredNetworks)
    content_sha256: str = ""


def _store(listing: NetworkListing, path: Path, folder: Path, drop_diverged: bool) -> _Imported:
    """Write the networks of a listing, a row group at a time. Raises BadInput for the first one that cannot be used."""
    table, found = listing.table, _Imported(folder)
    repeated = table["id"][table["id"].duplicated()]
    if len(repeated):
        first, second = table.loc[table["id"] == repeated.iloc[0], FILE].iloc[:2]
        raise BadInput(f"{path}: {first} and {second} have the same name, {repeated.iloc[0]}: rename or remove one")
    strata = table[listing.strata].astype("str") if listing.strata else pd.Series("", table.index)
    try:
        splits = split_groups(table[GROUP].tolist(), table[SPLIT].tolist(), strata.tolist())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    shown = [column for column in listing.columns if column in table]
    writer, content = NetworksWriter(folder), hashlib.sha256()
    step = max(1, min(ROW_GROUP, MAX_BYTES_AT_ONCE // max(1, listing.largest_file)))
    with track(f"import {path.name}", len(table), "networks") as advance:
        for split in SPLITS:
            rows = table[splits == split]
            for start in range(0, len(rows), step):
                chunk = rows.iloc[start : start + step]
                networks = listing.read(chunk)
                described = chunk[shown].join(pd.DataFrame([network.extra for network in networks], chunk.index))
                content.update(described.to_csv(index=False).encode() + split.encode())
                keys = np.array([_key(network, found.architectures) for network in networks], object)
                for key in dict.fromkeys(keys.tolist()):
                    mine = np.flatnonzero(keys == key)
                    params = np.stack([networks[number].params for number in mine.tolist()])
                    content.update(params.tobytes())
                    bad = ~np.isfinite(params).all(1)
                    if bad.any() and not drop_diverged:
                        raise BadInput(
                            f"{path}: {chunk[FILE].iloc[mine[bad.argmax()]]} has NaN or infinite weights: remove it, "
                            "or leave such networks out with --drop-diverged"
                        )
                    writer.append(split, key, found.architectures[key], described.iloc[mine], {"params": params})
                advance(len(chunk))
    for split in SPLITS:
        if split not in writer.splits:
            raise BadInput(f"split {split} has no finite network that is not a duplicate: give more")
    found.stored, found.content_sha256 = writer.close(), content.hexdigest()
    return found


def _manifest(
    listing: NetworkListing, found: _Imported, format: str, name: str, version: str, license: str | None
) -> Manifest:
    stored, archs = found.stored, found.architectures
    assumed = [*listing.reader.notes, *listing.notes]
    if stored.dropped.duplicates:
        assumed.append(f"{stored.dropped.duplicates:,} networks equal another up to neuron order and were left out")
    recipe: dict[str, Any] = {
        "kind": "import",
        "format": format,
        "content_sha256": found.content_sha256,
        "split_rule": listing.split_rule,
        "assumed": assumed,
    }
    shape = image_shape(next(iter(archs.values()))) if listing.rendering else None
    source = {"image_shape": shape, "classes": listing.source.classes, "license": license or listing.source.license}
    if "label" in stored.table and not listing.source.classes:
        source["classes"] = [str(number) for number in range(int(stored.table["label"].max()) + 1)]
    columns = {column: text for column, text in listing.columns.items() if column in stored.table}
    return Manifest(
        schema=1,
        name=name,
        version=version,
        description=f"Networks imported from the format {format}",
        architectures={key: archs[key] for key in dict.fromkeys(file.architecture for file in stored.files)},
        splits=stored.splits,
        files=stored.files,
        columns=columns | {"params": "weights and biases in state-dict order"},
        quality={},
        dropped=stored.dropped,
        rendering=listing.rendering if shape else None,
        recipe=recipe,
        recipe_sha256=recipe_digest(name, version, recipe),
        sources=[listing.source.model_copy(update=source)],
        build={},
        builder=BUILDER,
    )


def _key(network: ImportedNetwork, architectures: dict[str, Architecture]) -> str:
    """The key of a network's architecture, which is given one when it is the first of its kind."""
    wanted = key = network.key or key_of(network.arch)
    number = 1
    while key in architectures and architectures[key] != network.arch:
        number += 1
        key = f"{wanted}-{number}"
    if key not in architectures:
        architectures[key] = network.arch
        if len(architectures) > MAX_ARCHITECTURES:
            raise BadInput(f"more than {MAX_ARCHITECTURES} different architectures: import them in parts")
    return key
