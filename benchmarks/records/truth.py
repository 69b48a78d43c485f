"""The truth of a zoo's test split that predictions are scored against, as one small parquet file. Torch-free.

It holds the split's table, and its images where it has some, so that scores are recomputed without the zoo.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...runtime.errors import BadInput, unknown
from ...runtime.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from ...zoo.storage.zoo import Zoo


def column_values(table: pd.DataFrame, target: str) -> pd.Series:
    """A column of a zoo's table, or the difference of two: "train_loss - test_loss". Raises BadInput for no column."""
    columns = []
    for name in target.split(" - ", 1):
        if name not in table:
            raise unknown("column", name, map(str, set(table) - {"id", "architecture"}))
        columns.append(table[name])
    try:
        return columns[0] if len(columns) == 1 else columns[0] - columns[1]
    except TypeError:
        raise BadInput(f"{target}: these columns hold text; a difference takes numbers") from None


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
        also: the truths about the zoos that are tested on too, in the order of the options.
    """

    def __init__(self, path: Path, *also: Path) -> None:
        self.also = [Truth(other) for other in also]
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
