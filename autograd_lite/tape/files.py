"""Models and tapes in files: zip archives of NumPy arrays, into which `numpy.load` can look.

A file holds numbers and names, and nothing in it is ever executed. A primitive or a registered dataclass that it names is
looked up among those of the process, never imported. No entry is compressed: none unpacks to more than the file's size.
"""

import dataclasses
import errno
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import optree

from autograd_lite import foreign, hints
from autograd_lite.errors import ArgumentError, AutogradLiteError, ModelFileError, TapeError
from autograd_lite.many import Operation
from autograd_lite.nests import DATACLASSES, NAMESPACE, Fixed, Shape, unravel
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape import cache
from autograd_lite.tape.program import Guard, Program
from autograd_lite.tape.tape import Tape
from autograd_lite.variable import Variable

_VERSION = 1

_MODEL = "autograd_lite model"
_MODEL_HEADER = "__autograd_lite__"  # the entry that names the format

_TAPE = "autograd_lite tape"
_TAPE_HEADER = "header.json"
_COLUMNS = {
    "operations": np.int64,  # for each instruction the index of its primitive in the header
    "arguments": np.int64,
    "constants": np.float64,
    "outputs": np.int64,
    "doubtful": np.int64,
    "example": np.float64,
}
_PREFIXES = "", "careful_"  # of the columns of a tape, and of its careful program
_GUARD = [str, int, int, bool, int, str]


@hints.keywords
def save(path: Any, nest: Any, *, allow_nan: bool = False) -> None:
    """Write the numbers of a nest to an `.npz` file, each leaf under its name.

    Parameters
    ----------
    path : str or path
        An existing file is replaced as a whole, or left as it is if saving fails.
    nest : nest
        Floats, Variables and arrays of them: a network, the state of an optimiser, a dict of both.
    allow_nan : bool, default False
        Write NaN too.

    Raises
    ------
    ModelFileError
        If a number is NaN: a model that diverged would replace a good one.
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
    if isinstance(nest, (str, os.PathLike)):
        raise ArgumentError(f"save(path, nest) got {nest!r:.60} as the nest: swapped? Write save({nest!r:.60}, nest).")
    leaves = _named(nest)
    for name, array in leaves.items():
        if not allow_nan and np.isnan(array).any():
            raise ModelFileError(
                f"{name} holds NaN, and {path} is not written. Save a model from before it diverged, or pass allow_nan=True."
            )
    arrays = {_MODEL_HEADER: np.array(f"{_MODEL} {_VERSION}")} | leaves
    _write(path, {f"{name}.npy": array for name, array in arrays.items()})


@hints.keywords
def load(path: Any, like: Any = ..., *, allow_nan: bool = False) -> Any:
    """Read a nest that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    like : nest
        Has the names and shapes that are expected, such as a new network of the same sizes. It is not changed.
    allow_nan : bool, default False
        Accept NaN.

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
    autograd_lite.errors.ModelFileError: ...files.py is no saved model, or not a whole one: File is not a zip file. ...
    """
    if like is ...:
        raise ArgumentError(
            f"load({path!r:.60}) does not say of which structure: give a model like the saved one, whose numbers do not "
            "matter: load(path, like=Network.create([2, 3, 1]))."
        )
    found = _read(path, _model, ModelFileError, "saved model", "save(path, nest)")
    expected = _named(like)
    missing, extra = [n for n in expected if n not in found], [n for n in found if n not in expected]
    if missing or extra:
        words = [f"{verb} {', '.join(names[:5])}" for verb, names in (("lacks", missing), ("has", extra)) if names]
        raise ModelFileError(
            f"{path} {' and '.join(words)}, other than the model in `like`. Pass a model of the same structure."
        )
    for name, array in expected.items():
        if found[name].shape != array.shape:
            raise ModelFileError(
                f"{path}: {name} has shape {found[name].shape}, and {array.shape} in `like`. Pass a model of the same sizes."
            )
    for name, array in found.items():
        if not allow_nan and np.isnan(array).any():
            raise ModelFileError(f"{path}: {name} holds NaN. Load another file, or pass allow_nan=True.")
    leaves, containers = optree.tree_flatten(like, namespace=NAMESPACE)
    arrays = [found[name] for name in expected]
    read = [
        a if isinstance(leaf, np.ndarray) else foreign.made_again(leaf, a) if a.ndim else float(a)
        for leaf, a in zip(leaves, arrays, strict=True)
    ]
    return optree.tree_unflatten(containers, read)


def _named(nest: Any) -> dict[str, Any]:
    """The leaves as float64 arrays, by names such as `layers.0.weight`."""
    numbers, shape = unravel(nest, "the model")
    values = np.array([float(getattr(number, "value", number)) for number in numbers])
    named = {}
    leaves = optree.tree_leaves(shape.pack(values), namespace=NAMESPACE)
    for path, leaf in zip(shape.containers.accessors(), leaves, strict=True):
        name = ".".join(str(getattr(entry, "field", entry.entry)) for entry in path) or "value"
        if name in named or name == _MODEL_HEADER:
            raise ModelFileError(f"two leaves of the model would be called {name}. Rename a key of one of its dicts.")
        encoded = name.encode(errors="ignore")
        if "\0" in name or len(encoded) > 60_000 or encoded.decode() != name:
            raise ModelFileError(f"no file can hold the name {name!r:.60}. Rename a key of one of the model's dicts.")
        named[name] = np.asarray(leaf)
    return named


def _model(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        _require(len(set(names)) == len(names), "an entry occurs twice")
        arrays = {name: _array(content) for name, content in zip(names, _contents(archive, len(data)), strict=True)}
    kind, _, version = str(arrays.pop(_MODEL_HEADER, None)).rpartition(" ")
    _require(kind == _MODEL, "it is of another kind")
    _require_version(version, str(_VERSION))
    for name, array in arrays.items():
        _require(array.dtype == np.float64, f"{name} is an array of {array.dtype}")
    return arrays


def save_tape(tape: Tape, path: Any) -> None:
    """Write a tape to a file; captured Variables become constants, with the values that they have now.

    Parameters
    ----------
    tape : Tape
        Its arguments and results are numbers, arrays, bools, texts, None, and tuples, lists, dicts with texts or ints as
        keys, and registered dataclasses of these.
    path : str or path
        An existing file is replaced as a whole, or left as it is if saving fails.

    Raises
    ------
    TapeError
        If an argument, a result or a static field of a dataclass is something else.
    OSError
        If the file cannot be written.

    Notes
    -----
    The careful program is written too; if no replay has needed it yet, the function is traced for it once more.

    Examples
    --------
    >>> import os, tempfile
    >>> import autograd_lite as al
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "f.tape")
    ...     al.trace(lambda x: x * al.exp(x), 1.0).save(path)
    ...     al.Tape.load(path).gradient()(0.0)
    1.0
    """
    _write(path, _tape_entries(tape))


def load_tape(path: Any) -> Tape:
    """Read a tape that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Tape
        Its replays give the same bits as those of the saved tape.

    Raises
    ------
    TapeError
        If the file is not a whole tape, or uses primitives or dataclasses that this process does not have.
    OSError
        If there is no such file, or it may not be read.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.Tape.load(__file__)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.TapeError: ...files.py is no tape, or not a whole one: File is not a zip file. Save it again ...
    """
    tape: Tape = _read(path, from_bytes, TapeError, "tape", "tape.save(path)")
    return tape


Tape.save = save_tape
Tape.load = staticmethod(load_tape)


def _reduced(tape: Tape) -> tuple[Any, ...]:
    """What a pickle holds: the file, and beside it objects that may be shared with the rest of the pickle."""
    parts = [tape, tape.careful()] if tape.careful else [tape]
    used = dict.fromkeys(rule for part in parts for rule, _ in part.code if not getattr(rule, "built_in", True))
    entries = _tape_entries(tape)
    text = entries[_TAPE_HEADER].decode()
    kinds = [kind for name, kind in DATACLASSES.items() if json.dumps(name) in text]
    return _restored, (_archive(entries), [part.captured for part in parts], [*used], kinds)


def _restored(data: bytes, captured: list[tuple[Variable, ...]], *_met: Any) -> Tape:
    """The tape of a pickle; its own operations and dataclasses entered their tables when they were read."""
    tape = from_bytes(data)
    if tape.careful is not None:
        careful = _capturing(tape.careful(), captured[1])
        tape = dataclasses.replace(tape, careful=lambda: careful)
    return _capturing(tape, captured[0])


def _capturing(tape: Tape, captured: tuple[Variable, ...]) -> Tape:
    """A tape whose first constants are the numbers of these Variables again."""
    program, count = tape.program, len(captured)
    live = dataclasses.replace(program, inputs=program.inputs + count, constants=program.constants[count:])
    return dataclasses.replace(tape, program=live, captured=captured)


Tape.__reduce__ = _reduced  # type: ignore[method-assign, assignment]


def _tape_entries(tape: Tape) -> dict[str, Any]:
    """The header as text, then the columns of the tape and of its careful program as arrays."""
    tapes = [tape, tape.careful()] if tape.careful else [tape]
    used = dict.fromkeys(primitive for part in tapes for primitive, _ in part.code)
    for primitive in used:
        found = PRIMITIVES.get(primitive.name)
        same = found is not None and type(primitive) is Primitive and primitive.same_as(found)
        if found is not primitive and not same:
            replaced = "a primitive that was replaced, and is not found by its name. Trace the function again."
            other = replaced if isinstance(primitive, Primitive) else Operation.untold
            untold = getattr(primitive, "untold", other)
            raise TapeError(f"the tape of {tape.name} cannot be saved: {primitive.name} is {untold}")
    header = {"format": _TAPE, "version": _VERSION, "primitives": [[p.name, p.arity] for p in used]}
    try:
        text = json.dumps(header | {"tapes": [_words(part) for part in tapes]})
    except (ValueError, RecursionError) as error:  # an int of more digits than Python writes; nests in nests in nests
        raise TapeError(f"the tape of {tape.name} cannot be saved: {error}. Trace a function without that.") from error
    entries: dict[str, Any] = {_TAPE_HEADER: text.encode()}
    numbers = {primitive: number for number, primitive in enumerate(used)}
    for prefix, part in zip(_PREFIXES, tapes, strict=False):
        columns = {
            "operations": [numbers[primitive] for primitive, _ in part.code],
            "arguments": [slot for _, arguments in part.code for slot in arguments],
            # Captured Variables have the slots just before the constants, so that every slot keeps its number.
            "constants": [*(variable.value for variable in part.captured), *part.constants],
            "outputs": part.outputs,
            "doubtful": part.doubtful,
            "example": part.example,
        }
        for name, column in columns.items():
            entries[f"{prefix}{name}.npy"] = np.array(column, dtype=_COLUMNS[name])
    return entries


def _words(tape: Tape) -> dict[str, Any]:
    """The part of a tape that is text: names, guards, shapes."""
    guards = [dataclasses.astuple(guard) for guard in tape.guards]
    order = {"ordered": True} if tape.ordered and len(tape._example()[1]) > 1 else {}  # noqa: SLF001
    shapes = {
        name: _coded(optree.tree_unflatten(shape.containers, map(Fixed, shape.leaves)))
        for name, shape in (("inputs", tape.input_shape), ("results", tape.output_shape))
    }
    return {"name": tape.name, "parameters": tape.parameters, "guards": guards, **order, **shapes}


def from_bytes(data: bytes) -> Tape:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = archive.namelist()
        names = [_TAPE_HEADER, *(f"{prefix}{name}.npy" for prefix in _PREFIXES for name in _COLUMNS)]
        _require(found in (names, names[: 1 + len(_COLUMNS)]), f"it holds {', '.join(found)[:60]}")
        entries = dict(zip(found, _contents(archive, len(data)), strict=True))
    header = json.loads(entries[_TAPE_HEADER])
    _require(header["format"] == _TAPE, "it is of another kind")
    _require_version(header["version"], _VERSION, ", or trace and save again")
    primitives = []
    for name, arity in header["primitives"]:
        primitive = PRIMITIVES.get(name)
        if primitive is None or primitive.arity != arity:
            raise _UnusableError(
                f"uses a primitive {name!r} of {arity} arguments, and this process has none. If it is your own, import the "
                "module that defines it first."
            )
        primitives.append(primitive)
    tapes = header["tapes"]
    _require(len(entries) == 1 + len(tapes) * len(_COLUMNS), "the number of its programs is not that of its arrays")
    tape = None
    for prefix, words in reversed(list(zip(_PREFIXES, tapes, strict=False))):
        columns = {}
        for name, kind in _COLUMNS.items():
            array = _array(entries[f"{prefix}{name}.npy"])
            _require(array.dtype == kind and array.ndim == 1, "an array is of another kind")
            columns[name] = tuple(array.tolist())
        tape = _tape(words, columns, primitives, tape)
    assert tape is not None
    return tape


def _tape(words: Any, columns: dict[str, Any], primitives: list[Primitive], careful: Tape | None) -> Tape:
    """The tape of these parts, if they fit together; `Tape` itself tests the slots."""
    operations, arguments, example = columns["operations"], columns["arguments"], columns["example"]
    _require(all(0 <= k < len(primitives) for k in operations), "an instruction has an unknown operation")
    used, slots = [primitives[k] for k in operations], iter(arguments)
    _require(sum(p.arity for p in used) == len(arguments), "its instructions take other arguments than it has")
    _require(all(type(text) is str for text in (words["name"], *words["parameters"])), "a name is no text")
    guards = tuple(Guard(*guard) for guard in words["guards"])
    _require(all([*map(type, dataclasses.astuple(g))] == _GUARD for g in guards), "a guard is malformed")
    inputs, outputs = _shape(words["inputs"], len(example)), _shape(words["results"], len(columns["outputs"]))
    code = tuple((p, tuple(islice(slots, p.arity))) for p in used)
    program = Program(
        len(example), columns["constants"], code, columns["outputs"], guards=guards, doubtful=columns["doubtful"]
    )
    tape = Tape(
        words["name"],
        tuple(words["parameters"]),
        input_shape=inputs,
        captured=(),
        program=program,
        output_shape=outputs,
        example=example,
        careful=None if careful is None else lambda: careful,
        ordered=words.get("ordered", False) is True,
    )
    first = program.first_instruction
    for guard in guards:
        latest = max(guard.left, guard.right, first - 1) - first
        _require(latest < guard.position <= len(code), "a guard stands before what it compares")
    positional, keywords = tape._example()  # noqa: SLF001
    _require(type(positional) is tuple and all(type(k) is str for k in keywords), "its arguments are not of a call")
    if careful is None:
        _require(not tape.doubtful, "its careful program is missing")
    else:
        same = (tape.arguments, len(tape.outputs)) == (careful.arguments, len(careful.outputs))
        _require(same, "its careful program takes or returns other numbers")
    return tape


def _coded(nest: Any) -> Any:
    """A nest in JSON; every container names its kind. A `Fixed` stands for the leaf with that entry in `Shape.leaves`."""
    kind = type(nest)
    if nest is None:
        return None
    if kind is Fixed and not isinstance(nest.thing, Fixed):
        return "number" if nest.thing is None else {"array": list(nest.thing)}
    thing = nest.thing.thing if kind is Fixed else nest
    if type(thing) in (bool, int, float, str):
        return {"fixed": thing}
    if kind in (tuple, list):
        return {kind.__name__: [_coded(part) for part in nest]}
    if kind is dict and all(type(key) in (str, int) for key in nest):
        return {"dict": [[key, _coded(part)] for key, part in nest.items()]}
    name = f"{kind.__module__}:{kind.__qualname__}"
    if name in DATACLASSES:
        parts = {field.name: _coded(getattr(nest, field.name)) for field in dataclasses.fields(kind)}
        return {"dataclass": name, "fields": parts}
    raise TapeError(
        f"a tape with {thing!r:.60} among its arguments or results cannot be saved: files hold numbers, arrays, bools, "
        "texts, None, and tuples, lists, dicts with texts or ints as keys, and registered dataclasses of these. Trace a "
        "function without it."
    )


def _shape(code: Any, size: int) -> Shape:
    """The shape of a nest in JSON, if it has this size."""
    leaves, containers = optree.tree_flatten(_nest(code, Fixed), namespace=NAMESPACE)
    shape = Shape(containers, tuple(leaf.thing for leaf in leaves))
    _require(sum(shape.sizes) == size, "its arguments or results have another number of elements than it says")
    return shape


def _nest(code: Any, leaf: Callable[[Any], Any]) -> Any:
    """The nest that `_coded` wrote, with `leaf(entry)` for each leaf."""
    match code:
        case None:
            return None
        case "number":
            return leaf(None)
        case {"array": [*sizes]}:
            _require(all(type(n) is int for n in sizes), "the shape of an array is none")
            np.broadcast_to(0.0, sizes)  # refuses sizes that no array has, without memory for it
            return leaf(tuple(sizes))
        case {"fixed": bool() | int() | float() | str() as thing}:
            return leaf(Fixed(thing))
        case {"tuple": [*parts]}:
            return tuple(_nest(part, leaf) for part in parts)
        case {"list": [*parts]}:
            return [_nest(part, leaf) for part in parts]
        case {"dict": [*pairs]}:
            _require(all(type(key) in (str, int) for key, _ in pairs), "a key of a dict is neither text nor int")
            return {key: _nest(part, leaf) for key, part in pairs}
        case {"dataclass": str(name), "fields": dict(parts)}:
            return _instance(name, parts, leaf)
    raise ValueError(f"it has {str(code)[:40]} among its arguments or results")


def _instance(name: str, parts: dict[str, Any], leaf: Callable[[Any], Any]) -> Any:
    """An instance of a registered dataclass, made without `__init__` as in `register_dataclass`."""
    cls: Any = DATACLASSES.get(name)
    if cls is None or [field.name for field in dataclasses.fields(cls)] != list(parts):
        raise _UnusableError(
            f"needs a registered dataclass {name} with fields {', '.join(parts)}, and this process has none. Import the "
            "module that defines it first; if the class has changed, trace and save again."
        )
    instance: Any = object.__new__(cls)
    for field in dataclasses.fields(cls):
        part = _nest(parts[field.name], _fact if field.metadata.get("static") else leaf)
        object.__setattr__(instance, field.name, part)
    return instance


def _fact(outline: Any) -> Any:
    _require(isinstance(outline, Fixed), "a static field is a number that varies")
    return outline.thing


class _UnusableError(Exception):
    """The file is whole, but this process cannot use it."""


def _require(fact: bool, otherwise: str) -> None:
    """Refuse a file whose parts do not fit together."""
    if not fact:
        raise ValueError(otherwise)


def _require_version(found: Any, expected: Any, remedy: str = "") -> None:
    if found != expected:
        raise _UnusableError(
            f"is in version {found!r:.20} of the format, and this autograd_lite reads version {expected}. Read it with the "
            f"release that wrote it{remedy}."
        )


def _archive(entries: dict[str, Any]) -> bytes:
    """The content of a file with these entries, arrays or bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            entry = io.BytesIO()
            if type(content) is bytes:
                entry.write(content)
            else:
                np.lib.format.write_array(entry, content, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name), entry.getvalue())  # dated 1980: equal contents give equal bytes
    return buffer.getvalue()


def _write(path: Any, entries: dict[str, Any]) -> None:
    """Write an archive beside `path`, then move it there in one step."""
    path, content = Path(path), _archive(entries)
    if not path.name:  # ".", "/": a folder has no name to write beside
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    try:
        cache.replace(path, content)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise


def _read(path: Any, parse: Callable[[bytes], Any], kind: type[AutogradLiteError], noun: str, call: str) -> Any:
    """The parsed content of a file; an error of this kind names the file and the call that writes one."""
    data = Path(path).read_bytes()
    try:
        return parse(data)
    except _UnusableError as error:
        raise kind(f"{path} {error}") from None
    except MemoryError:  # no fault of the file, whose claims were tested against its length
        raise
    except Exception as error:  # zipfile, NumPy, json and optree raise a dozen errors at a broken file
        reason = f"{error}".rstrip(".") or type(error).__name__
        raise kind(
            f"{path} is no {noun}, or not a whole one: {reason}. Save it again with {call}, or find the right file."
        ) from error


def _contents(archive: zipfile.ZipFile, size: int) -> Iterator[bytes]:
    """The entries of an archive in a file of this size, each tested against its checksum."""
    entries = archive.infolist()
    _require(all(e.compress_type == zipfile.ZIP_STORED for e in entries), "it is compressed")  # its size may be a lie
    _require(sum(e.file_size for e in entries) <= size, "its entries are larger than the file")
    yield from map(archive.read, archive.namelist())


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _array(content: bytes) -> Any:
    """The array of an entry. Its shape is tested first: NumPy takes memory for any shape that a header claims."""
    stream = io.BytesIO(content)
    read_header = _HEADERS.get(np.lib.format.read_magic(stream))
    if read_header is None:
        raise ValueError("an entry is in a version of NumPy's format that is not read here")
    shape, _, kind = read_header(stream)
    claimed, there = math.prod(shape) * kind.itemsize, len(content) - stream.tell()
    if min(shape, default=0) < 0 or (claimed > there and not kind.hasobject):
        raise ValueError(f"an entry claims shape {shape!s:.60} of {kind!s:.20}, and has {there} bytes")
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    _require(not stream.read(1), "an entry goes on behind its array")
    return array
