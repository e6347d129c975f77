"""Tapes in files: a zip archive of a JSON header and NumPy arrays; `numpy.load` can look into it.

A file holds numbers and names, and nothing of it is ever executed. What it names, primitives and registered dataclasses, is
looked up among those of the process, never imported. Nothing is compressed, so nothing unpacks to more than the file's size.
"""

import dataclasses
import io
import json
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite.errors import TapeError
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.saving import archived, array_of, write_archive, written
from autograd_lite.tape.outlines import MissingError, coded, require, shape_of
from autograd_lite.tape.program import Guard, Program
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
    write_archive(Path(path), _parts(tape))


def to_bytes(tape: Tape) -> bytes:
    """What `save` would write."""
    return archived(_parts(tape))


def from_bytes(data: bytes) -> Tape:
    """The tape of such bytes."""
    return _tape(_members(data))


def _parts(tape: Tape) -> dict[str, bytes]:
    """The entries of the archive."""
    tapes = [tape, tape.careful()] if tape.careful else [tape]
    used = {primitive: None for part in tapes for primitive, _ in part.code}
    lost = next((primitive.name for primitive in used if not _is_found(primitive)), None)
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
            members[f"{prefix}{name}.npy"] = written(np.array(column, dtype=_ARRAYS[name]))
    return members


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
        return from_bytes(data)
    except MissingError as error:
        raise TapeError(f"{path} {error}") from None
    except MemoryError:  # no fault of the file, whose claims were tested against its length
        raise
    except Exception as error:  # a broken file breaks zipfile, NumPy, json and optree in a dozen ways
        reason = f"{error}".rstrip(".") or type(error).__name__
        raise TapeError(
            f"{path} is no tape, or not a whole one: {reason}. Save it again with tape.save(path), or find the right file."
        ) from error


# --------------------------------------------------------------------------------------------------------------- writing


def _is_found(primitive: Any) -> bool:
    """Whether its name leads to it."""
    found = PRIMITIVES.get(primitive.name)
    return found is primitive or (found is not None and type(primitive) is Primitive and primitive.same_as(found))


def _words(tape: Tape) -> dict[str, Any]:
    """What is no number."""
    shapes = {name: coded(shape) for name, shape in (("inputs", tape.input_shape), ("results", tape.output_shape))}
    guards = [dataclasses.astuple(guard) for guard in tape.guards]
    facts = {"ordered": True} if tape.ordered and len(tape._example()[1]) > 1 else {}  # noqa: SLF001
    return {"name": tape.name, "parameters": tape.parameters, "guards": guards, **facts, **shapes}


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


# --------------------------------------------------------------------------------------------------------------- reading


def _members(data: bytes) -> dict[str, bytes]:
    """The parts of an archive, checked against their checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = archive.namelist()
        names = [_HEADER, *(f"{prefix}{name}.npy" for prefix in _PREFIXES for name in _ARRAYS)]
        require(found in (names, names[: 1 + len(_ARRAYS)]), f"it holds {', '.join(found)[:60]}")
        require(all(m.compress_type == zipfile.ZIP_STORED for m in archive.infolist()), "it is compressed")
        require(sum(m.file_size for m in archive.infolist()) <= len(data), "its entries are larger than the file")
        return {name: archive.read(name) for name in found}


def _tape(members: dict[str, bytes]) -> Tape:
    header = json.loads(members[_HEADER])
    require(header["format"] == FORMAT, "it is of another kind")
    if header["version"] != VERSION:
        raise MissingError(
            f"is in version {header['version']!r:.20} of the format, and this autograd_lite reads version {VERSION}. Read it "
            "with the release that wrote it, or trace and save again."
        )
    primitives = [_primitive(name, arity) for name, arity in header["primitives"]]
    descriptions = header["tapes"]
    require(
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
        raise MissingError(
            f"uses a primitive {name!r} of {arity} arguments, and this process has none. If it is your own, import the "
            "module that defines it first."
        )
    return primitive


def _numbers(content: bytes, kind: type) -> list[Any]:
    array = array_of(content)
    require(array.dtype == kind and array.ndim == 1, "an array is of another kind")
    return array.tolist()  # type: ignore[no-any-return]


def _assembled(
    words: dict[str, Any], arrays: dict[str, Any], primitives: list[Primitive], careful: Tape | None
) -> Tape:
    """The tape, which checks its slots itself, if everything else fits together too."""
    operations, slots, example = arrays["operations"], iter(arrays["arguments"]), arrays["example"]
    require(all(0 <= k < len(primitives) for k in operations), "an instruction has an unknown operation")
    used = [primitives[k] for k in operations]
    require(sum(p.arity for p in used) == len(arrays["arguments"]), "its instructions take other arguments than it has")
    require(all(type(text) is str for text in (words["name"], *words["parameters"])), "a name is no text")
    guards = tuple(Guard(*guard) for guard in words["guards"])
    require(all([*map(type, dataclasses.astuple(g))] == _GUARD for g in guards), "a guard is malformed")
    inputs, results = shape_of(words["inputs"], example), shape_of(words["results"], arrays["outputs"])
    program = Program(
        sum(inputs.sizes),
        constants=tuple(arrays["constants"]),
        code=tuple((p, tuple(islice(slots, p.arity))) for p in used),
        outputs=tuple(arrays["outputs"]),
        guards=guards,
        doubtful=tuple(arrays["doubtful"]),
    )
    tape = Tape(
        name=words["name"],
        parameters=tuple(words["parameters"]),
        input_shape=inputs,
        captured=(),
        program=program,
        output_shape=results,
        example=tuple(example),
        careful=None if careful is None else lambda: careful,
        ordered=words.get("ordered", False) is True,
    )
    first = program.first_instruction
    places = [max(g.left, g.right, first - 1) - first + 1 for g in guards]
    in_range = (place <= g.position <= len(tape) for place, g in zip(places, guards, strict=True))
    require(all(in_range), "a guard stands before what it compares")
    arguments, keywords = tape._example()  # noqa: SLF001
    require(type(arguments) is tuple and all(type(word) is str for word in keywords), "its arguments are not of a call")
    if careful is None:
        require(not tape.doubtful, "its careful program is missing")
    else:
        sizes = [(part.arguments, len(part.outputs)) for part in (tape, careful)]
        require(sizes[0] == sizes[1], "its careful program takes or returns other numbers")
    return tape


Tape.save = save
Tape.load = staticmethod(load)
