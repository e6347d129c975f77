"""Tapes in files: a zip archive of a JSON header and NumPy arrays; `numpy.load` can look into it.

A file holds numbers and names, and nothing of it is ever executed. What it names, primitives and registered dataclasses, is
looked up among those of the process, never imported. Nothing is compressed, so nothing unpacks to more than the file's size.
"""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import optree

from autograd_lite.errors import TapeError
from autograd_lite.nests import DATACLASSES, NAMESPACE, Fixed, Shape
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape.passes import Guard
from autograd_lite.tape.tape import Tape

FORMAT, VERSION = "autograd_lite tape", 1

_HEADER = "header.json"
_ARRAYS = {
    "operations": np.int64,  # for each instruction, which of the primitives in the header
    "arguments": np.int64,
    "constants": np.float64,
    "outputs": np.int64,
    "doubtful": np.int64,
    "example": np.float64,
}
_PREFIXES = "", "careful_"  # of the arrays of a tape, and of its careful program
_GUARD = [str, int, int, bool, int, str]


def save(tape: Tape, path: Any) -> None:
    """Write a tape to a file; captured Variables become constants, with the values that they have now.

    Parameters
    ----------
    tape : Tape
        Its arguments and results are numbers, arrays, bools, texts, None, and tuples, lists, dicts with texts or ints as
        keys, and registered dataclasses of these.
    path : str or path
        A file that is there is replaced as a whole, or stays as it is if saving fails.

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
    ...     save(al.trace(lambda x: x * al.exp(x), 1.0), path)
    ...     load(path).gradient()(0.0)
    1.0
    """
    tapes = [tape, tape.careful()] if tape.careful else [tape]
    used = {primitive: None for part in tapes for primitive, _ in part.code}
    lost = next((primitive.name for primitive in used if PRIMITIVES.get(primitive.name) is not primitive), None)
    if lost is not None:
        raise TapeError(
            f"the tape of {tape.name} cannot be saved: {lost} is a scan of jit, or a primitive that was replaced, and is not "
            "found by its name. Trace the function with trace(f, *arguments) again."
        )
    header = {
        "format": FORMAT,
        "version": VERSION,
        "primitives": [[primitive.name, primitive.arity] for primitive in used],
    }
    try:
        text = json.dumps(header | {"tapes": [_words(part) for part in tapes]})
    except (ValueError, RecursionError) as error:  # an int of more digits than Python writes; nests in nests in nests
        raise TapeError(f"the tape of {tape.name} cannot be saved: {error}. Trace a function without that.") from error
    members = {_HEADER: text.encode()}
    numbers = {primitive: number for number, primitive in enumerate(used)}
    for prefix, part in zip(_PREFIXES, tapes, strict=False):
        for name, column in _columns(part, numbers).items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.array(column, dtype=_ARRAYS[name]), allow_pickle=False)
            members[f"{prefix}{name}.npy"] = buffer.getvalue()
    _write(Path(path), members)


def load(path: Any) -> Tape:
    """Read a tape that `save` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Tape
        With the same replays, bit for bit.

    Raises
    ------
    TapeError
        If the file is not a whole tape, or uses primitives or dataclasses that this process does not have.
    OSError
        If there is no such file, or it may not be read.

    Examples
    --------
    >>> load(__file__)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.TapeError: ...storage.py is no tape, or not a whole one: File is not a zip file. Save it again ...
    """
    data = Path(path).read_bytes()
    try:
        return _tape(_members(data))
    except _MissingError as error:
        raise TapeError(f"{path} {error}") from None
    except Exception as error:  # a broken file breaks zipfile, NumPy, json and optree in a dozen ways
        reason = f"{error}".rstrip(".") or type(error).__name__
        raise TapeError(
            f"{path} is no tape, or not a whole one: {reason}. Save it again with tape.save(path), or find the right file."
        ) from error


class _MissingError(Exception):
    """The file is whole, but this process cannot use it."""


# --------------------------------------------------------------------------------------------------------------- writing


def _write(path: Path, members: dict[str, bytes]) -> None:
    """Write an archive beside `path`, then put it there in one step."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980: the same tape gives the same bytes
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        beside.write_bytes(buffer.getvalue())
        beside.replace(path)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        beside.unlink(missing_ok=True)


def _words(tape: Tape) -> dict[str, Any]:
    """What is no number."""
    shapes = {
        name: _coded(optree.tree_unflatten(shape.containers, [_Leaf(leaf) for leaf in shape.leaves]))
        for name, shape in (("inputs", tape.input_shape), ("results", tape.output_shape))
    }
    guards = [dataclasses.astuple(guard) for guard in tape.guards]
    return {"name": tape.name, "parameters": tape.parameters, "guards": guards, **shapes}


def _columns(tape: Tape, numbers: dict[Primitive, int]) -> dict[str, list[Any]]:
    """The numbers; slots stay what they are, since captured Variables lie just before the constants."""
    return {
        "operations": [numbers[primitive] for primitive, _ in tape.code],
        "arguments": [slot for _, arguments in tape.code for slot in arguments],
        "constants": [*(variable.value for variable in tape.captured), *tape.constants],
        "outputs": list(tape.outputs),
        "doubtful": list(tape.doubtful),
        "example": list(tape.example),
    }


@dataclasses.dataclass(frozen=True)
class _Leaf:
    """Stands in a nest for the leaf that has this entry in `Shape.leaves`."""

    outline: Any


def _coded(nest: Any) -> Any:
    """A nest in JSON; every container says what it is."""
    kind = type(nest)
    if nest is None:
        return None
    if kind is _Leaf and not isinstance(nest.outline, Fixed):
        return "number" if nest.outline is None else {"array": list(nest.outline)}
    thing = nest.outline.thing if kind is _Leaf else nest
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


# --------------------------------------------------------------------------------------------------------------- reading


def _require(fact: bool, otherwise: str) -> None:
    if not fact:
        raise ValueError(otherwise)


def _members(data: bytes) -> dict[str, bytes]:
    """The parts of an archive, checked against their checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = archive.namelist()
        names = [_HEADER, *(f"{prefix}{name}.npy" for prefix in _PREFIXES for name in _ARRAYS)]
        _require(found in (names, names[: 1 + len(_ARRAYS)]), f"it holds {', '.join(found)[:60]}")
        _require(all(m.compress_type == zipfile.ZIP_STORED for m in archive.infolist()), "it is compressed")
        return {name: archive.read(name) for name in found}


def _tape(members: dict[str, bytes]) -> Tape:
    header = json.loads(members[_HEADER])
    _require(header["format"] == FORMAT, "it is of another kind")
    if header["version"] != VERSION:
        raise _MissingError(
            f"is in version {header['version']!r:.20} of the format, and this autograd_lite reads version {VERSION}. Read it "
            "with the release that wrote it, or trace and save again."
        )
    primitives = [_primitive(name, arity) for name, arity in header["primitives"]]
    descriptions = header["tapes"]
    _require(
        len(members) == 1 + len(descriptions) * len(_ARRAYS), "the number of its programs is not that of its arrays"
    )
    tape = None
    for prefix, words in reversed(list(zip(_PREFIXES, descriptions, strict=False))):
        arrays = {name: _numbers(members[f"{prefix}{name}.npy"], kind) for name, kind in _ARRAYS.items()}
        tape = _assembled(words, arrays, primitives, tape)
    assert tape is not None
    return tape


def _primitive(name: str, arity: int) -> Primitive:
    primitive = PRIMITIVES.get(name)
    if primitive is None or primitive.arity != arity:
        raise _MissingError(
            f"uses a primitive {name!r} of {arity} arguments, and this process has none. If it is your own, import the "
            "module that defines it first."
        )
    return primitive


def _numbers(content: bytes, kind: type) -> list[Any]:
    stream = io.BytesIO(content)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    _require(array.dtype == kind and array.ndim == 1 and not stream.read(1), "an array is of another kind")
    return array.tolist()  # type: ignore[no-any-return]


def _assembled(
    words: dict[str, Any], arrays: dict[str, Any], primitives: list[Primitive], careful: Tape | None
) -> Tape:
    """The tape, which checks its slots itself, if everything else fits together too."""
    operations, slots, example = arrays["operations"], iter(arrays["arguments"]), arrays["example"]
    _require(all(0 <= k < len(primitives) for k in operations), "an instruction has an unknown operation")
    used = [primitives[k] for k in operations]
    _require(
        sum(p.arity for p in used) == len(arrays["arguments"]), "its instructions take other arguments than it has"
    )
    _require(all(type(text) is str for text in (words["name"], *words["parameters"])), "a name is no text")
    guards = tuple(Guard(*guard) for guard in words["guards"])
    _require(all([*map(type, dataclasses.astuple(g))] == _GUARD for g in guards), "a guard is malformed")
    tape = Tape(
        name=words["name"],
        parameters=tuple(words["parameters"]),
        input_shape=_shape(words["inputs"], example),
        captured=(),
        constants=tuple(arrays["constants"]),
        code=tuple((p, tuple(islice(slots, p.arity))) for p in used),
        outputs=tuple(arrays["outputs"]),
        output_shape=_shape(words["results"], arrays["outputs"]),
        guards=guards,
        doubtful=tuple(arrays["doubtful"]),
        example=tuple(example),
        careful=None if careful is None else lambda: careful,
    )
    places = [max(g.left, g.right, tape.first_instruction - 1) - tape.first_instruction + 1 for g in guards]
    in_range = (place <= g.position <= len(tape) for place, g in zip(places, guards, strict=True))
    _require(all(in_range), "a guard stands before what it compares")
    arguments, keywords = tape._example()  # noqa: SLF001
    _require(
        type(arguments) is tuple and all(type(word) is str for word in keywords), "its arguments are not of a call"
    )
    if careful is None:
        _require(not tape.doubtful, "its careful program is missing")
    else:
        sizes = [(part.arguments, len(part.outputs)) for part in (tape, careful)]
        _require(sizes[0] == sizes[1], "its careful program takes or returns other numbers")
    return tape


def _shape(code: Any, numbers: list[Any]) -> Shape:
    """The shape that is so coded, of so many numbers."""
    leaves, containers = optree.tree_flatten(_nest(code, _Leaf), namespace=NAMESPACE)
    shape = Shape(containers, tuple(leaf.outline for leaf in leaves))
    _require(sum(shape.sizes) == len(numbers), "its arguments or results have another number of elements than it says")
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
        raise _MissingError(
            f"needs a registered dataclass {name} with fields {', '.join(parts)}, and this process has none. Import the "
            "module that defines it first; if the class has changed, trace and save again."
        )
    instance: Any = object.__new__(cls)
    for field in dataclasses.fields(cls):
        static = field.metadata.get("static")
        object.__setattr__(instance, field.name, _nest(parts[field.name], _fact if static else leaf))
    return instance


def _fact(outline: Any) -> Any:
    _require(isinstance(outline, Fixed), "a static field is a number that varies")
    return outline.thing
