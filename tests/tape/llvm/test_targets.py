"""Code for other machines: one emitter writes for every `Target`, and LLVM turns that into their assembly language."""

import os
import threading
import time

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.tape.backends import registry

llvm = pytest.importorskip("llvmlite.binding")

from autograd_lite.tape.llvm import emit, engine, runtime  # noqa: E402 - of no use without LLVM

WASM = engine.Target("wasm32-unknown-unknown", "generic", "+simd128", width=2)
CUDA = engine.Target("nvptx64-nvidia-cuda", "sm_80", width=1)
ARM = engine.Target("aarch64-unknown-linux-gnu", "generic", width=2)

#: For each machine: its `main`, the product of numbers and of vectors, and a fused operation or the call of its function.
ASSEMBLY = {
    WASM: ("main:", "f64.mul", "f64x2.mul", "call\tfma"),
    CUDA: (" main(", "mul.rn.f64", "mul.rn.f64", "fma.rn.f64"),
    ARM: ("main:", "fmul\td", "fmul\tv1.2d", "fmla\tv1.2d"),
}


def network(w, x):
    """A layer that becomes a matrix, elementary functions, a remainder without vector code, and a branch."""
    hidden = [al.tanh(al.sum([w[9 * r + i] * x[i] for i in range(8)]) + w[9 * r + 8]) for r in range(4)]
    total = al.exp(hidden[0]) * al.sin(1e3 * hidden[1]) + (hidden[2] + 2.0) % 0.7 * hidden[3]
    return total if total > -1e3 else hidden[3]


def program():
    """The bare program of value and gradient, the samples first."""
    tape = al.trace(lambda x, w: al.value_and_grad(network)(w, x), np.linspace(-1, 1, 8), np.linspace(-2, 1, 36))
    return tape.program


def assembly(target, module):
    """The module in the assembly language of the machine."""
    return target.machine(2).emit_assembly(llvm.parse_assembly(module.text))


@pytest.mark.parametrize("target", ASSEMBLY, ids=lambda target: target.triple)
@pytest.mark.parametrize("kind", ["one lane", "lanes", "sums over lanes"])
def test_a_program_for_another_machine(target, kind):
    """The module of a program and the libraries that it calls, as assembly text."""
    try:
        llvm.initialize_all_targets()
        llvm.Target.from_triple(target.triple)
    except RuntimeError:
        pytest.skip("this build of LLVM has no such target")
    main, product, lanes_product, fused = ASSEMBLY[target]
    if kind == "one lane":
        text = assembly(target, emit.lane_module(program()))
        assert main in text
        assert product in text
        return
    module = emit.lanes_module(program(), 8, target.width, summed=kind == "sums over lanes")
    libraries = {name: assembly(target, emit.LIBRARIES[name](width)) for name, width in emit.libraries(module)}
    assert main in assembly(target, module)
    assert libraries.keys() >= {"lanes", "matrices", "tanh", "exp", "sin"}
    assert lanes_product in libraries["matrices"]
    assert fused in libraries["exp"]
    assert "al_gather" in libraries["lanes"]


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_lanes_have_the_same_bits_at_every_width(width, monkeypatch):
    """Narrower and wider vectors than those of this machine: each lane of the gradient, and sums within their bound."""
    rng = np.random.default_rng(5)
    w, x = rng.normal(size=36), rng.normal(size=(77, 8))
    both = al.value_and_grad(network)
    expected = al.jit(al.vmap(both, (None, 0)), backend="llvm")(w, x)
    host = engine.host()
    narrow = engine.Target(host.triple, host.processor, host.features, width)
    monkeypatch.setattr(engine, "host", lambda: narrow)
    registry.forget()
    try:
        values, gradients = al.jit(al.vmap(both, (None, 0)), backend="llvm")(w, x)
        total = al.jit(al.vmap(both, (None, 0), reduce="sum"), backend="llvm")(w, x)[1]
    finally:
        registry.forget()
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(gradients, expected[1])
    assert np.max(np.abs(total - gradients.sum(axis=0)) / np.abs(gradients).sum(axis=0)) < 77 * 2.3e-16


FORMS = {"-x·x": lambda x: al.exp(-x * x), "x·-x": lambda x: al.exp(x * -x), "-(x·x)": lambda x: al.exp(-(x * x))}


@pytest.mark.parametrize("name", ["erf", "erfc"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gaussian_first", [False, True])
def test_the_gaussian_of_an_error_function_is_computed_with_it(name, form, gaussian_first):
    """One call for both, whichever comes first, with the bits of two calls; another exponential has its own call."""
    function, gaussian = getattr(al, name), FORMS[form]

    def f(x):
        both = [gaussian(x), function(x)] if gaussian_first else [function(x), gaussian(x)]
        return [*both, al.exp(-x), al.exp(x * x)]

    text = emit.lanes_module(al.trace(f, 0.5).program, 1, 4, summed=False).text
    assert text.count(f"@{name}_gaussian_v8(<8 x double> %") == 1
    assert f"@{name}_v8(<8 x double> %" not in text
    assert text.count("@exp_v8(<8 x double> %") == 2
    x = np.linspace(-30, 30, 1001)
    run = lambda g, x: al.jit(al.vmap(g), backend="llvm")(x)
    with np.errstate(over="ignore"):
        expected = [run(al.exp, -x * x), run(function, x), run(al.exp, -x), run(al.exp, x * x)]
    for got, wanted in zip(run(f, x), expected if gaussian_first else [expected[k] for k in (1, 0, 2, 3)], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_an_exponential_of_another_number_is_no_gaussian():
    """-x·y, x·x and half of the square are left alone, and so is one function for which there is no partner left."""

    def f(x, y):
        return [al.erfc(x), al.exp(-x * y), al.exp(x * x), al.exp(-x * x * 0.5), al.exp(-y * y)]

    text = emit.lanes_module(al.trace(f, 0.5, 0.25).program, 2, 4, summed=False).text
    assert "gaussian" not in text
    text = emit.lanes_module(
        al.trace(lambda x: [al.erf(x), al.erfc(x), al.exp(-x * x)], 0.5).program, 1, 4, summed=False
    ).text
    assert text.count("_gaussian_v8(<8 x double> %") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.parametrize("lock", [engine._lock, runtime._loading], ids=["compiling", "loading"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_can_compile_whatever_the_other_threads_do(lock):
    """A fork waits until nobody compiles: in the child nobody would open what another thread had closed."""
    closed = threading.Event()

    def compile_for_a_while():
        with lock:
            closed.set()
            time.sleep(0.2)

    thread = threading.Thread(target=compile_for_a_while)
    thread.start()
    closed.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()
    assert lock.acquire(blocking=False)
    lock.release()
