"""Raw image data sets: from a local folder, scikit-learn or the Hub, always as the same arrays with one checksum."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import BadInput

DIGITS = [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class ImageSource:
    """Images with labels; the last `n_test` are the data set's own test images (0 where it has none).

    Arguments:
        images: uint8 `[N, height, width]`, from 0 to `image_max`.
        labels: int64 `[N]`, indices into `classes`.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    image_max: int
    n_test: int
    classes: list[str]
    license: str
    citation: str

    @property
    def sha256(self) -> str:
        """Checksum of the pixels and labels, whatever file format they came in."""
        return hashlib.sha256(self.images.tobytes() + self.labels.astype(np.uint8).tobytes()).hexdigest()


def load_digits(folder: Path | None) -> ImageSource:
    """scikit-learn's bundled 8x8 digits: 1,797 real scans (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits as bundled

    data = bundled()
    return ImageSource(
        name="digits",
        images=data.images.astype(np.uint8),
        labels=data.target.astype(np.int64),
        image_max=16,
        n_test=0,
        classes=DIGITS,
        license="CC BY 4.0",
        citation="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), from scikit-learn",
    )


def load_mnist(folder: Path | None) -> ImageSource:
    """MNIST's 60,000 + 10,000 images (LeCun et al. 1998): IDX files in `folder/mnist`, else `ylecun/mnist`."""
    parts = [_read_idx(folder / "mnist", part) if folder else _from_hub("ylecun/mnist", part) for part in IDX]
    return ImageSource(
        name="mnist",
        images=np.concatenate([images for images, _ in parts]),
        labels=np.concatenate([labels for _, labels in parts]).astype(np.int64),
        image_max=255,
        n_test=len(parts[1][1]),
        classes=DIGITS,
        license="CC BY-SA 3.0",
        citation="LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits",
    )


SOURCES: dict[str, Callable[[Path | None], ImageSource]] = {"digits": load_digits, "mnist": load_mnist}
IDX = {"train": "train", "test": "t10k"}  # the Hub's split name: the IDX files' prefix


def _read_idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)):
        path = folder / f"{IDX[part]}-{kind}-ubyte.gz"
        try:
            content = gzip.decompress(path.read_bytes())
        except FileNotFoundError:
            raise BadInput(f"{path}: missing; --source-dir takes the folder that holds {folder.name}/") from None
        except (OSError, EOFError) as error:
            raise BadInput(f"{path}: cannot be read ({error}): copy the original file again") from None
        shape = np.frombuffer(content, ">i4", count=axes, offset=4) if len(content) >= 4 + 4 * axes else ()
        if content[:4] != bytes([0, 0, 8, axes]) or len(content) != 4 + 4 * axes + int(np.prod(shape)):
            raise BadInput(f"{path}: not an IDX file of {axes}-dimensional bytes: copy the original file again")
        arrays.append(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape))
    return arrays[0], arrays[1]


def _from_hub(repo_id: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        data = load_dataset(repo_id, split=split).with_format("numpy")
    except (DatasetNotFoundError, ConnectionError) as error:
        raise BadInput(
            f"{repo_id} cannot be reached on the Hub ({error}): give a local copy with --source-dir"
        ) from None
    return np.stack(data["image"][:]).astype(np.uint8), np.asarray(data["label"][:], np.uint8)
