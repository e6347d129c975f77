"""`jit`: the same results as a function, from compiled tapes, one for each way it branches."""

import ctypes
import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from autograd_lite import observers
from autograd_lite.backward import gradients
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.tape.executors import machine, python
from autograd_lite.tape.lanes import LanePaths, Mapped, batch_of
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import chosen, single
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.trace import is_fixed, record
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable, make_node

MAX_PATHS = 64


def jit(f: Callable[..., Any], *, backend: str = "auto", max_paths: int = MAX_PATHS) -> "Compiled":
    """Return a function with the same results as `f`, computed by machine code.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest. A `Tape`, `grad(f)` and `vmap(f)` are such functions too.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the tapes. "auto" is machine code where llvmlite is installed, else NumPy, which it says once.
    max_paths : int, default 64
        How many branch paths to compile for arguments of one structure. Beyond, calls run `f` itself, with one warning.

    Returns
    -------
    callable
        Takes the same arguments. `.paths()` reports the branch paths.

    Raises
    ------
    TraceError
        If two traces of `f` differ: it depends on something besides its arguments.
    CompilationError
        If the backend is not installed.

    Notes
    -----
    The first call with arguments of a new structure traces `f` and compiles the tape; further calls replay it. Comparisons on
    traced numbers (`if`, `while`, `max`, `int(x)`) are guards: where one comes out differently, that path is traced and
    compiled too. Variables that `f` uses from outside are live inputs, and the result is then a Variable. Plain numbers from
    outside are those of the trace, and what `f` prints or stores happens while tracing only. Within `raise_on_nonfinite`, and
    on Variables, `f` itself runs. Time: 10 to 30 µs an operation to compile; a call takes a microsecond more than its
    arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> f = jit(lambda x: x * x * x if x > 1 else 3 * x - 2)
    >>> f(2.0), f(0.5), len(f.paths())
    (8.0, -0.5, 2)
    >>> jit(al.grad(lambda w: al.sum(al.tanh(w) ** 2)))(np.array([0.0, 1.0]))
    array([0.        , 0.63970001])
    """
    if not callable(f):
        raise ArgumentError(f"jit takes a function and got {f!r}. Write jit(f)(x), not jit(f(x)).")
    if isinstance(max_paths, bool) or not isinstance(max_paths, int) or max_paths < 1:
        raise ArgumentError(f"max_paths={max_paths!r}: give a whole number from 1 on.")
    return Compiled(f, chosen(backend), max_paths)


class PathReport(list[Path]):
    """The paths that a compiled function has taken, most used first; `print` shows their conditions."""

    def __str__(self) -> str:
        """One paragraph for each path."""
        return "\n".join(f"path {k}: {path}" for k, path in enumerate(self)) or "no path yet"


class Compiled:
    """What `jit` returns."""

    def __init__(self, f: Callable[..., Any], backend: str, max_paths: int) -> None:
        self.f, self.backend, self.max_paths = f, backend, max_paths
        functools.update_wrapper(self, f, updated=())
        self.__name__ = self.__qualname__ = f"jit({name_of(f)})"
        self._families: dict[Any, Family | LanePaths] = {}
        self._floats: dict[int, Callable[..., Any]] = {}
        self._arrays: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Same results as the function."""
        if not keywords and not observers.active:
            call = self._floats.get(len(arguments))
            if call is not None:
                return call(*arguments)
            call = self._arrays.get(tuple([a.shape if type(a) is np.ndarray else None for a in arguments]))
            if call is not None:
                return call(*arguments)
        return self._general(arguments, keywords)

    def _general(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if observers.active:  # somebody watches the nodes: let there be nodes
            return self.f(*arguments, **keywords)
        if isinstance(self.f, Mapped):
            return self._lanes(self.f, arguments, keywords)
        numbers, shape = unravel((arguments, keywords), f"an argument of {self.__name__}", is_fixed)
        if any(type(n) is Variable for n in numbers):
            return self.f(*arguments, **keywords)
        family = self._families.get(shape)
        if family is None:
            family = self._families[shape] = Family(self.f, shape, self.backend, self.max_paths)
        assert isinstance(family, Family)
        result = family(numbers)
        self._shorten(family, arguments, keywords)
        return result

    def _shorten(self, family: "Family", arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Remember a shorter way for further calls with arguments of this kind."""
        path = family.paths.known[0] if family.paths.known else None
        if self.backend != "llvm" or keywords or path is None or path.tape.captured:
            return
        if all(type(a) is float for a in arguments):
            self._floats[len(arguments)] = _float_call(family, len(arguments), self._general)
        elif all(type(a) is np.ndarray or type(a) is float for a in arguments):
            key = tuple([a.shape if type(a) is np.ndarray else None for a in arguments])
            self._arrays[key] = ArrayCall(family, self._general)

    def _lanes(self, mapped: Mapped, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if mapped.holds_variables(arguments, keywords):
            return mapped(*arguments, **keywords)
        batch = batch_of(arguments, keywords, mapped.in_axes, self.__name__)
        key = (batch.shape, batch.mapped)
        family = self._families.get(key)
        if family is None:
            backend = "numpy" if self.backend == "python" else self.backend
            family = self._families[key] = LanePaths(mapped.f, batch.shape, self.max_paths, backend, mapped.reduce)
        assert isinstance(family, LanePaths)
        if family.first(batch).tape.captured:
            return mapped(*arguments, **keywords)
        return family(batch)

    def paths(self) -> PathReport:
        """The paths taken so far, with conditions, file and line, and how many lanes each has served."""
        families = self._families.values()
        return PathReport(sorted((p for f in families for p in f.paths.known), key=lambda path: -path.lanes))

    def __repr__(self) -> str:
        return f"<{self.__name__}, {self.backend}, {len(self.paths())} paths>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method, bound like a function: the instance is an argument."""
        return self if instance is None else functools.partial(self, instance)


class Family:
    """One function for arguments of one shape, on one lane."""

    def __init__(self, f: Callable[..., Any], shape: Shape, backend: str, max_paths: int) -> None:
        self.shape, self.backend = shape, backend
        self.paths = Paths(f, shape, max_paths, loops=True)
        self.last: Path | None = None

    def __call__(self, numbers: Sequence[float]) -> Any:
        """The result for these numbers, by whichever path they take."""
        path = self.last or self.paths.first(numbers)
        tried: list[Path] = []
        while True:
            status, outputs = self.program(path).run([*numbers, *(v.value for v in path.tape.captured)])
            if status < 0:
                status, outputs = self.program(path, careful=True).run(
                    [*numbers, *(v.value for v in path.tape.captured)]
                )
                if status > 0:  # the careful program tests more, and has no paths of its own
                    return self.paths.eager(numbers)
            if status <= 0:
                break
            tried.append(path)
            others = self.paths.others(path, status - 1, tried)
            following = others[0] if others else self.paths.new(numbers)
            if following is None:
                return self.paths.eager(numbers)
            path = following
        self.last = path
        path.lanes += 1
        if path.tape.captured:
            outputs = self._connected(path, numbers, outputs)
        return path.tape.output_shape.pack(outputs)

    def program(self, path: Path, *, careful: bool = False) -> Any:
        """The path compiled."""
        return path.program(self.backend, lambda tape: single(tape, self.backend), careful=careful)

    def _connected(self, path: Path, numbers: Sequence[float], outputs: Sequence[float]) -> list[Any]:
        """Outputs as nodes over the captured Variables, with their derivatives from compiled code too."""
        captured = path.tape.captured
        program = path.program((self.backend, "jacobian"), lambda tape: single(_jacobian(tape), self.backend))
        _, rows = program.run([*numbers, *(v.value for v in captured)])
        width = len(captured)
        return [make_node(None, y, captured, tuple(rows[k * width : (k + 1) * width])) for k, y in enumerate(outputs)]


def _jacobian(tape: Tape) -> Tape:
    """The tape of all derivatives of the outputs with respect to the captured Variables, which become inputs."""

    def rows(numbers: list[Any], captured: list[Any]) -> list[Any]:
        outputs = python.replay(tape, [*numbers, *captured])
        return [
            gradients(y, captured, create_graph=True) if type(y) is Variable else [0.0] * len(captured) for y in outputs
        ]

    example = [*tape.example, *(v.value for v in tape.captured)]
    _, shape = unravel(((list(tape.example), [v.value for v in tape.captured]), {}))
    return record(rows, example, shape, masked=True)


def _float_call(family: Family, count: int, general: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `count` floats that calls the code of the family's latest path and falls back on `general`.

    Written out as source: no loop over the arguments, and the nest of results as a display.
    """
    path = family.last
    assert path is not None
    program = family.program(path)
    names = [f"a{k}" for k in range(count)]
    shape = path.tape.output_shape
    result = _display(shape)
    test = " and ".join(f"type({n}) is float" for n in names) or "True"
    source = f"""
def call({", ".join([*(f"{n}=None" for n in names), "*rest"])}):
    if {test} and not rest and not observers.active:
        out = Results()
        if run(pack({", ".join(names)}), out, None) == 0:
            path.lanes += 1
            return {result}
    return general(({"".join(f"{n}, " for n in names)}*rest), {{}})
"""
    scope = {
        "Results": ctypes.c_double * max(program.code.outputs, 1),
        "run": program.code.run,
        "pack": struct.Struct(f"{count}d").pack,
        "path": path,
        "general": general,
        "observers": observers,
        "whole": shape.pack,
        "size": len(path.tape.outputs),
    }
    exec(compile(source, "<jit>", "exec"), scope)  # noqa: S102 - the text above
    call: Callable[..., Any] = scope["call"]
    return call


def _display(shape: Shape) -> str:
    """Source of the nest of results, numbers from `out`; by `pack` where it is not made of plain containers."""
    if any(leaf is not None for leaf in shape.leaves):
        return "whole(out[:size])"
    nest = optree.tree_unflatten(shape.containers, [_Place(k) for k in range(len(shape.leaves))])
    text = _text(nest)
    return text if text is not None else "whole(out[:size])"


class _Place:
    def __init__(self, index: int) -> None:
        self.index = index


def _text(nest: Any) -> str | None:
    if type(nest) is _Place:
        return f"out[{nest.index}]"
    if nest is None:
        return "None"
    if type(nest) in (tuple, list):
        parts = [_text(part) for part in nest]
        if any(part is None for part in parts):
            return None
        inner = ", ".join(part for part in parts if part)
        return f"[{inner}]" if type(nest) is list else f"({inner}{',' * (len(parts) == 1)})"
    if type(nest) is dict:
        items = [(repr(key), _text(part)) for key, part in nest.items() if isinstance(key, (str, int))]
        if len(items) < len(nest) or any(text is None for _, text in items):
            return None
        return "{" + ", ".join(f"{key}: {text}" for key, text in items) + "}"
    return None


class _Frame:
    """Memory for one call: inputs and outputs in the order of the slots, seen as the arrays that go in and come out."""

    def __init__(self, path: Path, program: Any, shape: Shape) -> None:
        self.inputs = np.empty(path.tape.first_constant)
        self.outputs = np.empty(program.code.outputs)
        self.scratch = np.empty(program.code.scratch)
        self.addresses = self.inputs.ctypes.data, self.outputs.ctypes.data, self.scratch.ctypes.data
        self.given = _views(self.inputs, shape)
        self.results = _views(self.outputs, path.tape.output_shape)


def _views(numbers: Any, shape: Shape) -> list[Any]:
    views, start = [], 0
    for leaf, size in zip(shape.leaves, shape.sizes, strict=True):
        part = numbers[start : start + size]
        views.append(leaf.thing if isinstance(leaf, Fixed) else part.reshape(leaf or ()))
        start += size
    return views


class ArrayCall:
    """The short way for calls whose arguments are float64 arrays and floats: no flattening, no list of numbers."""

    def __init__(self, family: Family, general: Callable[..., Any]) -> None:
        path = family.last
        assert path is not None
        self.path, self.general, self.shape = path, general, family.shape
        self.program = family.program(path)
        self.run = self.program.code.run
        self.callbacks = self.program.code.callbacks
        leaves = path.tape.output_shape.leaves
        self.alone = path.tape.output_shape.containers.is_leaf() and leaves[0] is not None
        self.arrays = [None if leaf is None else not isinstance(leaf, Fixed) for leaf in leaves]
        self.containers = path.tape.output_shape.containers
        self._frames: list[_Frame] = []

    def __call__(self, *arguments: Any) -> Any:
        """Copy in, run, copy out; whatever is unusual goes the general way."""
        try:
            frame = self._frames.pop()
        except IndexError:
            frame = _Frame(self.path, self.program, self.shape)
        try:
            for view, argument in zip(frame.given, arguments, strict=True):
                if type(argument) is np.ndarray:
                    if argument.dtype != np.float64:
                        return self.general(arguments, {})
                elif type(argument) is not float:
                    return self.general(arguments, {})
                view[...] = argument
            if self.run(*frame.addresses) != 0:
                return self.general(arguments, {})
            if self.callbacks:
                machine.raise_failures(self.callbacks)
            self.path.lanes += 1
            if self.alone:
                return frame.results[0].copy()
            leaves = [
                result.copy() if is_array else result.item() if is_array is None else result
                for result, is_array in zip(frame.results, self.arrays, strict=True)
            ]
            return optree.tree_unflatten(self.containers, leaves)
        finally:
            self._frames.append(frame)
