"""Compiled code on disk: the bits of the compiler, whoever damages, fills, shares or forbids the folder."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.tape import cache, lookups
from autograd_lite.tape.backends import registry

pytest.importorskip("llvmlite")

from autograd_lite.tape.llvm import engine, runtime

POSIX = pytest.mark.skipif(os.name == "nt", reason="rights are others on Windows")
ROWS = np.linspace(-1.3, 1.7, 13)
WEIGHTS = np.linspace(-2.0, 1.0, 45)

cubed = al.Primitive("cubed_in_the_cache", lambda x: x**3, (lambda x, y: 3.0 * x * x,), expression=lambda x: x * x * x)
halved = al.Primitive("halved_in_the_cache", lambda x: x / 2.0, (lambda x, y: 0.5,))
raised = al.Primitive("raised_in_the_cache", lambda x: x + 7.0, (lambda x, y: 1.0,))


def branching(x):
    """A branch, functions of libm, a selection whose gradient may be NaN, and a function without machine code."""
    y = al.exp(x) if x > 0 else x * x
    return al.where(x > 1.0, al.sqrt(abs(x)), y) + al.digamma(x + 3.0) + x % 0.7


def network(w, x):
    """A layer that becomes a matrix."""
    hidden = [al.tanh(al.sum([w[9 * r + i] * x[i] for i in range(8)]) + w[9 * r + 8]) for r in range(5)]
    return al.sum(hidden) * hidden[0]


def looped(a):
    """A scan with a branch, and lanes inside."""
    total = al.scan(lambda c, x: (al.sin(c * a) + x if c < 1.0 else c * 0.5, c), 0.1, ROWS)[0]
    return total + al.vmap(lambda x: al.tanh(x * a) * x, reduce="sum")(ROWS)


def capturing(a, b):
    """A step that uses a number from outside on its second branch alone: the loop is recorded anew for it."""
    return al.scan(lambda c, x: (c + a if c < 1.0 else c * b + x, c), 0.1, ROWS)[0]


def own(x):
    """Operations of users, with and without an expression, and two of them called back."""
    return halved(cubed(x)) * raised(x) - halved(x)


GRADIENTS = {
    "branches": (al.value_and_grad(branching), [(0.5,), (-0.5,), (1.5,), (0.0,)]),
    "network": (al.grad(network), [(WEIGHTS, ROWS[:8])]),
    "lanes": (al.vmap(al.value_and_grad(branching)), [(ROWS,)]),
    "sums": (al.vmap(al.grad(network), (None, 0), reduce="sum"), [(WEIGHTS, np.outer(ROWS, ROWS[:8]))]),
    "loops": (al.value_and_grad(looped), [(0.8,), (1.9,)]),
    "captured": (capturing, [(0.01, 0.5), (0.3, 0.5)]),
    "own": (al.value_and_grad(own), [(0.3,)]),
    "own, lanes": (al.vmap(own), [(ROWS,)]),
}


def bits(nest):
    """The numbers of a nest, to the bit."""
    return np.concatenate([*map(np.ravel, leaves(nest))]).tobytes()


def leaves(nest):
    """The numbers and arrays of a nest of tuples."""
    return [leaf for part in nest for leaf in leaves(part)] if isinstance(nest, tuple) else [np.asarray(nest)]


def forget():
    """Let go of all machine code, as a new process has none."""
    registry.forget()
    runtime._loaded.clear()
    runtime._native_scan.cache_clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """No test finds code of another."""
    monkeypatch.delenv("AUTOGRAD_LITE_CACHE", raising=False)
    monkeypatch.setattr(cache, "_unseen", {})
    forget()
    yield
    forget()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder of the cache, which is on."""
    folder = tmp_path / "of its own" / "cache"
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", str(folder))
    return folder


@pytest.fixture
def modules(monkeypatch):
    """For each piece of machine code that is loaded, whether it came from the disk."""
    loaded, load = [], engine.Module.__init__

    def noted(self, *arguments, **options):
        load(self, *arguments, **options)
        loaded.append(self.cached)

    monkeypatch.setattr(engine.Module, "__init__", noted)
    return loaded


def entries(folder):
    """The files of the cache by name, with what they hold."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def results(name, **options):
    """What a fresh process computes."""
    forget()
    f, points = GRADIENTS[name]
    jitted = al.jit(f, backend="llvm", **options)
    return b"".join(bits(jitted(*point)) for point in points)


def slope(x=0.3):
    """A gradient, compiled in a fresh process."""
    forget()
    return al.jit(al.grad(lambda x: al.exp(x * x) * 3.0), backend="llvm")(x)


SLOPE = al.grad(lambda x: al.exp(x * x) * 3.0)(0.3)


# ---- the same bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_same_bits_without_with_an_empty_and_with_a_full_cache(name, modules, monkeypatch, tmp_path):
    """Every kind of program; the third time nothing at all is compiled."""
    expected = results(name)
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", str(tmp_path))
    modules.clear()
    assert results(name) == expected
    assert len(entries(tmp_path)) == len(modules) > 0
    kept = entries(tmp_path)
    modules.clear()
    assert results(name) == expected
    assert modules
    assert all(modules)
    assert entries(tmp_path) == kept


def test_another_process_finds_the_code(folder):
    """The digest is that of the content: no address, no hash of an object, no order of a set enters it."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.tape.llvm.test_cache import GRADIENTS, engine, results
load, loaded = engine.Module.__init__, []
def noted(self, *arguments, **options):
    load(self, *arguments, **options)
    loaded.append(self.cached)
engine.Module.__init__ = noted
for name in GRADIENTS:
    print(results(name).hex())
print(all(loaded), not any(loaded))
"""
    expected = [results(name).hex() for name in GRADIENTS]
    for seed in "12":
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        assert done.stdout.split() == [*expected, "True", "False"]


def test_processes_that_race_for_one_entry(folder, tmp_path):
    """Four of them at once: right results, whole entries, nothing left over."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.tape.llvm.test_cache import results
print(results("branches").hex())
"""
    expected = results("branches").hex()
    kept = entries(folder)
    for path in folder.iterdir():
        path.unlink()
    several = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=300)[0].strip() for process in several] == [expected] * 4
    assert entries(folder) == kept


# ---- what the key holds --------------------------------------------------------------------------------------------------


def test_a_primitive_of_another_content_is_another_program(folder):
    """Redefined under its name: by its expression, which is compiled, or by its function, which is called."""

    def defined(factor, expression):
        return al.Primitive(
            "factor_in_the_cache", lambda x: factor * x, (lambda x, y: factor,), expression=expression, replace=True
        )

    for factor in (2.0, 5.0):
        forget()
        assert al.jit(defined(factor, lambda x, factor=factor: factor * x), backend="llvm")(3.0) == 3.0 * factor
    count = len(entries(folder))
    for factor in (2.0, 5.0):
        forget()
        assert al.jit(defined(factor, None), backend="llvm")(3.0) == 3.0 * factor
    assert len(entries(folder)) == count + 1  # the machine code is equal, and calls the function of today


def test_look_ups_in_tables_count_by_what_they_take(folder, modules):
    """The place in a row, the row's width, the number of rows; operations made anew find their code."""
    table = np.arange(36.0)

    def gradient(shape, place):
        f = lambda t, i: al.sum([al.take(t, i + k)[place] ** 2 for k in range(3)])
        return al.jit(al.grad(f), backend="llvm")(table.reshape(shape), 1.0)

    expected = {}
    for made in (lookups.Row.at.cache_clear, lambda: None):
        for shape, place in (((12, 3), 0), ((12, 3), 2), ((9, 4), 0), ((18, 2), 1)):
            forget()
            made()
            modules.clear()
            found = gradient(shape, place)
            assert all(modules) == ((shape, place) in expected)
            assert np.array_equal(found, expected.setdefault((shape, place), found))


def test_which_operation_is_called_where(folder):
    """Two operations that change places, and one that stands inside an expression as well."""
    outer = al.Primitive(
        "outer_in_the_cache", lambda x: 2.0 * halved.value(x), (lambda x, y: 1.0,), expression=lambda x: 2.0 * halved(x)
    )
    functions = [
        (lambda x: halved(x) - raised(x), -8.0),
        (lambda x: raised(x) - halved(x), 8.0),
        (lambda x: outer(x) - halved(x), 1.0),
        (lambda x: outer(x) - raised(x), -7.0),
    ]
    for _ in range(2):
        for f, expected in functions:
            forget()
            assert al.jit(f, backend="llvm")(2.0) == expected


@pytest.mark.parametrize("change", ["constant", "zero", "guard", "contract", "processor", "sources"])
def test_what_makes_another_entry(folder, monkeypatch, change, modules):
    """A constant to its bits, how a guard came out, options, the processor, and the library itself."""
    f, point, options = (lambda x: x * 2.0), 1.0, {}
    al.jit(f, backend="llvm")(point)
    if change == "constant":
        f = lambda x: x * 2.0000000000000004
    elif change == "zero":
        al.jit(lambda x: x + 0.0, backend="llvm")(1.0)
        f = lambda x: x + -0.0
    elif change == "guard":
        f = lambda x: x * 2.0 if x > 0 else x * 2.0  # noqa: RUF034 - two programs that differ in the guard alone
        al.jit(f, backend="llvm")(1.0)
        point = -1.0
    elif change == "contract":
        options = {"contract": True}
    elif change == "processor":
        host = engine.host()
        other = engine.Target(host.triple, host.processor, f"{host.features},-foo", host.width)
        monkeypatch.setattr(engine, "host", lambda: other)
    else:
        monkeypatch.setattr(engine, "_sources", lambda: "changed")
    forget()
    modules.clear()
    assert al.jit(f, backend="llvm", **options)(point) == f(point)
    assert not modules[-1]


def test_without_readable_sources_there_is_no_cache(folder, monkeypatch):
    """Nobody could tell code of another version."""
    monkeypatch.setattr(engine, "_sources", lambda: "")
    assert slope() == SLOPE
    assert entries(folder) == {}


# ---- damage --------------------------------------------------------------------------------------------------------------

DAMAGES = {
    "empty": lambda data: b"",
    "short": lambda data: data[:-1],
    "head only": lambda data: data[:40],
    "a bit": lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
    "longer": lambda data: data + b"\0",
    "another format": lambda data: data.replace(b"code 1", b"code 0", 1),
    "no object": lambda data: b"garbage" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_compiled_again(folder, damage, modules):
    """And replaced."""
    assert slope() == SLOPE
    whole = entries(folder)
    for name, data in whole.items():
        (folder / name).write_bytes(DAMAGES[damage](data))
    modules.clear()
    assert slope() == SLOPE
    assert not any(modules)
    assert entries(folder) == whole


def test_entries_under_the_names_of_others(folder, modules):
    """A file that was renamed: its digest is over its key too."""
    slope()
    expected = results("network")
    whole = entries(folder)
    assert len(whole) == 2
    for name, data in zip(whole, [*whole.values()][::-1], strict=True):
        (folder / name).write_bytes(data)
    modules.clear()
    assert slope() == SLOPE
    assert results("network") == expected
    assert not any(modules)
    assert entries(folder) == whole


def test_folders_in_the_place_of_entries(folder):
    """They cannot be replaced, and stay."""
    slope()
    for name in entries(folder):
        (folder / name).unlink()
        (folder / name).mkdir()
    assert slope() == SLOPE
    assert all(path.is_dir() for path in folder.iterdir())


@POSIX
@pytest.mark.parametrize("kind", ["writable by the group", "writable by all", "a link", "a pipe"])
def test_entries_that_others_could_have_written(folder, kind, modules):
    """Machine code is run: it is not loaded from such a file, which is replaced."""
    slope()
    whole = entries(folder)
    for name in whole:
        path = folder / name
        if kind == "a link":
            path.rename(folder.parent / name)
            path.symlink_to(folder.parent / name)
        elif kind == "a pipe":
            path.unlink()
            os.mkfifo(path)
        else:
            path.chmod(0o620 if kind == "writable by the group" else 0o602)
    modules.clear()
    assert slope() == SLOPE
    assert not any(modules)
    assert all(stat.S_IMODE(path.lstat().st_mode) == 0o600 for path in folder.iterdir())
    assert entries(folder) == whole


@POSIX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="only root can give files away")
def test_entries_of_another_owner(folder, modules):
    """The file, and the folder."""
    slope()
    for path in folder.iterdir():
        os.chown(path, 12345, -1)
    modules.clear()
    slope()
    assert not any(modules)
    os.chown(folder, 12345, -1)
    modules.clear()
    slope()
    assert not any(modules)


# ---- folders -------------------------------------------------------------------------------------------------------------


@POSIX
def test_the_folder_is_private(folder):
    """Whatever the user's mask."""
    before = os.umask(0)
    try:
        slope()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@POSIX
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_no_cache_in_a_folder_that_others_can_write(folder, mode):
    """As in a folder for temporary files."""
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert slope() == SLOPE
    assert entries(folder) == {}


@pytest.mark.parametrize("name", ["a file", "below a file", "no home"])
def test_no_cache_where_no_folder_can_be_made(tmp_path, monkeypatch, name):
    """No fuss either."""
    (tmp_path / "file").write_text("text")
    places = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "below", "no home": "~of_nobody/folder"}
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", str(places[name]))
    assert slope() == SLOPE
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("step", ["touch", "write_bytes", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")])
def test_a_full_or_read_only_disk(folder, monkeypatch, step, failure):
    """Nothing is kept, nothing is left, nothing is raised."""

    def fails(self, *arguments, **options):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(cache.Path, step, fails)
        assert slope() == SLOPE
    assert entries(folder) == {}


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {}, "~/.cache/autograd_lite"),
        ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/autograd_lite"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "~/.cache/autograd_lite"),
        ("darwin", {"XDG_CACHE_HOME": "/somewhere"}, "~/Library/Caches/autograd_lite"),
        ("win32", {"LOCALAPPDATA": "/of/the/user"}, "/of/the/user/autograd_lite"),
        ("win32", {}, "~/AppData/Local/autograd_lite"),
    ],
)
@POSIX
def test_the_folder_of_the_user(monkeypatch, system, variables, expected):
    """Where the system keeps such things."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(cache.sys, "platform", system)
    assert cache._of_user() == Path(expected).expanduser()


# ---- who wants it --------------------------------------------------------------------------------------------------------


def test_off_unless_asked_for(tmp_path, monkeypatch):
    """No folder appears."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in (None, "", "0"):
        if text is not None:
            monkeypatch.setenv("AUTOGRAD_LITE_CACHE", text)
        assert slope() == SLOPE
    assert [*tmp_path.iterdir()] == []
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", "1")
    assert slope() == SLOPE
    assert len([*tmp_path.rglob("autograd_lite/*.code")]) == 1


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_function_with_a_wish_of_its_own(name, folder, tmp_path, monkeypatch, modules):
    """Its loops, lanes and branches follow it: `cache=False` beside a cache, `cache=True` without one."""
    expected = results(name, cache=False)
    assert entries(folder) == {}
    monkeypatch.delenv("AUTOGRAD_LITE_CACHE")
    for variable in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    assert results(name, cache=True) == expected
    modules.clear()
    assert results(name, cache=True) == expected
    assert modules
    assert all(modules)
    modules.clear()
    assert results(name) == expected
    assert not any(modules)


def test_a_wish_is_copied_and_pickled(folder):
    """As the other options are."""
    assert pickle.loads(pickle.dumps(al.jit(branching, cache=False))).cache is False
    assert al.jit(branching).cache is None


@pytest.mark.parametrize("wish", [1, "folder", Path("folder")])
def test_a_wish_that_is_none(wish):
    """A folder is named by the variable."""
    with pytest.raises(al.ArgumentError) as caught:
        al.jit(branching, cache=wish)
    assert str(caught.value) == f"cache={wish!r}: give True or False. AUTOGRAD_LITE_CACHE=folder names another folder."


def test_paths_say_where_their_code_is_from(folder):
    """`print(f.paths())`."""
    for expected in ("", ", from the cache"):
        forget()
        f = al.jit(branching, backend="llvm")
        f(0.5)
        assert str(f.paths()).startswith(f"path 0: 1 lane, {len(f.paths()[0].tape)} instructions{expected}\n")
        lanes = al.jit(al.vmap(branching), backend="llvm")
        lanes(ROWS[-2:])
        assert (", from the cache" in str(lanes.paths())) == bool(expected)


# ---- size ----------------------------------------------------------------------------------------------------------------


def key(number):
    """A key like those of programs."""
    return f"{number:064x}"


def test_the_folder_has_a_bound(folder, monkeypatch):
    """Entries used longest ago go first; files of others stay."""
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE_MB", "0.1")
    folder.mkdir(parents=True, mode=0o700)
    (folder / "notes.txt").write_text("text")
    for number in range(60):
        cache.write(key(number), bytes(5_000))
        os.utime(folder / f"{key(number)}.code", (number, number))
        if number >= 2:
            assert cache.read(key(2)) == bytes(5_000), number  # used at each turn
            os.utime(folder / f"{key(2)}.code", (number, number + 0.5))
        assert sum(map(len, entries(folder).values())) < 1.1 * 100_000
    left = sorted(name for name in entries(folder) if name.endswith(".code"))
    assert len(left) >= 10
    assert left == [f"{key(number)}.code" for number in (2, *range(61 - len(left), 60))]
    assert (folder / "notes.txt").exists()


def test_a_folder_that_another_process_empties(folder, tmp_path):
    """Between writing an entry and counting them, they may all be deleted."""
    cache._make_room(tmp_path, 1 << 40)
    assert list(tmp_path.iterdir()) == []


def test_a_read_counts_as_use(folder):
    """The time of the file says so."""
    cache.write(key(1), b"content")
    path = folder / f"{key(1)}.code"
    os.utime(path, (1, 1))
    assert cache.read(key(1)) == b"content"
    assert path.stat().st_mtime > 1


def test_what_killed_processes_left_is_deleted(folder):
    """An hour later."""
    folder.mkdir(parents=True, mode=0o700)
    for name, time in {".a": 1.0, f".{key(1)[:32]}.code.part": 1.0, f".{key(2)[:32]}.code.part": None}.items():
        (folder / name).write_bytes(b"half")
        if time is not None:
            os.utime(folder / name, (time, time))
    cache.write(key(1), b"content")
    assert sorted(entries(folder)) == sorted([".a", f".{key(2)[:32]}.code.part", f"{key(1)}.code"])


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "inf", "1e400"])
def test_sizes_that_make_no_sense(folder, monkeypatch, text):
    """None at all, or the usual one."""
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE_MB", text)
    assert slope() == SLOPE
    assert bool(entries(folder)) == (text not in ("0", "-1"))
