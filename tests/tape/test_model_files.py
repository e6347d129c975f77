"""Models in files: what was saved comes back to the bit, and no file does anything but load as a whole or raise."""

import copy
import io
import math
import os
import pickle
import re
import stat
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nests import Layer, Point
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import nn, optim
from autograd_lite.errors import ConversionError, ModelFileError, OperandError

HEADER = "__autograd_lite__"


@pytest.fixture
def file(tmp_path):
    """A path in an empty folder."""
    return tmp_path / "model.npz"


def bits(nest):
    """Structure, kinds of the leaves, and the bits of their numbers."""
    leaves, containers = al.nests.optree.tree_flatten(nest, namespace=al.nests.NAMESPACE)
    return containers, [(type(x), np.shape(x), np.asarray(x, dtype=float).tobytes()) for x in leaves]


def stored(nest, file, like=None):
    """The nest after a round trip."""
    al.save(file, nest)
    return al.load(file, like=nest if like is None else like)


def refused(file, like, text, **options):
    """Loading fails with this text, and `like` is as it was."""
    before = copy.deepcopy(bits(like))
    with pytest.raises(ModelFileError) as caught:
        al.load(file, like=like, **options)
    assert f"{caught.value}" == text, f"{caught.value}"
    assert bits(like) == before


def no_model(file, reason):
    """What is said of a file that is none of ours."""
    advice = "Save it again with save(path, nest), or find the right file."
    return f"{file} is no saved model, or not a whole one: {reason}. {advice}"


def entry(array):
    """An array as NumPy stores it, in whatever type and order."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=True)
    return buffer.getvalue()


KIND = (f"{HEADER}.npy", entry(np.array("autograd_lite model 1")))


def crafted(file, *members, kind=KIND, compression=zipfile.ZIP_STORED):
    """A file made by hand."""
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in (kind, *members) if kind else members:
            archive.writestr(name, content)


# --- round trips --------------------------------------------------------------------------------------------


def test_file_is_an_npz_that_numpy_reads(file):
    """Names that say what is what, shapes, float64, nothing compressed or pickled; and the version of the format."""
    network = nn.Network.create([2, 3, 1], rng=0, biases=nn.normal())
    al.save(file, {"network": network, "rate": 0.1})
    with np.load(file, allow_pickle=False) as found:
        names = [f"network.layers.{k}.{kind}" for k in (0, 1) for kind in ("weight", "bias")]
        assert found.files == [HEADER, *names, "rate"]
        assert str(found[HEADER]) == "autograd_lite model 1"
        for name, array in zip(names, al.nests.optree.tree_leaves(network, namespace=al.nests.NAMESPACE), strict=True):
            assert found[name].dtype == np.float64
            assert np.array_equal(found[name], array)
        assert found["rate"] == 0.1
    with zipfile.ZipFile(file) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize(
    ("nest", "names"),
    [
        (1.5, ["value"]),
        (np.array(2.5), ["value"]),
        (np.arange(6.0).reshape(2, 3).T, ["value"]),
        ([], []),
        ({}, []),
        (None, []),
        ([None, (), {"a": []}], []),
        (np.zeros((0, 3)), ["value"]),
        ([1.0, (2.0, [3.0])], ["0", "1.0", "1.1.0"]),
        ({"b": 1.0, "a": np.array([2.0])}, ["a", "b"]),
        (OrderedDict(z=1.0, a=2.0), ["z", "a"]),
        ({2: 1.0, ("a", 1): 2.0}, None),
        (Point(1.0, Point(2.0, None)), ["x", "y.x"]),
        (Layer(np.ones((2, 1)), 0.5), ["weight", "bias"]),
        ({"": 1.0}, ["value"]),
        ({"x.npy": 1.0, "x": 2.0, "a/b": 3.0, "../c": 4.0, "é\n": 5.0, "a\\b": 6.0}, None),
        ([-0.0, 5e-324, math.inf, -math.inf, 1.7976931348623157e308], ["0", "1", "2", "3", "4"]),
    ],
    ids=repr,
)
def test_round_trip_to_the_bit(nest, names, file):
    """Containers of every kind, numbers and arrays of every size; the file names each leaf."""
    before = copy.deepcopy(bits(nest))
    again = stored(nest, file)
    assert bits(again) == before == bits(nest)
    if names is not None:
        assert np.load(file, allow_pickle=False).files == [HEADER, *names]


numbers = st.floats(allow_nan=False) | st.just(np.arange(3.0)) | st.just(np.array(-0.0)) | st.none()
nests = st.recursive(
    numbers,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3)
        | st.builds(Layer, inner, inner, st.text(max_size=3))
    ),
    max_leaves=8,
)


@given(nests)
def test_any_nest_comes_back_or_is_refused(tmp_path_factory, nest):
    """Refused are keys that would give two leaves one name, or that no file can hold."""
    file = tmp_path_factory.mktemp("models") / "m"
    reason = ""
    try:
        al.save(file, nest)
    except ModelFileError as error:
        reason = f"{error}"
    if reason:
        assert re.match("two leaves of the model would be called |no file can hold the name ", reason)
        assert list(file.parent.iterdir()) == []
    else:
        assert bits(al.load(file, like=nest)) == bits(nest)


def test_numbers_of_other_types_become_floats(file):
    """Integers, float32, bool: float64, exactly or not at all."""
    nest = [1, True, np.float32(0.1), np.int64(3), np.arange(3), np.array([0.1], dtype=np.float32), np.array([True])]
    again = stored(nest, file)
    assert [type(x) for x in again] == [float] * 4 + [np.ndarray] * 3
    assert again[:4] == [1.0, 1.0, float(np.float32(0.1)), 3.0]
    assert [x.tolist() for x in again[4:]] == [[0.0, 1.0, 2.0], [float(np.float32(0.1))], [1.0]]
    assert {x.dtype for x in again[4:]} == {np.dtype(np.float64)}
    for large in (2**53 + 1, np.array([2**60 + 1])):
        with pytest.raises(ConversionError, match="is not exactly representable"):
            al.save(file, [large])
    assert al.load(file, like=nest)[3] == 3.0


def test_variables_are_saved_by_their_values(file):
    """Alone and in object arrays; they come back as numbers, and the ones in memory are left alone."""
    x = al.Variable(1.5, name="x")
    nest = {"x": x, "mixed": np.array([x * 2.0, 4.0], dtype=object), "single": np.array(x, dtype=object)}
    again = stored(nest, file)
    assert (again["x"], type(again["x"])) == (1.5, float)
    assert (again["mixed"].tolist(), again["mixed"].dtype) == ([3.0, 4.0], np.float64)
    assert (again["single"].shape, again["single"].item()) == ((), 1.5)
    assert nest["x"] is x
    assert (x.value, x.grad) == (1.5, None)
    assert al.load(file, like={"x": 0.0, "mixed": np.zeros(2), "single": np.array(0.0)})["x"] == 1.5


def test_static_fields_are_those_of_like(file):
    """Functions and names are not in the file."""
    al.save(file, nn.Network([nn.Dense(np.ones((1, 2)), np.zeros(1))], "relu"))
    like = nn.Network([nn.Dense(np.zeros((1, 2)), np.zeros(1))], al.sin, output="sigmoid")
    again = al.load(file, like=like)
    assert (again.activation, again.output) == (al.sin, "sigmoid")
    assert again.layers[0].weight.tolist() == [[1.0, 1.0]]
    assert like.layers[0].weight.tolist() == [[0.0, 0.0]]
    assert b"relu" not in file.read_bytes()


def test_loaded_arrays_are_the_readers_own(file):
    """They can be written to; neither `like` nor a second reading sees it."""
    like = [np.zeros(3)]
    first = stored([np.ones(3)], file, like)
    first[0][0] = 5.0
    assert al.load(file, like=like)[0].tolist() == [1.0, 1.0, 1.0]
    assert like[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "optimiser",
    [optim.SGD(0.1), optim.SGD(0.1, momentum=0.9), optim.RMSProp(0.01), optim.Adam(optim.cosine_decay(0.1, 20))],
    ids=lambda o: f"{type(o).__name__}{'+' if getattr(o, 'momentum', 0) else ''}",
)
def test_training_goes_on_where_it_was_saved(optimiser, file):
    """Parameters and the state of the optimiser, None in it included: the same numbers as without a break, to the bit."""
    xs, ts = np.random.default_rng(0).normal(size=(2, 4, 2))
    gradient = al.grad(lambda n: nn.mean_squared_error(n(xs), ts))
    network = nn.Network.create([2, 3, 2], rng=0)
    state = optimiser.init(network)
    for step in range(6):
        if step == 3:
            al.save(file, {"network": network, "state": state})
        network, state = optimiser.update(gradient(network), state, network)
    other = nn.Network.create([2, 3, 2], rng=1)
    found = al.load(file, like={"network": other, "state": optimiser.init(other)})
    again, resumed = found["network"], found["state"]
    assert type(resumed) is optim.State
    for _ in range(3):
        again, resumed = optimiser.update(gradient(again), resumed, again)
    assert bits((again, resumed)) == bits((network, state))
    assert "state.step" in np.load(file).files
    if optimiser == optim.Adam:
        assert "state.second.layers.0.weight" in np.load(file).files


def test_same_model_same_bytes(file):
    """Files can be compared, have the permissions of any new file, and need not end in .npz."""
    model = Layer(np.ones(3), 0.5)
    al.save(file, model)
    before = file.read_bytes()
    other = file.with_name("model")
    al.save(os.fspath(other), model)
    assert other.read_bytes() == before
    (plain := file.with_name("plain")).write_text("")
    assert stat.S_IMODE(other.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert sorted(path.name for path in file.parent.iterdir()) == ["model", "model.npz", "plain"]


# --- what cannot be saved -----------------------------------------------------------------------------------


def untouched(file, nest, error, text):
    """Saving fails with this text; the older file stays to the byte, with nothing beside it, and the nest is as it was."""
    al.save(file, [1.0])
    before, model = file.read_bytes(), repr(nest)
    with pytest.raises(error, match=f"^{re.escape(text)}") as caught:
        al.save(file, nest)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    assert repr(nest) == model
    return caught.value


def test_nan_is_not_saved(file):
    """A model that diverged does not replace a good one, unless told to; infinities are numbers."""
    for nest, name in (
        ({"a": math.nan}, "a"),
        (Layer(np.array([1.0, math.nan]), 0.0), "weight"),
        (al.Variable(math.nan), "value"),
    ):
        text = f"{name} holds NaN, and {file} is not written. Save a model from before it diverged, or pass allow_nan=True."
        untouched(file, nest, ModelFileError, text)
    payload = struct.unpack("d", b"\x01\0\0\0\0\0\xf8\x7f")[0]
    nest = [math.nan, payload, np.array([payload, math.inf])]
    al.save(file, nest, allow_nan=True)
    assert bits(al.load(file, like=nest, allow_nan=True)) == bits(nest)
    refused(file, nest, f"{file}: 0 holds NaN. Load another file, or pass allow_nan=True.")


@pytest.mark.parametrize(
    ("nest", "name"),
    [
        ({"a.b": 1.0, "a": {"b": 2.0}}, "a.b"),
        ({1: 1.0, "1": 2.0}, "1"),
        ({"": 1.0, "value": 2.0}, "value"),
        ({HEADER: 1.0}, HEADER),
    ],
)
def test_two_leaves_of_one_name(nest, name, file):
    """Keys with dots, numbers beside texts, and the name of the header."""
    untouched(
        file, nest, ModelFileError, f"two leaves of the model would be called {name}. Rename a key of one of its dicts."
    )


@pytest.mark.parametrize("key", ["a\0b", "\ud800", "a" * 70_000], ids=["NUL", "surrogate", "long"])
def test_keys_that_no_file_can_hold(key, file):
    """zipfile would cut the name at a NUL, and give up on the others."""
    text = f"no file can hold the name {key!r:.60}. Rename a key of one of the model's dicts."
    untouched(file, {key: 1.0}, ModelFileError, text)


@pytest.mark.parametrize(
    "leaf", ["text", 1j, pytest.param(object(), id="object()"), np.array(["a"]), np.array([None]), {1, 2}], ids=repr
)
def test_leaves_that_are_no_numbers(leaf, file):
    """The message says where it stands; `like` is judged the same."""
    untouched(file, {"w": [leaf]}, OperandError, "the model at ['w'][0] is not a number: ")
    with pytest.raises(OperandError, match=re.escape("the model at ['w'][0] is not a number: ")):
        al.load(file, like={"w": [leaf]})


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device", "somewhere"), KeyboardInterrupt()], ids=repr
)
@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_failure_while_writing(failure, step, file, monkeypatch):
    """A full disk or a Ctrl-C half way: the old file is whole, no .part is left, and the error names the path asked for."""
    write = Path.write_bytes

    def fails(path, content):
        if step == "write_bytes":
            write(path, content[: len(content) // 2])
        raise failure

    al.save(file, [1.0])
    before, model = file.read_bytes(), Layer(np.ones(3), 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(Path, step, fails)
        with pytest.raises(type(failure)) as caught:
            al.save(file, model)
    if isinstance(failure, OSError):
        assert caught.value.filename == str(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    assert bits(model) == bits(Layer(np.ones(3), 0.5))


def test_paths_that_are_no_files(tmp_path):
    """Errors of the system stay what they are, and name the path that was asked for."""
    for folder in (tmp_path, Path("/"), ".", ""):
        with pytest.raises(IsADirectoryError) as caught:
            al.save(folder, [1.0])
        assert caught.value.filename == str(Path(folder))
        with pytest.raises(IsADirectoryError):
            al.load(folder, like=[1.0])
    with pytest.raises(FileNotFoundError, match="missing"):
        al.load(tmp_path / "missing", like=[1.0])
    with pytest.raises(FileNotFoundError) as caught:
        al.save(tmp_path / "missing" / "model", [1.0])
    assert caught.value.filename == str(tmp_path / "missing" / "model")
    for thing in (None, 3, io.BytesIO()):
        with pytest.raises(TypeError):
            al.save(thing, [1.0])
        with pytest.raises(TypeError):
            al.load(thing, like=[1.0])
    assert list(tmp_path.iterdir()) == []


def test_read_only_folder(file, monkeypatch):
    """PermissionError, and the file that is there stays; root may write anywhere, so that the refusal is played."""
    al.save(file, [1.0])
    before = file.read_bytes()
    file.parent.chmod(0o555)
    try:
        if os.access(file.parent, os.W_OK):

            def denied(path, _):
                raise PermissionError(13, "Permission denied", str(path))

            monkeypatch.setattr(Path, "write_bytes", denied)
        with pytest.raises(PermissionError) as caught:
            al.save(file, [2.0])
    finally:
        file.parent.chmod(0o755)
    assert caught.value.filename == str(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


# --- broken files -------------------------------------------------------------------------------------------

SMALL = {"w": np.array([[1.0, -2.0]]), "b": 0.5}


def tried(file, content, like):
    """Equal numbers or a ModelFileError, whatever the bytes; `like` is never touched."""
    file.write_bytes(content)
    before, found, reason = bits(like), None, f"{file}"
    try:
        found = al.load(file, like=like)
    except ModelFileError as error:
        reason = f"{error}"
    assert reason.startswith(f"{file}")
    assert bits(like) == before
    return found


@pytest.mark.parametrize(
    "flip", mostly_full([1, 2, 4, 8, 16, 32, 64, 128, 255], slice(0, None, 4), seldom=(1, 2, 3, 5))
)
def test_every_byte_flipped(flip, file):
    """A change is either found out, or was of no account, such as a date."""
    al.save(file, SMALL)
    content, expected = file.read_bytes(), bits(SMALL)
    like = {"w": np.zeros((1, 2)), "b": 0.0}
    loaded = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= flip
        found = tried(file, bytes(changed), like)
        assert found is None or bits(found) == expected, place
        loaded += found is not None
    assert loaded < len(content) / 4  # dates, attributes and versions of three entries, and no more


def test_truncated_at_every_length(file):
    """From nothing to all but the last byte."""
    al.save(file, SMALL)
    content = file.read_bytes()
    for length in range(len(content)):
        assert tried(file, content[:length], SMALL) is None
    file.write_bytes(b"")
    refused(file, SMALL, no_model(file, "File is not a zip file"))


@given(st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 2000), st.integers(0, 2000))
def test_pieces_lost_or_put_in(tmp_path_factory, start, middle, a, b):
    """Bytes before, after, instead of a piece: equal numbers or an error."""
    file = tmp_path_factory.mktemp("models") / "m"
    al.save(file, SMALL)
    content = file.read_bytes()
    for changed in (start + content, content + start, content[:a] + middle + content[b:]):
        found = tried(file, changed, SMALL)
        assert found is None or bits(found) == bits(SMALL)


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        ({"w": np.zeros((1, 2))}, "lacks b"),
        (SMALL | {"c": 1.0}, "has c"),
        ({"w": np.zeros((1, 2)), "bias": 0.5}, "lacks b and has bias"),
        ([1.0, 2.0], "lacks b, w and has 0, 1"),
        ({}, "lacks b, w"),
        (SMALL | {f"x{k}": 1.0 for k in range(9)}, "has x0, x1, x2, x3, x4"),
        ({"w": {"w": np.zeros((1, 2))}, "b": 0.5}, "lacks w and has w.w"),
    ],
)
def test_entries_missing_renamed_or_extra(saved, words, file):
    """All of them named, up to five, and nothing half-loaded."""
    al.save(file, saved)
    refused(file, SMALL, f"{file} {words}, other than the model in `like`. Pass a model of the same structure.")


@pytest.mark.parametrize("shape", [(2, 1), (2,), (1, 2, 1), (1, 3), (0,), ()], ids=str)
def test_wrong_shapes(shape, file):
    """Never broadcast, never reshaped."""
    al.save(file, {"w": np.zeros(shape), "b": 0.5})
    text = f"{file}: w has shape {shape}, and (1, 2) in `like`. Pass a model of the same sizes."
    refused(file, SMALL, text)


def test_network_of_other_sizes(file):
    """As it happens in practice."""
    al.save(file, nn.Network.create([2, 3, 1], rng=0))
    like = nn.Network.create([2, 4, 1], rng=0)
    text = f"{file}: layers.0.weight has shape (3, 2), and (4, 2) in `like`. Pass a model of the same sizes."
    refused(file, like, text)
    deeper = nn.Network.create([2, 3, 3, 1], rng=0)
    text = "lacks layers.2.weight, layers.2.bias, other than the model in `like`. Pass a model of the same structure."
    refused(file, deeper, f"{file} {text}")


def test_a_number_and_an_array_without_axes_are_alike(file):
    """`like` says which of them comes back."""
    assert type(stored([np.array(1.5)], file, [0.0])[0]) is float
    again = stored([1.5], file, [np.array(0.0)])[0]
    assert (type(again), again.shape, again.item()) == (np.ndarray, (), 1.5)


@pytest.mark.parametrize("version", ["2", "0", "1.5", "x", "22222222222222222222222222"])
def test_wrong_version(version, file):
    """It says which, and what to read the file with."""
    crafted(file, ("value.npy", entry(1.0)), kind=(KIND[0], entry(np.array(f"autograd_lite model {version}"))))
    advice = "this autograd_lite reads version 1. Read it with the release that wrote it."
    refused(file, 1.0, f"{file} is in version {version!r:.20} of the format, and {advice}")


@pytest.mark.parametrize(
    "header", ["", "autograd_lite tape 1", "autograd_lite model1", ["autograd_lite model 1"], 1.0], ids=repr
)
def test_header_of_another_kind(header, file):
    """Such as a saved tape's."""
    crafted(file, ("value.npy", entry(1.0)), kind=(KIND[0], entry(header)))
    refused(file, 1.0, no_model(file, "it is of another kind"))


def test_foreign_files(file):
    """Another program's archive or array, a tape, a text, a pickle."""
    np.savez(file, value=1.0)
    refused(file, 1.0, no_model(file, "it is of another kind"))
    np.savez_compressed(file, value=np.zeros(3))
    refused(file, np.zeros(3), no_model(file, "it is compressed"))
    al.trace(lambda x: x * 2.0, 1.0).save(file)
    with pytest.raises(ModelFileError, match="is no saved model, or not a whole one: "):
        al.load(file, like=1.0)
    for content in (entry(1.0), b"layers: 3\n", pickle.dumps([1.0]), bytes(1000)):
        file.write_bytes(content)
        refused(file, 1.0, no_model(file, "File is not a zip file"))
    model = file.with_name("other")
    al.save(model, 1.0)
    with pytest.raises(al.TapeError):
        al.Tape.load(model)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        """Where."""
        self.path = path

    def __reduce__(self):
        """What a pickle would do."""
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["value.npy", f"{HEADER}.npy"])
def test_pickles_are_never_executed(name, file):
    """An object array is refused before anything of it is read."""
    trap = file.with_name("trap")
    members = [("value.npy", entry(1.0)), KIND]
    content = entry(np.array(Trap(str(trap)), dtype=object))
    crafted(file, *[(n, content if n == name else c) for n, c in members], kind=None)
    refused(file, 1.0, no_model(file, "Object arrays cannot be loaded when allow_pickle=False"))
    assert not trap.exists()
    with pytest.raises(FileExistsError):  # the trap does work
        trap.mkdir()
        np.load(file, allow_pickle=True)[name.removesuffix(".npy")]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.float32(1.0), "float32"),
        (np.array(1.0, dtype=">f8"), ">f8"),
        (np.array(1), "int64"),
        (np.array(True), "bool"),
        (np.array(1j), "complex128"),
        (np.array("1.0"), "<U3"),
    ],
)
def test_arrays_of_other_types(array, kind, file):
    """Saved by hand: nothing is converted that `save` would not have written."""
    crafted(file, ("value.npy", entry(array)))
    refused(file, 1.0, no_model(file, f"value is an array of {kind}"))


def test_arrays_saved_by_hand(file):
    """What is right in all else loads: a column-major array, an entry without .npy, NumPy's own archive."""
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    crafted(file, ("a.npy", entry(array)), ("b", entry(1.0)))
    again = al.load(file, like={"a": np.zeros((2, 3)), "b": 0.0})
    assert (again["a"].tolist(), again["b"]) == (array.tolist(), 1.0)
    np.savez(file, **{HEADER: np.array("autograd_lite model 1"), "a": array, "b": 2.0})
    assert al.load(file, like={"a": np.zeros((2, 3)), "b": 0.0})["b"] == 2.0


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("value.npy", "value.npy"), ("value", "value.npy"), (KIND[0], "value.npy")])
def test_duplicate_names(names, file):
    """Also where only .npy tells them apart: neither of two is the right one."""
    contents = [KIND[1] if name == KIND[0] else entry(float(k)) for k, name in enumerate(names)]
    crafted(file, *zip(names, contents, strict=True))
    refused(file, 0.0, no_model(file, "an entry occurs twice"))


def test_bombs(file):
    """A small file that unpacks to a large one is refused before memory is taken."""
    crafted(file, ("value.npy", entry(np.zeros(10**6))), compression=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 20_000
    tracemalloc.start()
    try:
        refused(file, 0.0, no_model(file, "it is compressed"))
        content = bytearray(file.read_bytes())
        size = struct.pack("<I", 8 * 10**6 + 128)
        while size in content:  # a size that lies, in both places
            place = content.index(size)
            content[place : place + 4] = struct.pack("<I", 500)
        assert tried(file, bytes(content), 0.0) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_entries_that_share_their_bytes(file):
    """Many names for one entry: together they would be larger than the file."""
    crafted(file, *[(f"{k}.npy", entry(np.zeros(2000 if k == 0 else 0))) for k in range(5)])
    with zipfile.ZipFile(file, "a") as archive:
        first, *others = archive.infolist()[1:]
        for member in others:
            for fact in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(member, fact, getattr(first, fact))
        archive.writestr("5.npy", entry(0.0))  # so that the directory is written anew
    refused(file, 0.0, no_model(file, "its entries are larger than the file"))


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        b"{'descr': '|V0', 'fortran_order': False, 'shape': (9,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os'), }",
        b"(" * 5000,
        b"{'descr': '<f8'}",
        b"",
    ],
    ids=lambda header: header[:70].decode(),
)
def test_headers_of_arrays_that_lie(header, file):
    """Sizes beyond memory, negative ones, code, brackets without end."""
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + bytes(8)
    crafted(file, ("value.npy", content))
    with pytest.raises(ModelFileError, match="is no saved model, or not a whole one: "):
        al.load(file, like=np.zeros(1))


CLAIMS = {
    "8 GB": ("<f8", False, "(1000000000,)"),
    "8 TB": ("<f8", False, "(1000000000000,)"),
    "by columns": ("<f8", True, "(40000, 25000)"),
    "beyond 64 bits": ("<f8", False, "(4294967296, 4294967296)"),
    "one byte each": ("|u1", False, "(2000000000,)"),
    "long texts": ("<U500000000", False, "(1,)"),
    "a bit too much": ("<f8", False, "(7,)"),
    "no axes": ("|V2000000000", False, "()"),
}


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("place", ["value.npy", KIND[0], "tape"])
def test_a_file_that_claims_a_shape_never_allocates_it(name, place, file):
    """`(10**9,)` over 48 bytes asked for 8 GB before "EOF": in a model, in its header, in a tape."""
    kind, by_columns, shape = CLAIMS[name]
    header = f"{{'descr': '{kind}', 'fortran_order': {by_columns}, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(48)
    if place == "tape":
        al.trace(lambda x: x * 2.0, 1.0).save(file)
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()} | {"constants.npy": content}
        crafted(file, *members.items(), kind=None)
    else:
        members = dict([KIND, ("value.npy", entry(1.0))]) | {place: content}
        crafted(file, *members.items(), kind=None)
    load = al.Tape.load if place == "tape" else lambda file: al.load(file, like=np.zeros(6))
    tracemalloc.start()
    try:
        with pytest.raises((ModelFileError, al.TapeError), match="an entry claims shape .*, and has 48 bytes"):
            load(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_an_entry_that_goes_on_behind_its_array(file):
    """What is not read would be lost in silence."""
    crafted(file, ("value.npy", entry(1.0) + b"x"))
    refused(file, 1.0, no_model(file, "an entry goes on behind its array"))


def test_nan_is_not_loaded(file):
    """Unless told to."""
    crafted(file, ("a.npy", entry(np.array([1.0, math.nan]))))
    like = {"a": np.zeros(2)}
    refused(file, like, f"{file}: a holds NaN. Load another file, or pass allow_nan=True.")
    assert np.isnan(al.load(file, like=like, allow_nan=True)["a"][1])
