"""Raw data sets: from a local folder, scikit-learn or the Hub, always as the same arrays with one checksum."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInput, unknown

DIGITS = [str(digit) for digit in range(10)]
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COVERTYPE = ["Spruce/Fir", "Lodgepole Pine", "Ponderosa Pine", "Cottonwood/Willow", "Aspen", "Douglas-fir", "Krummholz"]
TINY = (64, 64, 3)
IMAGENET = {  # WordNet id: name
    "n01443537": "goldfish",
    "n02002724": "black stork",
    "n02231487": "walking stick",
    "n02669723": "academic gown",
    "n02909870": "bucket",
    "n03255030": "dumbbell",
    "n03770439": "miniskirt",
    "n04070727": "refrigerator",
    "n04398044": "teapot",
    "n07615774": "ice lolly",
}


@dataclass(frozen=True)
class Source:
    """Inputs with targets; the last `n_test` items are the data set's own test items (0 where it has none).

    Arguments:
        inputs: images uint8 `[N, height, width]` or `[N, height, width, 3]`, from 0 to `image_max`; or features
            float32 `[N, features]`.
        targets: int64 `[N]`, indices into `classes`; or float64 `[N]`, values to regress.
        image_max: None for features.
        classes: empty for regression.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    n_test: int
    classes: list[str]
    image_max: int | None = None

    @property
    def sha256(self) -> str:
        """Checksum of the inputs and targets, whatever file format they came in."""
        targets = self.targets.astype(np.uint8) if self.classes else self.targets
        return hashlib.sha256(self.inputs.tobytes() + targets.tobytes()).hexdigest()


def load_digits(folder: Path | None) -> Source:
    """scikit-learn's bundled 8x8 digits: 1,797 real scans (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits as bundled

    data = bundled()
    return Source(
        name="digits",
        inputs=data.images.astype(np.uint8),
        targets=data.target.astype(np.int64),
        n_test=0,
        classes=DIGITS,
        image_max=16,
    )


def load_moons(folder: Path | None) -> Source:
    """Two interleaving half circles with noise 0.15, 1,000 + 1,000 points, made by scikit-learn from a fixed seed."""
    from sklearn.datasets import make_moons

    inputs, targets = make_moons(n_samples=2000, noise=0.15, random_state=0)
    return Source(
        name="moons",
        # Six decimals: the last bits of sines differ between machines.
        inputs=inputs.round(6).astype(np.float32),
        targets=targets.astype(np.int64),
        n_test=1000,
        classes=["upper", "lower"],
    )


def load_mnist(folder: Path | None) -> Source:
    """MNIST's 60,000 + 10,000 images (LeCun et al. 1998): IDX files in `folder/mnist`, else `ylecun/mnist`."""
    return _idx_source(
        folder,
        name="mnist",
        repo_id="ylecun/mnist",
        classes=DIGITS,
    )


def load_fashion_mnist(folder: Path | None) -> Source:
    """Fashion-MNIST's 60,000 + 10,000 images: IDX files in `folder/fashion_mnist`, else the authors' Hub data set."""
    return _idx_source(
        folder,
        name="fashion-mnist",
        repo_id="zalando-datasets/fashion_mnist",
        classes=FASHION,
    )


def load_cifar10(folder: Path | None) -> Source:
    """CIFAR-10 (Krizhevsky 2009): an npz file (whole or a subset) in `folder/cifar10`, else `uoft-cs/cifar10`."""
    if folder:
        arrays = _read_npz(
            folder / "cifar10",
            {"x_train": (32, 32, 3), "y_train": (), "x_test": (32, 32, 3), "y_test": ()},
            pairs=(("x_train", "y_train"), ("x_test", "y_test")),
        )
        parts = [(arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])]
    else:
        parts = [_from_hub("uoft-cs/cifar10", split, image="img") for split in ("train", "test")]
    return _joined(
        parts,
        name="cifar10",
        classes=CIFAR10,
        image_max=255,
    )


def load_imagenet10(folder: Path | None) -> Source:
    """Ten classes of Tiny ImageNet, 500 + 50 images of 64x64 each: parquet files in `folder/tiny_imagenet_10`, else
    `zh-plus/tiny-imagenet`."""
    if folder:
        parts = [_read_parquet_images(folder / "tiny_imagenet_10" / f"{part}.parquet") for part in ("train", "test")]
    else:
        parts = [
            _from_hub("zh-plus/tiny-imagenet", split, only=list(IMAGENET), mode="RGB") for split in ("train", "valid")
        ]
    return _joined(
        parts,
        name="imagenet10",
        classes=list(IMAGENET.values()),
        image_max=255,
    )


def load_california(folder: Path | None) -> Source:
    """California housing, 20,640 districts: an npz file in `folder/california_housing`, else scikit-learn's fetcher."""
    if folder:
        arrays = _read_npz(folder / "california_housing", {"X": (8,), "y": ()}, pairs=(("X", "y"),))
        inputs, targets = arrays["X"], arrays["y"]
    else:
        inputs, targets = _from_sklearn("fetch_california_housing")
    return Source(
        name="california-housing",
        inputs=np.asarray(inputs, np.float32),
        targets=np.asarray(targets, np.float64),
        n_test=0,
        classes=[],
    )


def load_covertype(folder: Path | None) -> Source:
    """Forest cover types: an npz file (whole or a subset) in `folder/covtype`, else scikit-learn's fetcher."""
    if folder:
        arrays = _read_npz(folder / "covtype", {"X": (54,), "y": ()}, pairs=(("X", "y"),))
        inputs, targets = arrays["X"], arrays["y"]
    else:
        inputs, targets = _from_sklearn("fetch_covtype")
    return Source(
        name="covertype",
        inputs=np.asarray(inputs, np.float32),
        targets=np.asarray(targets, np.int64) - 1,
        n_test=0,
        classes=COVERTYPE,
    )


@dataclass(frozen=True)
class RawData:
    """A raw data set: how it is loaded (from a folder, if given) and on what terms."""

    load: Callable[[Path | None], Source]
    license: str
    citation: str


SOURCES = {
    "digits": RawData(
        load_digits,
        "CC BY 4.0",
        "Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), from scikit-learn",
    ),
    "moons": RawData(load_moons, "BSD-3-Clause", "Two moons, scikit-learn's make_moons (Pedregosa et al. 2011)"),
    "mnist": RawData(
        load_mnist, "CC BY-SA 3.0", "LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits"
    ),
    "fashion-mnist": RawData(
        load_fashion_mnist, "MIT", "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST, arXiv:1708.07747"
    ),
    "cifar10": RawData(
        load_cifar10,
        "unspecified; free for research",
        "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    ),
    "imagenet10": RawData(
        load_imagenet10,
        "ImageNet terms of access; non-commercial research",
        "Le and Yang 2015, Tiny ImageNet; Deng et al. 2009, ImageNet",
    ),
    "california-housing": RawData(
        load_california, "public domain (StatLib)", "Pace and Barry 1997, Sparse spatial autoregressions"
    ),
    "covertype": RawData(load_covertype, "CC BY 4.0", "Blackard 1998, Covertype (UCI)"),
}


def load_source(name: str, folder: Path | None) -> Source:
    """A raw data set by name; see `load_digits` and the others. Raises BadInput that names the file and the mend."""
    if name not in SOURCES:
        raise unknown("source", name, SOURCES)
    return SOURCES[name].load(folder)


IDX = {"train": "train", "test": "t10k"}  # the Hub's split name: the IDX files' prefix
Part = tuple[np.ndarray, np.ndarray]


def _joined(parts: list[Part], **about: Any) -> Source:
    """Training and test items of images one after the other."""
    return Source(
        inputs=np.ascontiguousarray(np.concatenate([images for images, _ in parts])),
        targets=np.concatenate([labels for _, labels in parts]).astype(np.int64),
        n_test=len(parts[1][1]),
        **about,
    )


def _idx_source(folder: Path | None, *, name: str, repo_id: str, **about: Any) -> Source:
    local = folder / name.replace("-", "_") if folder else None
    parts = [_read_idx(local, part) if local else _from_hub(repo_id, part) for part in IDX]
    return _joined(parts, name=name, image_max=255, **about)


def _missing(path: Path, folder: Path) -> BadInput:
    return BadInput(f"{path}: missing; --source-dir takes the folder that holds {folder.name}/")


def _damaged(path: Path, what: object) -> BadInput:
    return BadInput(f"{path}: cannot be used ({what}): copy the original file again")


def _read_idx(folder: Path, part: str) -> Part:
    arrays = []
    for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)):
        path = folder / f"{IDX[part]}-{kind}-ubyte.gz"
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


def _read_npz(
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


def _read_parquet_images(path: Path) -> Part:
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
        if image.shape != TINY:
            raise _damaged(path, f"an image is {list(image.shape)}, expected {list(TINY)}")
    return np.stack(images), labels


def _from_hub(repo_id: str, split: str, *, image: str = "image", only: list[str] | None = None, mode: str = "") -> Part:
    """Images and labels of a Hub data set; `only` keeps the classes of these names, renumbered in that order."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        data = load_dataset(repo_id, split=split)
    except (DatasetNotFoundError, ConnectionError) as error:
        raise BadInput(
            f"{repo_id} cannot be reached on the Hub ({error}): give a local copy with --source-dir"
        ) from None
    labels = np.asarray(data["label"][:])
    if only:
        numbers = [data.features["label"].str2int(name) for name in only]
        data = data.select(np.flatnonzero(np.isin(labels, numbers)))
        labels = np.asarray([numbers.index(label) for label in data["label"][:]])
    pictures = [picture.convert(mode) if mode else picture for picture in data[image][:]]
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures]), labels


def _from_sklearn(fetcher: str) -> Part:
    import sklearn.datasets

    try:
        inputs, targets = getattr(sklearn.datasets, fetcher)(return_X_y=True)
    except OSError as error:
        raise BadInput(
            f"sklearn.datasets.{fetcher} cannot download ({error}): give a local copy with --source-dir"
        ) from None
    return inputs, targets
