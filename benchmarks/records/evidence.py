"""Evidence beside a result: predictions per network id, and the truth that they are scored against. Torch-free.

Predictions are one safetensors file per cell; its metadata hold the ids, and how its byte arrays are compressed. The
truth of a zoo's test split (its table, images where it has some) is one small parquet file, so that scores are
recomputed without the zoo.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...runtime.errors import BadInput
from ...runtime.files import write_atomically
from ...zoo.storage.manifest import VERSION, ZOO_NAME
from .result import Options, ZooPart

if TYPE_CHECKING:
    import pandas as pd

    from ...zoo.storage.zoo import Zoo

PIXEL_ITEMS = 1000  # edited INRs whose rendering is kept, the first of the split's order
PIXEL_LOW, PIXEL_HIGH = -0.5, 1.5
TRUTH = "zoos"
MOST_BYTES = 2**30  # of one decompressed array
IDENTITY = re.compile(f"{ZOO_NAME}@{VERSION}-[0-9a-f]{{8}}")


def quantise(pixels: np.ndarray) -> np.ndarray:
    """Pixels as bytes on [-0.5, 1.5]; what lies outside is clipped."""
    scaled = (pixels - PIXEL_LOW) / (PIXEL_HIGH - PIXEL_LOW) * 255
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def dequantise(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64) / 255 * (PIXEL_HIGH - PIXEL_LOW) + PIXEL_LOW


def write_predictions(path: Path, ids: list[str], arrays: dict[str, np.ndarray]) -> str:
    """Write one cell's predictions; byte arrays are compressed. Returns the file's sha256."""
    from safetensors.numpy import save

    metadata = {"ids": "\n".join(ids)}
    stored = {}
    for name, values in arrays.items():
        if values.dtype == np.uint8:
            metadata[f"zstd:{name}"] = json.dumps(values.shape)
            values = np.frombuffer(pa.compress(values.tobytes(), "zstd", asbytes=True), np.uint8)
        stored[name] = np.ascontiguousarray(values)
    content = save(stored, metadata)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_predictions(path: Path, sha256: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """The ids and arrays of a cell. Raises BadInput for a missing or changed file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    mend = f"remove {path.with_suffix('.json')} and run the cell again"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; {mend}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BadInput(f"{path}: found sha256 {found}, its record expects {sha256}; {mend}")
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        arrays = load(content)
        for name in arrays:
            if shape := metadata.get(f"zstd:{name}"):
                shape = json.loads(shape)
                if not 0 <= math.prod(shape) <= MOST_BYTES:
                    raise ValueError(f"the array {name} claims the shape {shape}")
                raw = pa.decompress(arrays[name].tobytes(), math.prod(shape), "zstd", asbytes=True)
                arrays[name] = np.frombuffer(raw, np.uint8).reshape(shape)
        return metadata["ids"].split("\n"), arrays
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BadInput(f"{path}: not a predictions file ({type(error).__name__}: {error}); {mend}") from None


def stored(arrays: dict[str, np.ndarray], name: str, *shape: int | None) -> np.ndarray:
    """A stored array, its shape checked; None stands for any length."""
    found = arrays[name].shape if name in arrays else None
    if found is None or len(found) != len(shape) or any(w not in (None, n) for w, n in zip(shape, found, strict=True)):
        wanted = tuple("any" if length is None else length for length in shape)
        raise BadInput(f"the array {name} should have the shape {wanted}, found {found or 'none'}")
    return arrays[name]


def class_names(zoo: Zoo, column: str) -> list[Any] | None:
    """The classes of a column over all splits, in the order of the logits; None for a column of numbers.

    Text and booleans are classes, and so is `label`, whose number says which class of the source it is.
    """
    import pandas as pd

    tables = [split.table for split in zoo.splits.values()]
    if any(column not in table for table in tables):
        return None
    if column == "label":
        return list(range(len(zoo.source.classes)))
    values = pd.concat([table[column] for table in tables])
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return None
    return sorted(values.dropna().unique().tolist())


def identity(name: str, version: str, recipe_sha256: str) -> str:
    """How a zoo is named where nothing else would do, and what its truth's file is called."""
    return f"{name}@{version}-{recipe_sha256[:8]}"


def identified(identity: str) -> tuple[str, str, str]:
    """Name, version and how the recipe's checksum begins, of an `identity`."""
    name, _, rest = identity.partition("@")
    version, _, recipe = rest.rpartition("-")
    return name, version, recipe


def truth_paths(folder: Path, zoo: ZooPart, options: Options) -> list[Path]:
    """Where the truth lies about a zoo in the splits that `options` name, and about the one that is tested on too."""
    policy = f"-{options.split}" if options.split else ""
    names = [identity(zoo.name, zoo.version, zoo.recipe_sha256) + policy]
    if options.also is not None:
        if not IDENTITY.fullmatch(options.also):
            raise BadInput(f"task.options.also: {options.also[:80]!a} names no zoo; expected name@version-recipe")
        names.append(options.also)
    return [folder / TRUTH / f"{name}.parquet" for name in names]


def write_truth(path: Path, zoo: Zoo) -> None:
    """Keep the test split's table, and its images where it has some, once."""
    if path.exists():
        return
    from ...zoo.networks.symmetry import neuron_groups

    table = pa.Table.from_pandas(zoo["test"].table, preserve_index=False)
    if "image" in zoo.manifest.columns:
        images = zoo["test"].array("image").numpy()
        table = table.append_column(
            "image", pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), images.shape[1])
        )
    columns = [str(name) for name in zoo["test"].table if name not in ("id", "architecture")]
    classes = {name: class_names(zoo, name) for name in columns}
    metadata = {
        "source": {"image_shape": zoo.source.image_shape, "image_max": zoo.source.image_max},
        "classes": {name: found for name, found in classes.items() if found is not None},
        "neurons": {
            name: [group.size for group in neuron_groups(arch)] for name, arch in zoo.manifest.architectures.items()
        },
    }
    sink = pa.BufferOutputStream()
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    pq.write_table(table.replace_schema_metadata(texts), sink, compression="zstd")
    write_atomically(path, sink.getvalue().to_pybytes())


class Truth:
    """The truth about a zoo's test split.

    Attributes:
        table: one row per network, indexed by id.
        classes: for each column of classes, which class each logit stands for.
        neurons: for each architecture the sizes of its groups of hidden neurons that can be moved.
        images: `[N, *image_shape]` in [0, 1], in the table's order; None where the networks encode none.
        also: the truth about the zoo that is tested on too.
    """

    def __init__(self, path: Path, also: Path | None = None) -> None:
        self.also = Truth(also) if also else None
        try:
            found = pq.read_table(path)
            metadata = found.schema.metadata
            source = json.loads(metadata[b"source"])
            self.classes: dict[str, list[Any]] = json.loads(metadata[b"classes"])
            self.neurons: dict[str, list[int]] = json.loads(metadata[b"neurons"])
        except FileNotFoundError:
            raise BadInput(f"{path}: missing; run any cell of that zoo again to write it") from None
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            why = f"no {error.args[0].decode()} in it" if isinstance(error, KeyError) else error
            raise BadInput(f"{path}: cannot be read ({why}); remove it and run any cell of that zoo again") from None
        self.images: np.ndarray | None = None
        if "image" in found.column_names:
            pixels = found.column("image").combine_chunks().flatten().to_numpy(zero_copy_only=False)
            self.images = pixels.reshape(len(found), *source["image_shape"]) / source["image_max"]
            found = found.drop(["image"])
        self.table: pd.DataFrame = found.to_pandas().set_index("id")


def read_truth(folder: Path, zoo: ZooPart, options: Options) -> Truth:
    """The truth that results on a zoo, in the splits that `options` name, are scored against."""
    return Truth(*truth_paths(folder, zoo, options))
