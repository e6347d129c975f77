"""Models in files: the numbers of a nest by their names, as `numpy.load` reads them; nothing in a file is ever executed."""

import errno
import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import optree

from autograd_lite.errors import ModelFileError
from autograd_lite.nests import NAMESPACE, unravel

FORMAT, VERSION = "autograd_lite model", 1

#: The entry that says what the file is.
_HEADER = "__autograd_lite__"


def save(path: Any, nest: Any, *, allow_nan: bool = False) -> None:
    """Write the numbers of a nest to an `.npz` file, each leaf under its name.

    Parameters
    ----------
    path : str or path
        A file that is there is replaced as a whole, or stays as it is if saving fails.
    nest : nest
        Floats, Variables and arrays of them: a network, the state of an optimiser, a dict of both.
    allow_nan : bool, default False
        Write numbers that are NaN, too.

    Raises
    ------
    ModelFileError
        If a number is NaN: what has diverged would replace what was good.
    OperandError
        If a leaf is no number.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from autograd_lite import nn
    >>> network = nn.Network.create([2, 3, 1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     save(path, network)
    ...     again = load(path, like=nn.Network.create([2, 3, 1], rng=1))
    >>> bool((again.layers[0].weight == network.layers[0].weight).all())
    True
    """
    leaves = _named(nest)
    for name, array in leaves.items():
        if not allow_nan and np.isnan(array).any():
            raise ModelFileError(
                f"{name} holds NaN, and {path} is not written. Save a model from before it diverged, or pass allow_nan=True."
            )
    arrays = {_HEADER: np.array(f"{FORMAT} {VERSION}")} | leaves
    write_archive(Path(path), {f"{name}.npy": written(array) for name, array in arrays.items()})


def load(path: Any, like: Any, *, allow_nan: bool = False) -> Any:
    """Read a nest that `save` wrote.

    Parameters
    ----------
    path : str or path
    like : nest
        With the names and shapes that are expected, such as a new network of the same sizes. It is not changed.
    allow_nan : bool, default False
        Accept numbers that are NaN.

    Returns
    -------
    nest
        Of the structure of `like`, static fields included; floats and float64 arrays.

    Raises
    ------
    ModelFileError
        If the file is corrupt, cut off or of another kind; if an entry is missing, is one too many, or has another shape;
        if a number is NaN. Nothing is half-loaded.
    OSError
        If there is no such file, or it may not be read.

    Examples
    --------
    >>> load(__file__, like=1.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.ModelFileError: ...saving.py is no saved model, or not a whole one: File is not a zip file. ...
    """
    data = Path(path).read_bytes()
    try:
        found = _arrays(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path} {error}") from None
    except MemoryError:  # no fault of the file, whose claims were tested against its length
        raise
    except Exception as error:  # a broken file breaks zipfile and NumPy in a dozen ways
        reason = f"{error}".rstrip(".") or type(error).__name__
        raise ModelFileError(
            f"{path} is no saved model, or not a whole one: {reason}. Save it again with save(path, nest), or find the right "
            "file."
        ) from error
    expected = _named(like)
    _compare(str(path), found, expected)
    for name, array in found.items():
        if not allow_nan and np.isnan(array).any():
            raise ModelFileError(f"{path}: {name} holds NaN. Load another file, or pass allow_nan=True.")
    leaves, containers = optree.tree_flatten(like, namespace=NAMESPACE)
    read = [
        array if isinstance(leaf, np.ndarray) else float(array)
        for leaf, array in zip(leaves, (found[name] for name in expected), strict=True)
    ]
    return optree.tree_unflatten(containers, read)


def _named(nest: Any) -> dict[str, Any]:
    """Each leaf as a float64 array, by a name such as `layers.0.weight`."""
    numbers, shape = unravel(nest, "the model")
    values = np.array([float(getattr(number, "value", number)) for number in numbers])
    named, start = {}, 0
    leaves = optree.tree_leaves(nest, namespace=NAMESPACE)
    for path, leaf, size in zip(shape.containers.accessors(), leaves, shape.sizes, strict=True):
        name = ".".join(str(getattr(entry, "field", entry.entry)) for entry in path) or "value"
        if name in named or name == _HEADER:
            raise ModelFileError(f"two leaves of the model would be called {name}. Rename a key of one of its dicts.")
        if "\0" in name or len(name.encode(errors="ignore")) > 60_000 or name.encode(errors="ignore").decode() != name:
            raise ModelFileError(f"no file can hold the name {name!r:.60}. Rename a key of one of the model's dicts.")
        named[name] = values[start : start + size].reshape(np.shape(leaf))
        start += size
    return named


def _compare(path: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    missing, extra = [n for n in expected if n not in found], [n for n in found if n not in expected]
    if missing or extra:
        words = [f"{what} {', '.join(names[:5])}" for what, names in (("lacks", missing), ("has", extra)) if names]
        raise ModelFileError(
            f"{path} {' and '.join(words)}, other than the model in `like`. Pass a model of the same structure."
        )
    for name, array in expected.items():
        if found[name].shape != array.shape:
            raise ModelFileError(
                f"{path}: {name} has shape {found[name].shape}, and {array.shape} in `like`. Pass a model of the same sizes."
            )


def _arrays(data: bytes) -> dict[str, Any]:
    """The entries of an archive, checked against their checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len({_name(member) for member in members}) < len(members):
            raise ValueError("an entry occurs twice")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):  # its size may be a lie
            raise ValueError("it is compressed")
        if sum(member.file_size for member in members) > len(data):
            raise ValueError("its entries are larger than the file")
        arrays = {_name(member): array_of(archive.read(member)) for member in members}
    header = arrays.pop(_HEADER, None)
    kind, _, version = str(header).rpartition(" ")
    if header is None or kind != FORMAT:
        raise ValueError("it is of another kind")
    if version != str(VERSION):
        raise ModelFileError(
            f"is in version {version!r:.20} of the format, and this autograd_lite reads version {VERSION}. Read it with the "
            "release that wrote it."
        )
    for name, array in arrays.items():
        if array.dtype != np.float64:
            raise ValueError(f"{name} is an array of {array.dtype}")
    return arrays


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def written(array: Any) -> bytes:
    """An array as an entry of an archive."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def array_of(content: bytes) -> Any:
    """The array that an entry holds, and nothing behind it."""
    _refuse_false_claims(content)
    stream = io.BytesIO(content)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError("an entry goes on behind its array")
    return array


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _refuse_false_claims(content: bytes) -> None:
    """Compare the shape in an entry's header with the entry: NumPy takes memory for whatever is claimed."""
    stream = io.BytesIO(content)
    read_header = _HEADERS.get(np.lib.format.read_magic(stream))
    if read_header is None:
        raise ValueError("an entry is in a version of NumPy's format that is not read here")
    shape, _, kind = read_header(stream)
    claimed, there = math.prod(shape) * kind.itemsize, len(content) - stream.tell()
    if min(shape, default=0) < 0 or (claimed > there and not kind.hasobject):
        raise ValueError(f"an entry claims shape {shape!s:.60} of {kind!s:.20}, and has {there} bytes")


def archived(members: dict[str, bytes]) -> bytes:
    """An archive of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980: the same content gives the same bytes
    return buffer.getvalue()


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """Write an archive beside `path`, then put it there in one step."""
    content = archived(members)
    if not path.name:  # ".", "/": no name to put one beside
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        beside.unlink(missing_ok=True)
