"""`backend="cuda"`: through a driver whose device is this processor, and on a device where one is found."""

import ctypes
import gc

import numpy as np
import pytest
from corpus import same_arrays

import autograd_lite as al
from autograd_lite.errors import CompilationError, DeviceError
from autograd_lite.tape.backends import registry

pytest.importorskip("llvmlite.binding")

from devices import ProcessorDriver, assembled, assembler, processor_as_device

from autograd_lite.tape.ptx import driver


def curve(x, y, weights):
    """Two branches, and weights that all lanes share."""
    h = al.tanh(x * weights[0] + y * weights[1])
    return h * h if h > 0 else al.exp(h) * y


def arguments(count):
    """Lanes, some of them strided, and weights."""
    rng = np.random.default_rng(1)
    return rng.normal(size=count), rng.normal(size=(count, 3))[:, 1], np.array([0.3, 0.4])


@pytest.fixture
def device(monkeypatch):
    """This processor as a device, and afterwards no code for it."""
    yield lambda **facts: processor_as_device(monkeypatch, **facts)
    registry.forget()


@pytest.mark.parametrize("free", [1 << 30, 20_000])
def test_lanes_go_by_their_paths(device, free):
    """Branches, derivatives, shared arguments: the bits of lanes here, in one part or many; all memory is given back."""
    library = device(free=free)
    for f in (curve, al.value_and_grad(curve, argnums=(0, 2))):
        lanes = al.vmap(f, (0, 0, None))
        ours, theirs = (al.jit(lanes, backend=backend)(*arguments(1001)) for backend in ("cuda", "llvm"))
        assert same_arrays(al.flatten(ours)[0], al.flatten(theirs)[0])
        assert al.flatten(al.jit(lanes, backend="cuda")(*arguments(0)))[0].shape == (0,)
    assert library.calls.count("cuLaunchKernel") >= (4 if free > 20_000 else 12)
    assert not library.memory


def root(a, limit=12):
    """A loop that some lanes leave at its limit; its gradient keeps the carries."""
    step = lambda s: (0.5 * (s[0] + a / s[0]),)
    return al.while_loop(lambda s: al.abs(s[0] * s[0] - a) > 1e-12 * a, step, (a,), limit=limit)[0]


def curve_of_rows(a, table, rows):
    """A scan over known rows and rows of arguments."""
    step = lambda s, row: (al.sin(s + row[0]) * row[1], s)
    last, outputs = al.scan(step, a, rows)
    return last + outputs[2] + al.take(table, al.floor(al.abs(a)))


def looked_up(a, table, rows):
    """A table of each lane, one that all share, and one of known numbers."""
    place = al.floor(al.abs(a) * 2.0)
    known = np.linspace(0.0, 1.0, 40)
    return al.take(table, place) * a + al.take(rows[:, 1], al.minimum(place, 2.0)) + al.take(known, place)


#: Operations with numbers in the memory of a thread: functions, and the axes of lanes of their arguments.
MEMORY = {
    "while_loop": (root, (0,)),
    "scan": (curve_of_rows, (0, None, 0)),
    "tables": (looked_up, (0, None, 0)),
    "tables that lanes share": (looked_up, (0, None, None)),
    "tables of each lane": (looked_up, (0, 0, 0)),
}


@pytest.mark.parametrize("name", MEMORY)
def test_loops_and_tables(device, name, tmp_path):
    """With derivatives, whose sums go into tables and whose carries are kept: the bits of lanes here."""
    f, axes = MEMORY[name]
    rng = np.random.default_rng(2)
    numbers = [np.exp(rng.uniform(-1.0, 1.0, 70)), rng.normal(size=20), rng.normal(size=(4, 2))]
    given = [
        np.stack([a + 0.1 * k for k in range(70)]) if axis == 0 and a.ndim < 3 and len(a) != 70 else a
        for a, axis in zip(numbers, axes, strict=False)
    ]
    for g in (f, al.value_and_grad(f, argnums=tuple(range(len(axes))))):
        library = device()
        ours, theirs = (al.jit(al.vmap(g, axes), backend=backend)(*given) for backend in ("cuda", "llvm"))
        assert same_arrays(al.flatten(ours)[0], al.flatten(theirs)[0])
        for text in library.codes:
            assert ".extern" not in text
            if assembler() is not None:
                assembled(text, tmp_path, 80)


def test_loops_and_tables_without_room(device):
    """What the message says to do is what helps."""
    device()
    a = np.full(3, 4.0)
    gradient = lambda limit: al.jit(al.vmap(al.grad(lambda a: root(a, limit))), backend="cuda")
    with pytest.raises(
        CompilationError, match=r"keeps the carries .* Give the while_loop a limit of 4,094 turns or fewer"
    ):
        gradient(None)(a)
    assert np.allclose(gradient(4094)(a), 0.25, rtol=1e-12)
    table = np.zeros((3, 5000))
    lanes = lambda axis: al.jit(al.vmap(lambda a, table: al.take(table, a) * a, (0, axis)), backend="cuda")
    with pytest.raises(CompilationError, match=r"room for 4,096 numbers, and a table .* has 5,000. Let lanes share"):
        lanes(0)(a, table)
    assert lanes(None)(a, table[0]).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [0, 1, 64, 1001])
def test_sums_do_not_depend_on_the_memory(device, count):
    """Blocks of 64 lanes, the same in every part: the same bits, and within the bound of sums."""
    loss = lambda x, y, weights: (al.tanh(x * weights[0] + y * weights[1]) - y) ** 2
    lanes = al.vmap(al.grad(loss, argnums=2), (0, 0, None), reduce="sum")
    sums = []
    for free in (1 << 30, 20_000):
        device(free=free)
        sums.append(al.jit(lanes, backend="cuda")(*arguments(count)))
    each = al.vmap(al.grad(loss, argnums=2), (0, 0, None))(*arguments(max(count, 1)))[:count]
    assert same_arrays(*sums)
    assert np.all(np.abs(sums[0] - each.sum(axis=0)) <= (count + 8) * 2.3e-16 * np.abs(each).sum(axis=0))


def test_one_lane_runs_here(device):
    """A function that is not mapped is machine code of this machine."""
    library = device()
    assert al.jit(lambda x: al.sin(x) * x, backend="cuda")(2.0) == al.jit(lambda x: al.sin(x) * x)(2.0)
    assert "cuLaunchKernel" not in library.calls


def test_code_is_given_back(device):
    """When the last function that may run it goes."""
    library = device()
    twice = al.jit(al.vmap(lambda x: x * 2.0), backend="cuda")
    twice(np.ones(3))
    registry.forget()
    gc.collect()
    assert library.unloaded == 0
    del twice
    gc.collect()
    assert library.unloaded == 1


def test_an_older_device_has_its_own_text(device):
    """The text is for devices from 8.0 on, or for the one that is there."""
    library = device(capability=(7, 0))
    al.jit(al.vmap(lambda x: x * 2.0), backend="cuda")(np.ones(3))
    (text,) = library.codes
    assert ".target sm_70" in text


@pytest.mark.parametrize(
    ("function", "status", "words"),
    [
        ("cuLaunchKernel", 700, "an illegal memory access was encountered \\(code 700\\)"),
        ("cuMemcpyDtoH_v2", 999, "an unknown failure \\(code 999\\)"),
        ("cuMemAlloc_v2", 2, "out of memory \\(code 2\\)"),
    ],
)
def test_failures_of_the_device(device, function, status, words):
    """In the driver's words, with the memory given back; the next call runs."""
    library = device()
    twice = al.jit(al.vmap(lambda x: x * 2.0), backend="cuda")
    library.failing[function] = status
    with pytest.raises(DeviceError, match=f"the device did not do {function}: {words}"):
        twice(np.ones(3))
    assert not library.memory
    library.failing.clear()
    assert twice(np.ones(3)).tolist() == [2.0, 2.0, 2.0]


def test_a_driver_without_a_device():
    """One that cannot start says so."""
    library = ProcessorDriver()
    library.failing["cuInit"] = 100
    with pytest.raises(DeviceError, match="cuInit"):
        driver.Driver(library)


def test_no_device_is_an_error_that_says_so(monkeypatch):
    """Where the driver is not installed, cannot start, or knows no device."""
    driver.device.cache_clear()
    try:
        monkeypatch.setattr(driver, "LIBRARIES", ("libcuda-that-nobody-has.so",))
        with pytest.raises(CompilationError, match='backend="cuda" found no device: .* is not installed'):
            al.jit(al.vmap(al.sin), backend="cuda")
        monkeypatch.setattr(driver, "LIBRARIES", (None,))
        library = ProcessorDriver()
        monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
        monkeypatch.setattr(ProcessorDriver, "on_cuDeviceGetCount", lambda *_: None)
        with pytest.raises(CompilationError, match="found no device: the driver knows none"):
            al.jit(al.vmap(al.sin), backend="cuda")
        library.failing["cuInit"] = 999
        with pytest.raises(CompilationError, match="found no device: the device did not do cuInit"):
            al.jit(al.vmap(al.sin), backend="cuda")
    finally:
        driver.device.cache_clear()


def found():
    """Whether this machine has a device."""
    try:
        driver.device()
    except CompilationError:
        return False
    return True


@pytest.mark.skipif(not found(), reason="no device")
@pytest.mark.parametrize("reduce", [None, "sum"])
def test_on_a_device(reduce):
    """The bits of lanes here; sums within their bound."""
    lanes = al.vmap(al.value_and_grad(curve, argnums=(0, 1)), (0, 0, None), reduce=reduce)
    ours, theirs = (al.jit(lanes, backend=backend)(*arguments(100_003)) for backend in ("cuda", "llvm"))
    for one, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        assert same_arrays(one, other) if reduce is None else abs(one - other) <= 1e-9 * abs(other)
