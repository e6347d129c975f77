"""Saving and loading tapes: the same replays bit for bit, and nothing but a TapeError from any broken file."""

import dataclasses
import io
import json
import math
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from corpus import COMPOSED, EXAMPLES, HOMOGENEOUS, MAPS, SPECIAL, TABLE, by_name, same_bits, sample
from hypothesis import given
from hypothesis import strategies as st
from tiers import sizes

import autograd_lite as al
from autograd_lite.errors import BranchError, TapeError
from autograd_lite.nests import unravel
from autograd_lite.tape.program import Program
from autograd_lite.tape.tape import Tape


@al.register_dataclass
@dataclasses.dataclass
class Layer:
    """A nest with a fact in it."""

    weight: np.ndarray
    bias: float
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})
    sizes: tuple = dataclasses.field(default=(2, 1), metadata={"static": True})


@pytest.fixture
def file(tmp_path):
    """A path in an empty folder."""
    return tmp_path / "program.tape"


def stored(tape, file):
    """The tape after a round trip."""
    tape.save(file)
    return al.Tape.load(file)


def programs_of(tape):
    """What has to be equal: the tape and its careful program, without the thunks, numbers by their bits."""
    careful = tape.careful() if tape.careful else None
    return [
        (
            part.name,
            part.parameters,
            part.input_names,
            part.input_shape,
            part.output_shape,
            struct.pack(f"{len(part.constants)}d", *part.constants),
            part.code,
            part.outputs,
            part.guards,
            part.doubtful,
            struct.pack(f"{len(part.example)}d", *part.example),
        )
        for part in (tape, careful)
        if part is not None
    ]


def test_round_trip_of_everything_at_once(file):
    """Nests of every kind, guards, a careful program, constants, names: all as they were."""

    def f(layer, x, *, scale):
        h = layer.weight @ np.array(x["in"]) + layer.bias
        if h[0] > scale:
            h = h * al.maximum(h, -0.5)
        return {"y": (h, [h[0]]), 3: None, "facts": (True, "text", 7)}

    layer = Layer(np.array([[1.0, 2.0]]), 0.5)
    tape = al.trace(f, layer, {"in": [1.0, 2.0], "unused": np.zeros((0, 3))}, scale=0.1)
    again = stored(tape, file)
    assert programs_of(again) == programs_of(tape)
    arguments = (layer, {"in": [0.3, 2.0], "unused": np.zeros((0, 3))})
    result = again(*arguments, scale=0.2)
    assert result["facts"] == (True, "text", 7)
    assert result[3] is None
    assert unravel(result["y"])[0] == unravel(tape(*arguments, scale=0.2)["y"])[0]
    with pytest.raises(BranchError, match="test_tape_files.py"):
        again(*arguments, scale=100.0)


@pytest.mark.parametrize("example", [*EXAMPLES, *COMPOSED, *HOMOGENEOUS, *MAPS], ids=by_name)
def test_corpus_replays_to_the_same_bits(example, file):
    """Values of the loaded tape, and gradients of it, are those of the tape."""
    tape = al.trace(example.function, list(example.point))
    again = stored(tape, file)
    assert programs_of(again) == programs_of(tape)
    assert unravel(again(list(example.point)))[0] == unravel(tape(list(example.point)))[0]
    if len(tape.outputs) == 1 and example not in MAPS:
        gradient = tape.gradient()
        assert again.gradient()(list(example.point)) == gradient(list(example.point))
        again = stored(gradient, file)
        assert programs_of(again) == programs_of(gradient)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_gradients_of_primitives_with_their_careful_programs(name, file):
    """Also where the bare program gives NaN and the careful one is replayed: at special values."""
    rule, points = TABLE[name], sample(name, 3)
    tape = al.trace(rule, *map(float, points[0])).gradient()
    again = stored(tape, file)
    for point in (*points, *([x] * rule.arity for x in SPECIAL)):
        expected, found = unravel(tape(*map(float, point)))[0], unravel(again(*map(float, point)))[0]
        assert all(map(same_bits, expected, found)), point


@given(st.lists(st.floats(), max_size=8), st.lists(st.floats(), min_size=1, max_size=4))
def test_constants_and_example_keep_their_bits(tmp_path_factory, constants, point):
    """NaN with its payload, -0.0, infinities, subnormal numbers."""
    file = tmp_path_factory.mktemp("tape") / "f"
    point = [math.nan, *point]
    shape = unravel(((point,), {}))[1]
    numbers = [*constants, struct.unpack("d", b"\x01\0\0\0\0\0\xf8\x7f")[0], -0.0]
    outputs = tuple(range(len(point), len(point) + len(numbers)))
    results = unravel([0.0] * len(numbers))[1]
    program = Program(len(point), tuple(numbers), (), outputs)
    tape = Tape("f", ("x",), shape, (), program, results, example=tuple(point))
    assert programs_of(stored(tape, file)) == programs_of(tape)


nests = st.recursive(
    st.one_of(st.floats(-5, 5), st.none(), st.booleans(), st.text(max_size=3))
    | st.sampled_from((np.zeros((2, 0, 3)), np.ones(2))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
        st.builds(Layer, inner, inner, st.text(max_size=3), st.lists(st.integers() | st.none(), max_size=2).map(tuple)),
    ),
    max_leaves=8,
)


@given(nests)
def test_any_nest_of_arguments(tmp_path_factory, nest):
    """Structure, order of keys, shapes and facts come back."""
    file = tmp_path_factory.mktemp("tape") / "f"
    tape = al.trace(lambda x: x, nest)
    again = stored(tape, file)
    assert programs_of(again) == programs_of(tape)
    assert repr(again(nest)) == repr(tape(nest)) == repr(tape.output_shape.pack(tape.example))


def test_captured_variables_become_constants(file):
    """With the value at the time of saving."""
    w = al.Variable(3.0, name="w")
    tape = al.trace(lambda x: x * w, 2.0)
    w.value = 5.0
    again = stored(tape, file)
    w.value = 7.0
    assert (again(2.0), again.captured, again.input_names) == (10.0, (), ("x",))
    assert again.gradient()(1.0) == 5.0


def test_careful_program_is_restored_without_tracing(file):
    """At the kink of a selection, and with the function out of reach."""
    runs = []

    def f(x):
        runs.append(x)
        return al.where(al.less(0.0, x), al.sqrt(x), 1.0)

    tape = al.trace(al.grad(f), 1.0)
    assert tape.doubtful
    again = stored(tape, file)
    count = len(runs)
    assert again(-1.0) == tape(-1.0) == 0.0
    assert again.careful() is again.careful()
    assert len(runs) == count


def test_file_is_replaced_as_a_whole(file, monkeypatch):
    """What was there stays if writing fails, and nothing is left beside it."""
    al.trace(lambda x: x * 2.0, 1.0).save(file)
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    for step in ("write_bytes", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, step, full)
            with pytest.raises(OSError, match="No space left") as caught:
                al.trace(lambda x: x * 3.0, 1.0).save(file)
        assert caught.value.filename == str(file)
        assert file.read_bytes() == before
        assert list(file.parent.iterdir()) == [file]


def test_same_tape_same_bytes_and_readable_by_all(file):
    """Files can be compared, get the permissions of any new file, and need not end in anything."""
    tape = al.trace(lambda x: x * 2.0, 1.0)
    tape.save(file)
    before = file.read_bytes()
    tape.save(str(file))
    assert file.read_bytes() == before
    other = file.parent / "other"
    other.write_text("")
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_missing_paths_stay_os_errors(tmp_path):
    """Errors of the system name the path that was asked for."""
    with pytest.raises(FileNotFoundError):
        al.Tape.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="missing.folder"):
        al.trace(lambda x: x, 1.0).save(tmp_path / "missing folder" / "f")
    with pytest.raises(IsADirectoryError):
        al.Tape.load(tmp_path)


# ------------------------------------------------------------------------------------------------------- broken files


def small(file):
    """A file with all that a file can have."""

    def f(x, n):
        return al.where(al.less(0.0, x[0]), al.sqrt(x[0]), 1.0) if n["a"] > 0.5 else x[1]

    tape = al.trace(al.grad(f), np.array([1.0, 2.0]), {"a": 1.0})
    tape.save(file)
    return tape, file.read_bytes()


def smaller(file):
    """A file without a careful program: half the bytes to break."""
    tape = al.trace(lambda x: x * x if x > 1.0 else x, 2.0)
    tape.save(file)
    return tape, file.read_bytes()


def refused(file, data, match="[.]"):
    """The message about a file with these bytes."""
    file.write_bytes(data)
    with pytest.raises(TapeError, match=match) as caught:
        al.Tape.load(file)
    assert str(file) in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_every_flipped_byte_is_noticed_or_harmless(file):
    """One byte changed anywhere: refused, or the very same tape."""
    tape, data = smaller(file)
    expected, harmless = programs_of(tape), 0
    for position in range(len(data)):
        changed = data[position] ^ (0xFF, 0x01, 0x80)[position % 3]
        file.write_bytes(data[:position] + bytes([changed]) + data[position + 1 :])
        try:
            again = al.Tape.load(file)
        except TapeError:
            continue
        harmless += 1
        assert programs_of(again) == expected, position
    assert harmless < len(data) // 5  # dates and attributes in the archive, which nobody reads


def test_every_truncation_is_noticed(file):
    """A file cut off at any length."""
    _, data = smaller(file)
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(TapeError):
            al.Tape.load(file)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_raise_anything_else(tmp_path_factory, data):
    """Noise."""
    refused(tmp_path_factory.getbasetemp() / "noise", data)


FOREIGN = {
    "empty": b"",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40),
    "pickle": pickle.dumps({"a": [1.0]}),
    "json": json.dumps({"format": "autograd_lite tape", "version": 1}).encode(),
    "text": b"Prose, not a program.",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(kind, file):
    """Files of other kinds."""
    assert "File is not a zip file. Save it again with tape.save(path), or find the right file." in refused(
        file, FOREIGN[kind]
    )


def test_archives_of_other_things_are_refused(file):
    """Archives by NumPy, with pickles, or compressed."""
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.ones(3), object=np.array([print], dtype=object))
    refused(file, buffer.getvalue(), "it holds weights.npy, object.npy")
    _, data = small(file)
    refused(file, rewritten(data, compression=zipfile.ZIP_DEFLATED), "it is compressed")
    objects = io.BytesIO()
    np.lib.format.write_array(objects, np.array([1, "x"], dtype=object))
    refused(file, rewritten(data, {"outputs.npy": objects.getvalue()}), "allow_pickle=False")


def rewritten(data, members=(), header=None, compression=zipfile.ZIP_STORED):
    """The archive with some members replaced and the header changed, checksums right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()} | dict(members)
    if header:
        facts = json.loads(contents["header.json"])
        header(facts)
        contents["header.json"] = json.dumps(facts).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def array(*numbers, kind=np.int64, shape=None):
    """The bytes of an array file; a false shape may be claimed."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array(numbers, dtype=kind))
    text = buffer.getvalue()
    return text if shape is None else text.replace(f"({len(numbers)},), ".encode(), f"({shape},), ".encode())


def item(*path, value):
    """A change of one entry of the header."""

    def change(facts):
        for step in path[:-1]:
            facts = facts[step]
        facts[path[-1]] = value

    return change


BAD_HEADERS = {
    "format": (item("format", value="other"), "another kind"),
    "version": (item("version", value=2), "is in version 2 of the format, and this autograd_lite reads version 1"),
    "primitive": (item("primitives", 0, value=["frobnicate", 1]), "uses a primitive 'frobnicate' of 1 arguments"),
    "arity": (item("primitives", 0, 1, value=7), "uses a primitive"),
    "unhashable": (item("primitives", 0, 0, value=[1]), "unhashable"),
    "name": (item("tapes", 0, "name", value=3), "a name is no text"),
    "parameters": (item("tapes", 1, "parameters", value=[None]), "a name is no text"),
    "no programs": (item("tapes", value=[]), "number of its programs"),
    "three programs": (item("tapes", value=[1, 2, 3]), "number of its programs"),
    "relation": (item("tapes", 0, "guards", 0, 0, value="like"), "unknown relation"),
    "guard slot": (item("tapes", 0, "guards", 0, 1, value=10**9), "a slot outside"),
    "guard huge": (item("tapes", 0, "guards", 0, 2, value=10**30), "a slot outside"),
    "guard outcome": (item("tapes", 0, "guards", 0, 3, value=1), "a guard is malformed"),
    "guard place": (item("tapes", 0, "guards", 0, 4, value=-1), "a guard stands before"),
    "guard later": (item("tapes", 0, "guards", 0, 4, value=10**6), "a guard stands before"),
    "guard short": (item("tapes", 0, "guards", 0, value=["lt", 0]), "missing"),
    "leaf": (item("tapes", 0, "inputs", value="numbre"), "it has numbre"),
    "not a call": (item("tapes", 0, "inputs", value={"list": [{"array": [3]}]}), "not enough values"),
    "keyword": (
        item("tapes", 0, "inputs", value={"tuple": [{"tuple": [{"array": [3]}]}, {"dict": [[3, "number"]]}]}),
        "number of elements",
    ),
    "keyword of another kind": (
        item("tapes", 0, "inputs", value={"tuple": [{"tuple": [{"array": [3]}]}, {"dict": [[3, {"fixed": True}]]}]}),
        "not of a call",
    ),
    "key": (item("tapes", 0, "results", value={"dict": [[1.5, "number"]]}), "a key of a dict"),
    "shape": (item("tapes", 0, "results", value={"array": [True, 2]}), "the shape of an array is none"),
    "negative": (item("tapes", 0, "results", value={"array": [-1, -2]}), "non-negative"),
    "huge": (item("tapes", 0, "results", value={"array": [2**40, 2**40]}), "[.]"),
    "overflow": (item("tapes", 0, "results", value={"array": [2**80]}), "[.]"),
    "many": (item("tapes", 0, "results", value={"array": [1] * 1000}), "[.]"),
    "size": (item("tapes", 0, "results", value={"array": [3]}), "number of elements"),
    "dataclass": (item("tapes", 0, "results", value={"dataclass": "os:path", "fields": {}}), "needs a registered"),
    "fields": (
        item("tapes", 0, "results", value={"dataclass": f"{__name__}:Layer", "fields": {"weight": "number"}}),
        "with fields weight, and this process has none",
    ),
    "static": (
        item(
            "tapes", 0, "results",
            value={
                "dataclass": f"{__name__}:Layer",
                "fields": dict.fromkeys(("weight", "bias", "activation", "sizes"), "number"),
            },
        ),
        "a static field",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_headers_that_lie_are_refused(kind, file):
    """Checksums right, contents wrong."""
    _, data = small(file)
    change, message = BAD_HEADERS[kind]
    refused(file, rewritten(data, header=change), message)


BAD_ARRAYS = {
    "operation": ({"operations.npy": array(*[99] * 20)}, "unknown operation"),
    "negative operation": ({"operations.npy": array(-1)}, "unknown operation"),
    "arguments": ({"arguments.npy": array(0, 1)}, "other arguments"),
    "output": ({"outputs.npy": array(0, 10**6, 0)}, "outside|number of elements"),
    "doubtful": ({"doubtful.npy": array(-3)}, "outside"),
    "kind": ({"outputs.npy": array(0.0, kind=np.float64)}, "another kind"),
    "example": ({"example.npy": array(1.0, kind=np.float64)}, "number of elements"),
    "dimensions": ({"example.npy": array([1.0, 2.0, 3.0], kind=np.float64)}, "another kind"),
    "shorter than said": ({"example.npy": array(1.0, 2.0, 3.0, kind=np.float64, shape=10**15)}, "[.]"),
    "longer than said": ({"example.npy": array(1.0, 2.0, 3.0, kind=np.float64, shape=1)}, "goes on behind its array"),
    "no array": ({"example.npy": b""}, "[.]"),
    "no header": ({"header.json": b""}, "[.]"),
    "header of another shape": ({"header.json": b"[1]"}, "[.]"),
    "deep header": ({"header.json": b"[" * 100_000}, "[.]"),
    "digits": ({"header.json": b'{"format": ' + b"9" * 5000 + b"}"}, "[.]"),
    "careful outputs": ({"careful_outputs.npy": array(0)}, "number of elements"),
    "one more": ({"more.npy": array(0)}, "it holds header.json"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_arrays_that_lie_are_refused(kind, file):
    """Slots out of range, sizes that do not fit, claims of petabytes."""
    _, data = small(file)
    members, message = BAD_ARRAYS[kind]
    refused(file, rewritten(data, members), message)


def test_careful_program_must_fit(file):
    """One that returns fewer numbers is refused, though it is a tape."""
    _, data = small(file)
    data = rewritten(data, {"careful_outputs.npy": array(0)}, item("tapes", 1, "results", value="number"))
    refused(file, data, "its careful program takes or returns other numbers")


def test_doubtful_tape_needs_its_careful_program(file):
    """Replays would stumble over its absence."""
    _, data = small(file)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if not n.startswith("careful")}
    header = json.loads(members["header.json"])
    header["tapes"].pop()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (members | {"header.json": json.dumps(header).encode()}).items():
            archive.writestr(name, content)
    refused(file, buffer.getvalue(), "careful program")


# ------------------------------------------------------------------------------------------------ what cannot be saved


UNSAVABLE = {
    "function": (lambda x, f: f(x), (1.0, al.sin)),
    "bytes": (lambda x, b: x, (1.0, b"text")),
    "integer array": (lambda x: (x, np.arange(3)), (1.0,)),
    "key": (lambda x: x[2.5], ({2.5: 1.0},)),
    "digits": (lambda x: (x, 10**5000), (1.0,)),
}


@pytest.mark.parametrize("kind", UNSAVABLE)
def test_what_a_file_cannot_hold_is_refused_on_saving(kind, file):
    """A full sentence, and no file."""
    f, arguments = UNSAVABLE[kind]
    with pytest.raises(TapeError, match=r"cannot be saved: .*\. Trace a function without") as caught:
        al.trace(f, *arguments).save(file)
    assert len(str(caught.value)) < 400
    assert not list(file.parent.iterdir())


def test_scan_of_a_compiled_function_is_refused(file):
    """It is no entry of the table; tapes of `trace` have its steps."""
    f = al.jit(lambda x: al.scan(lambda carry, _: (carry * 2.0, None), x, length=10)[0])
    f(1.0)
    with pytest.raises(TapeError, match="scan is a loop or look-up of jit, which is one operation there"):
        f.paths()[0].tape.save(file)
    assert stored(al.trace(f, 1.0), file)(1.0) == 1024.0


def test_own_primitive_must_be_there(file):
    """A file names it; the process has it, or the message says what to import."""

    def saved():
        double = al.Primitive(name="doubled_for_storage", value=lambda x: 2.0 * x, partials=(2.0,))
        al.trace(lambda x: double(x) + 1.0, 1.0).save(file)
        assert al.Tape.load(file)(3.0) == 7.0

    saved()
    with pytest.raises(TapeError, match="'doubled_for_storage' of 1 arguments.*import the module that defines it"):
        al.Tape.load(file)


@pytest.mark.parametrize("turns", sizes(10_000, 50_000))
def test_long_tape(file, turns):
    """All instructions come back."""

    def f(x):
        for k in range(turns):
            x = al.sin(x) * (1.0 + 1e-9 * k)
        return x

    tape = al.trace(f, 0.5)
    again = stored(tape, file)
    assert again.code == tape.code
    assert again(0.25) == tape(0.25)
