"""`jit`: the same results as a function, from compiled tapes, one for each way it branches."""

import functools
import weakref
from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import gradients
from autograd_lite.errors import ArgumentError, OperandError, TraceError
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import Primitive, as_float
from autograd_lite.tape import pickles, recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import BACKENDS, chosen, single
from autograd_lite.tape.connected import connected
from autograd_lite.tape.entries import FLOAT64, FLOATS, Other, Way, short_call, short_columns
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.paths import Path, Paths, Uncaptured, Unmapped, Unserved
from autograd_lite.tape.steps import one_by_one, wider
from autograd_lite.tape.tape import Tape, record, sees_order
from autograd_lite.tape.trace import is_fixed
from autograd_lite.tape.vmap import Mapped, axes_of
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

MAX_PATHS = 64

#: After so many calls in a row that no kept path served, calls of their kind run the function at once: 2⁸ of them before
#: paths are tried again, then 2⁹, then 2¹⁰ each time.
PATIENCE = 8


def jit(
    f: Callable[..., Any], *, backend: str = "auto", max_paths: int = MAX_PATHS, contract: bool = False
) -> "Compiled":
    """Return a function with the same results as `f`, computed by machine code.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest. A `Tape`, `grad(f)` and `vmap(f)` are such functions too.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the tapes. "auto" is machine code where llvmlite is installed, else NumPy, which it says once.
    max_paths : int, default 64
        How many branch paths to compile for arguments of one structure. Beyond, calls run `f` itself, with one warning.
    contract : bool, default False
        Let machine code fuse a product and a sum into one operation, which rounds once: a little faster, and no longer bit
        for bit what Python gives.

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
    traced numbers (`if`, `while`, `sorted`, `int(x)`) are guards: where one comes out differently, that path is traced and
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
    compiled = Compiled(f, chosen(backend), max_paths, contract=contract)
    compiled.asked = backend
    return compiled


class PathReport(list[Path]):
    """The paths that a compiled function has taken, most used first; `print` shows their conditions."""

    def __str__(self) -> str:
        """One paragraph for each path."""
        return "\n".join(f"path {k}: {path}" for k, path in enumerate(self)) or "no path yet"


class Compiled:
    """A jitted function."""

    def __init__(self, f: Callable[..., Any], backend: str, max_paths: int, *, contract: bool) -> None:
        self.f, self.backend, self.max_paths, self.contract = f, backend, max_paths, contract
        self.asked = backend  # a name that stands for another backend on another machine, if the user left it open
        functools.update_wrapper(self, f, updated=())
        self.__name__ = self.__qualname__ = f"jit({name_of(f)})"
        self._families: dict[Any, Family | LanePaths] = {}
        #: By number of arguments and keywords, the call for those seen last.
        self._short: dict[Any, Callable[..., Any]] = {}
        self._ordered: bool | None = None
        self._crowded: dict[Any, Family] = {}  # by sketch of the arguments: families with more paths than are kept
        self._said: set[str] = set()

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Same results as the function."""
        call = self._short.get((len(arguments), *keywords) if keywords else len(arguments))
        return self._general(arguments, keywords) if call is None else call(*arguments, *keywords.values())

    def _general(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if context.active or recording.current():  # somebody watches the nodes, or traces them: let there be nodes
            return self.f(*arguments, **keywords)
        written = keywords
        if len(keywords) > 1:
            keywords = self._in_order(keywords)
        if keywords and self._crowded:
            skipping, copied = self._skipping((*arguments, keywords))
            if skipping:
                return self.f(*copied[:-1], **copied[-1])
        if isinstance(self.f, Mapped):
            return self._lanes(self.f, arguments, keywords)
        numbers, shape = unravel((arguments, keywords), f"an argument of {self.__name__}", is_fixed)
        if any(type(n) is Variable for n in numbers):
            return self.f(*arguments, **keywords)
        family = self._families.get(shape)
        if family is None:
            family = self._families[shape] = Family(
                self.f, shape, self.backend, self.max_paths, contract=self.contract, said=self._said
            )
        assert isinstance(family, Family)
        result = family(numbers)
        if family.skips:
            self._crowded[_sketched((*arguments, keywords) if keywords else arguments)[0]] = family
            if not keywords:
                self._short[len(arguments)] = self._at_once
        else:
            self._shorten(family, arguments, written)
        return result

    def _at_once(self, *arguments: Any) -> Any:
        """The function itself, if for some calls paths are not tried for arguments of this kind."""
        if not context.active and not context.tracing:
            skipping, copied = self._skipping(arguments)
            if skipping:
                return self.f(*copied)
        return self._general(arguments, {})

    def _skipping(self, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        """Whether it is one of those calls, and what the function gets to see."""
        sketch, copied = _sketched(arguments)
        family = self._crowded.get(sketch)
        if sketch is None or family is None or family.skips <= 0:
            return False, ()
        family.skips -= 1
        return True, copied

    def _in_order(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments by name where the function cannot see their order: one tape serves them in any."""
        if self._ordered is None:
            self._ordered = sees_order(self.f.f if isinstance(self.f, Mapped) else self.f)
        return keywords if self._ordered else dict(sorted(keywords.items()))

    def _shorten(self, family: "Family", arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Let further calls with arguments of this kind go a shorter way."""
        path = family.last
        if path is None or path.unpaid > 0:
            return

        def short(_: Tape) -> Any:
            try:
                way = Way(family.shape, arguments, keywords)
            except Other:
                return None
            return short_call(family.program(path), path, way, self._general)

        key = (len(arguments), *keywords) if keywords else len(arguments)
        call = path.program(("short", key), short)
        if call is not None:
            self._short[key] = call
            path.forget = functools.partial(_forget, weakref.ref(self), weakref.ref(path))

    def _lanes(self, mapped: Mapped, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        columns, shape, differs, found = mapped.apart(arguments, keywords, self.__name__)
        family = self._families.get((shape, differs))
        if family is None:
            family = self._families[shape, differs] = LanePaths(
                mapped.f, shape, differs, self.max_paths, self.backend, reduce=mapped.reduce, contract=self.contract
            )
        assert isinstance(family, LanePaths)
        result = mapped.run(family, columns, found, arguments, keywords)
        if not any(found) and not keywords:
            if family.entry is None:
                family.entry = self._entry(mapped, family, arguments)
            self._short[len(arguments)] = family.entry
        return result

    def _entry(self, mapped: Mapped, family: LanePaths, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """The short way from arguments like these into lanes; the general one where source cannot tell them apart."""
        try:
            way = Way(family.paths.shape, arguments, {}, axes_of(arguments, {}, mapped.in_axes, self.__name__))
        except Other:
            return lambda *given: self._general(given, {})
        columns = short_columns(way)

        def entry(*given: Any) -> Any:
            if not context.active and not context.tracing:
                try:
                    own = columns(*given)
                except Other:
                    pass
                else:
                    return mapped.run(family, own, (), given, {})
            return self._general(given, {})

        return entry

    def paths(self) -> PathReport:
        """The paths taken so far, with conditions, file and line, and how many lanes each has served."""
        families = self._families.values()
        return PathReport(sorted((p for f in families for p in f.paths.known), key=lambda path: -path.lanes))

    def __repr__(self) -> str:
        return f"<{self.__name__}, {self.backend}, {len(self.paths())} paths>"

    def __reduce__(self) -> tuple[Any, ...]:
        """The function and the options: what was compiled is compiled again."""
        place = pickles.place_of(self)
        return (pickles.at, place) if place else (_jit_again, (pickles.stored(self.f), *self._options()))

    def __copy__(self) -> "Compiled":
        return self if pickles.place_of(self) else _jit_again(self.f, *self._options())

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        if pickles.place_of(self):
            return self
        return _jit_again(pickles.deeply_copied(self.f, memo), *self._options())

    def _options(self) -> tuple[str, int, bool]:
        return self.asked, self.max_paths, self.contract

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The method of an instance: bound like a function, with the instance as first argument."""
        return self if instance is None else functools.partial(self, instance)


def _jit_again(f: Callable[..., Any], backend: str, max_paths: int, contract: bool) -> Compiled:
    return jit(f, backend=backend, max_paths=max_paths, contract=contract)


class Family:
    """One function for arguments of one shape, on one lane."""

    def __init__(
        self,
        f: Callable[..., Any],
        shape: Shape,
        backend: str,
        max_paths: int,
        *,
        contract: bool = False,
        said: set[str] | None = None,
    ) -> None:
        self.shape, self.backend, self.contract = shape, backend, contract
        self.paths = Paths(f, shape, max_paths, loops=2, said=said)
        self.last: Path | None = None
        self.untraceable = False  # a scan in it cannot be recorded: its steps take more paths than are kept
        self.skips = self._missed = 0

    def __call__(self, numbers: Sequence[float]) -> Any:
        """The result for these numbers."""
        if self.skips > 0:  # for arguments that cannot be sketched
            self.skips -= 1
            return self.paths.eager(numbers)
        while not self.untraceable:
            paths = self.paths
            try:
                return self._served(numbers)
            except Uncaptured:
                if not paths.loops:
                    raise
                if self.paths is paths:  # no other thread was faster
                    self.paths, self.last = wider(paths), None
                    self.paths.said = paths.said
            except Unserved:  # raised while the function was being traced
                self.untraceable = True
            except Unmapped:  # lanes one by one
                if not paths.loops:
                    raise
                if self.paths is paths:
                    self.paths, self.last = one_by_one(paths), None
                    self.paths.said = paths.said
        return self.paths.eager(numbers)

    def _served(self, numbers: Sequence[float]) -> Any:
        """The result by whichever path these numbers take."""
        path, again = self.last or self.paths.first(numbers), False
        tried: list[Path] = []
        while True:
            status: int | None
            try:
                status, outputs = self._run(path, numbers)
            except Unserved as late:
                if late.steps.paths.full:
                    return self.paths.eager(numbers)
                status = None
            if status == 0:
                break
            tried.append(path)
            following = self.paths.following(path, status, tried, lambda: self.paths.new(numbers))
            if following is not None:
                path = following
            elif status is None and not again:  # another thread may have taught the loop that step since
                again = True
            else:
                if self.paths.full:
                    self._missed = min(self._missed + 1, PATIENCE + 2)
                    self.skips = 0 if self._missed < PATIENCE else 1 << self._missed
                return self.paths.eager(numbers)
        path = path.parent or path
        self.last, self.skips = path, 0
        self._missed = max(self._missed - 2, 0)
        path.lanes += 1
        if path.tape.captured:
            connected = self._connected(path, numbers, outputs)
            return self.paths.eager(numbers) if connected is None else path.tape.output_shape.pack(connected)
        return path.tape.output_shape.pack(outputs)

    def _run(self, path: Path, numbers: Sequence[float]) -> tuple[int, Sequence[float]]:
        """The status and the outputs of a path."""
        status, outputs = self.program(path).run([*numbers, *(v._value for v in path.tape.captured)])
        return status, outputs

    def program(self, path: Path) -> Any:
        """The path compiled; for a while as Python if its code was dropped: who calls 800 programs in turn compiles none."""
        if path.unpaid > 0 and BACKENDS[self.backend].compiles and not self.contract:
            path.unpaid -= 1
            if all(type(rule) is Primitive and rule.built_in for rule, _ in path.tape.code):
                return PythonSingle(path.tape.program)  # with the same bits
            path.unpaid = 0
        return path.program(self.backend, lambda tape: single(tape.program, self.backend, contract=self.contract))

    def _connected(self, path: Path, numbers: Sequence[float], outputs: Sequence[float]) -> list[Any] | None:
        """Outputs as nodes over the captured Variables, with their derivatives from compiled code too; None if it cannot."""
        try:
            rows = self._rows(path, numbers, "jacobian", 1.0)
            if rows is not None and 0.0 in rows:  # 0, or not sent at all? Times an infinite slope, 0 is NaN
                sent = self._rows(path, numbers, "sent", nan)
                rows = sent and [None if row == 0.0 and s == 0.0 else row for row, s in zip(rows, sent, strict=True)]
        except TraceError:  # a step of a loop with too many branches
            return None
        return rows and connected(path.tape, numbers, outputs, rows)

    def _rows(self, path: Path, numbers: Sequence[float], name: str, seed: float) -> list[float | None] | None:
        """The derivatives of the outputs times a seed; with NaN, what is not sent is 0 and all else NaN."""
        program = path.program((self.backend, name), lambda tape: single(_jacobian(tape, seed).program, self.backend))
        status, rows = program.run([*numbers, *(v._value for v in path.tape.captured)])
        return None if status else rows  # another branch in the steps of a loop


def _jacobian(tape: Tape, seed: float) -> Tape:
    """The tape of all derivatives of the outputs, times a seed, by the captured Variables, which become inputs."""

    def rows(numbers: list[Any], captured: list[Any]) -> list[Any]:
        outputs = python.replay(tape, [*numbers, *captured])
        return [
            gradients(y, captured, seed=seed, create_graph=True) if type(y) is Variable else [0.0] * len(captured)
            for y in outputs
        ]

    example = [*tape.example, *(v._value for v in tape.captured)]
    _, shape = unravel(((list(tape.example), [v._value for v in tape.captured]), {}))
    found = record(rows, example, shape, masked=True, loops=1)
    if found.captured:
        raise TraceError(f"the careful program of {tape.name} uses Variables from outside that its program does not.")
    return found


def _sketched(arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    """A key that tells kinds of arguments apart in a microsecond, and floats and fresh arrays for the function.

    (None, ()) for arguments of which that is not known.
    """
    if FLOATS.issuperset(map(type, arguments)):
        return len(arguments), arguments
    found: list[Any] = []
    try:
        copied = [_sketch(argument, found) for argument in arguments]
    except OperandError:
        return None, ()
    return tuple(found), copied


def _sketch(thing: Any, found: list[Any]) -> Any:
    """A nest with floats for its numbers and copies of its containers; notes its outline."""
    kind = type(thing)
    if kind is float:
        found.append(kind)
        return thing
    if kind is list or kind is tuple:
        found += kind, len(thing)
        if FLOATS.issuperset(map(type, thing)):
            return thing.copy() if kind is list else thing
        return kind([_sketch(part, found) for part in thing])
    if kind is np.ndarray and thing.dtype is FLOAT64:
        found += kind, thing.shape
        return thing.copy()
    if kind is dict:
        found += kind, *thing
        if FLOATS.issuperset(map(type, thing.values())):
            return thing.copy()
        return {key: _sketch(part, found) for key, part in thing.items()}
    if thing is None or is_fixed(thing):
        found += kind, Fixed(thing)
        return thing
    if kind is int or kind is np.float64:
        found.append(float)
        return as_float(thing)
    raise OperandError(f"{kind.__name__} is of another kind.")


def _forget(compiled: "weakref.ref[Compiled]", path: "weakref.ref[Path]") -> None:
    """Let the short ways of a path go; what is in use stays alive until it returns."""
    holder, gone = compiled(), path()
    if holder is not None:
        for key, call in [*holder._short.items()]:
            if getattr(call, "__globals__", {}).get("path") is gone:
                holder._short.pop(key, None)
