"""Reading raw data: the files that data sets are distributed as, the Hub, scikit-learn's fetchers."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

from ...runtime.errors import BadInput

IDX_PREFIXES = {"train": "train", "test": "t10k"}  # the Hub's split name: the IDX files' prefix
ImagesAndLabels = tuple[np.ndarray, np.ndarray]


def _missing(path: Path, folder: Path) -> BadInput:
    return BadInput(f"{path}: missing; --source-dir takes the folder that holds {folder.name}/")


def _damaged(path: Path, what: object) -> BadInput:
    return BadInput(f"{path}: cannot be used ({what}): copy the original file again")


def read_idx(folder: Path, part: str) -> ImagesAndLabels:
    """Images and labels of MNIST's original files."""
    arrays = []
    for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)):
        path = folder / f"{IDX_PREFIXES[part]}-{kind}-ubyte.gz"
        try:
            content = gzip.decompress(path.read_bytes())
        except FileNotFoundError:
            raise _missing(path, folder) from None
        except (OSError, EOFError) as error:
            raise _damaged(path, error) from None
        shape = np.frombuffer(content, ">i4", count=axes, offset=4) if len(content) >= 4 + 4 * axes else ()
        if content[:4] != bytes([0, 0, 8, axes]) or len(content) != 4 + 4 * axes + int(np.prod(shape)):
            raise _damaged(path, f"not an IDX file of {axes}-dimensional bytes")
        arrays.append(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape))
    if len(arrays[0]) != len(arrays[1]):
        raise _damaged(path, f"{len(arrays[1])} labels for {len(arrays[0])} images")
    return arrays[0], arrays[1]


def read_npz(
    folder: Path, shapes: dict[str, tuple[int, ...]], *, pairs: tuple[tuple[str, str], ...]
) -> dict[str, np.ndarray]:
    """The arrays of the one npz file in `folder`: `[N, *shape]` each, of equal N in every pair."""
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise _missing(folder / "*.npz", folder)
    path = found[0]
    if len(found) > 1:
        raise BadInput(f"{folder}: holds {len(found)} npz files: leave one")
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {name: content[name] for name in shapes}
    except KeyError as error:
        raise _damaged(path, error.args[0]) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    for name, shape in shapes.items():
        if arrays[name].shape[1:] != shape or arrays[name].ndim != len(shape) + 1:
            raise _damaged(path, f"{name} is {list(arrays[name].shape)}, expected {['N', *shape]}")
    for inputs, targets in pairs:
        if len(arrays[inputs]) != len(arrays[targets]):
            raise _damaged(path, f"{len(arrays[targets])} {targets} for {len(arrays[inputs])} {inputs}")
    return arrays


def read_parquet_images(path: Path, shape: tuple[int, int, int]) -> ImagesAndLabels:
    """Images `[N, *shape]` and labels of a parquet file with columns `image` {bytes} and `label`."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image, UnidentifiedImageError

    try:
        table = pq.read_table(path, columns=["image", "label"]).to_pylist()
        images = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")) for row in table]
        labels = np.asarray([row["label"] for row in table])
    except FileNotFoundError:
        raise _missing(path, path.parent) from None
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException, UnidentifiedImageError) as error:
        raise _damaged(path, error) from None
    for image in images:
        if image.shape != shape:
            raise _damaged(path, f"an image is {list(image.shape)}, expected {list(shape)}")
    return np.stack(images), labels


def from_hub(
    repo_id: str, split: str, *, image: str = "image", only: list[str] | None = None, mode: str = ""
) -> ImagesAndLabels:
    """Images and labels of a Hub data set; `only` keeps the classes of these names, renumbered in that order."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        data = load_dataset(repo_id, split=split)
    except (DatasetNotFoundError, ConnectionError) as error:
        raise BadInput(
            f"{repo_id}: cannot be reached ({error}): give a copy by --source-dir or WEIGHTBENCH_SOURCE_DIR"
        ) from None
    labels = np.asarray(data["label"][:])
    if only:
        numbers = [data.features["label"].str2int(name) for name in only]
        data = data.select(np.flatnonzero(np.isin(labels, numbers)))
        labels = np.asarray([numbers.index(label) for label in data["label"][:]])
    pictures = [picture.convert(mode) if mode else picture for picture in data[image][:]]
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures]), labels


def from_sklearn(fetcher: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of one of scikit-learn's downloads."""
    import sklearn.datasets

    try:
        inputs, targets = getattr(sklearn.datasets, fetcher)(return_X_y=True)
    except OSError as error:
        raise BadInput(
            f"{fetcher}: cannot download ({error}): give a copy by --source-dir or WEIGHTBENCH_SOURCE_DIR"
        ) from None
    return inputs, targets
