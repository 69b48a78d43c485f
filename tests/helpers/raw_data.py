"""Small raw data sets in the formats of the real ones, cut from what scikit-learn bundles: scans, photos, patients."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_sample_images


def write_all(folder: Path) -> Path:
    """Every raw data set of the catalogue, in the layout that `--source-dir` takes."""
    digits = load_digits()
    large = np.pad(np.kron(digits.images, np.ones((3, 3))) * 15, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for name, images in (("mnist", large), ("fashion_mnist", 255 - large)):
        for part, rows in (("train", slice(0, 300)), ("t10k", slice(300, 360))):
            write_idx(folder / name / f"{part}-images-idx3-ubyte.gz", images[rows])
            write_idx(folder / name / f"{part}-labels-idx1-ubyte.gz", digits.target[rows].astype(np.uint8))
    small, labels = crops(32)
    write_npz(
        folder / "cifar10/part.npz",
        x_train=small[:200],
        y_train=labels[:200],
        x_test=small[200:240],
        y_test=labels[200:240],
    )
    tiny, labels = crops(64)
    for part, rows in (("train", slice(0, 80)), ("test", slice(80, 100))):
        write_images(folder / f"tiny_imagenet_10/{part}.parquet", tiny[rows], labels[rows])
    patients = load_diabetes()
    write_npz(folder / "california_housing/part.npz", X=patients.data[:, :8], y=patients.target)
    chosen = digits.target < 7
    write_npz(
        folder / "covtype/part.npz",
        X=digits.data[chosen][:, :54].astype(np.int16),
        y=(digits.target[chosen] + 1).astype(np.int8),
    )
    return folder


def crops(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares of two photos, shuffled, labelled by the photo."""
    found, labels = [], []
    for label, photo in enumerate(load_sample_images().images):
        for top in range(0, photo.shape[0] - size, 36):
            for left in range(0, photo.shape[1] - size, 36):
                found.append(photo[top : top + size, left : left + size])
                labels.append(label)
    order = np.random.default_rng(0).permutation(len(found))
    return np.stack(found)[order], np.asarray(labels, np.uint8)[order]


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(header + values.tobytes()))


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def write_images(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    rows = []
    for image, label in zip(images, labels, strict=True):
        content = io.BytesIO()
        Image.fromarray(image).save(content, "JPEG")
        rows.append({"image": {"bytes": content.getvalue(), "path": None}, "label": int(label)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
