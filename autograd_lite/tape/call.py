"""`jit`: the same results as a function, from compiled tapes, one for each way it branches."""

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from autograd_lite import context, foreign, hints, pickles
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.nests import Shape, arrays_in, like_given, unravel
from autograd_lite.primitives import Primitive
from autograd_lite.see import pieces
from autograd_lite.tape import clusters, recording
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import BACKENDS, chosen
from autograd_lite.tape.connected import connected
from autograd_lite.tape.entries import Other, Way
from autograd_lite.tape.interim import single_at_once
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.paths import Path, Paths, Patient, Uncaptured, Unmapped, Unserved
from autograd_lite.tape.rolled import rolled
from autograd_lite.tape.steps import one_by_one, wider
from autograd_lite.tape.tape import Tape, sees_order
from autograd_lite.tape.trace import is_fixed
from autograd_lite.tape.vmap import Mapped, axes_of
from autograd_lite.transforms import named, recipe_of
from autograd_lite.variable import Variable

MAX_PATHS = 64
ORDERS = ("rolled", "as written")

P = ParamSpec("P")
R = TypeVar("R")


@overload
def jit(
    f: Callable[..., Variable],
    *,
    backend: str = "auto",
    max_paths: int = MAX_PATHS,
    contract: bool = False,
    cache: bool | None = None,
    order: str = "rolled",
) -> "Compiled[..., Any]": ...
@overload
def jit(
    f: Callable[P, R],
    *,
    backend: str = "auto",
    max_paths: int = MAX_PATHS,
    contract: bool = False,
    cache: bool | None = None,
    order: str = "rolled",
) -> "Compiled[P, R]": ...
@hints.keywords
def jit(
    f: Any,
    *,
    backend: str = "auto",
    max_paths: int = MAX_PATHS,
    contract: bool = False,
    cache: bool | None = None,
    order: str = "rolled",
) -> "Compiled[..., Any]":
    """Return a function with the same results as `f`, computed by machine code.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest. A `Tape`, `grad(f)` and `vmap(f)` are such functions too.
    backend : {"auto", "llvm", "numpy", "python", "cuda"}
        Who runs the tapes. "auto" is machine code where llvmlite is installed, else NumPy, which it says once. "cuda" runs
        the lanes of a `vmap` on an NVIDIA device, a thread for each, and single lanes as "llvm" does.
    max_paths : int, default 64
        How many branch paths to compile for arguments of one structure. Beyond, calls run `f` itself, with one warning.
    contract : bool, default False
        Let machine code fuse a product and a sum into one operation, which rounds once: a little faster, and no longer bit
        for bit what Python gives.
    cache : bool, optional
        Keep machine code on disk, in the user's cache folder, and take it from there in later processes: with the same bits.
        None, the default: as the variable AUTOGRAD_LITE_CACHE says, which names a folder.
    order : {"rolled", "as written"}
        "rolled": machine code runs the equal parts of a program that repeats as loops, if it has 1,000 instructions or more
        and 16 equal parts, and as loops at most a quarter of the instructions. With branches it keeps the bits of
        Python. Without, sums of 32 terms or more are added up in a tree, and functions are those of lanes: within
        n·eps·Σ|terms|, and the bounds of these functions, of what Python gives; the same bits at every call. "as written"
        keeps the bits of Python.

    Returns
    -------
    callable
        Takes the same arguments. `.paths()` reports the branch paths.

    Raises
    ------
    TraceError
        If two traces of `f` differ: it depends on something besides its arguments.
    CompilationError
        If the backend is not installed, no device is found, or one has no code for an operation.

    Notes
    -----
    The first call with arguments of a new structure traces `f` and compiles the tape; further calls replay it. A tape of 500
    instructions or more is interpreted, with the same bits, and compiled in the background once it runs again. Comparisons on
    traced numbers (`if`, `while`, `sorted`, `int(x)`) are guards: where one comes out differently, that path is traced and
    compiled too; in a program that runs as loops it is joined with the known ones, and the branch is data from then on.
    Variables that `f` uses from outside are live inputs, and the result is then a Variable. Plain numbers from outside are
    those of the trace, and what `f` prints or stores happens while tracing only. Within `raise_on_nonfinite`, and on
    Variables, `f` itself runs. Time: 10 to 30 µs an operation to compile; a call takes a microsecond more than its
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
    if cache is not None and type(cache) is not bool:
        raise ArgumentError(f"cache={cache!r}: give True or False. AUTOGRAD_LITE_CACHE=folder names another folder.")
    if order not in ORDERS:
        raise ArgumentError(f"order={order!r}: choose one of {', '.join(map(repr, ORDERS))}.")
    return Compiled(f, backend, chosen(backend), max_paths, contract=contract, cache=cache, order=order)


class PathReport(list[Path]):
    """The paths that a compiled function has taken, most used first; `print` shows their conditions."""

    def __str__(self) -> str:
        return "\n".join(f"path {k}: {path}" for k, path in enumerate(self)) or "no path yet"

    def _repr_html_(self) -> str:
        parts = [pieces.title(f"{len(self)} paths" if len(self) != 1 else "1 path")]
        for k, path in enumerate(self):
            if path.healed:
                parts.append(pieces.prose(f"path {k}: {path.served}; {path.healed}"))
                continue
            rows = [(path.tape.condition(guard), str(guard.outcome), guard.location) for guard in path.guards]
            told = f"path {k}: {path.served}"
            parts.append(pieces.table(told, ("condition", "was", "at"), rows) if rows else pieces.prose(told))
        return pieces.piece(*parts)


class Compiled(Generic[P, R]):
    """A jitted function."""

    def __init__(
        self,
        f: Callable[..., Any],
        asked: str,
        backend: str,
        max_paths: int,
        *,
        contract: bool,
        cache: bool | None,
        order: str,
    ) -> None:
        self.order = order
        self.f, self.backend, self.max_paths, self.contract, self.cache = f, backend, max_paths, contract, cache
        self.asked = asked  # "auto" stands for another backend on another machine
        functools.update_wrapper(self, f, updated=())
        self.__name__ = named(self, "jit", f)
        self._of_blocks: Compiled[..., Any] | None = None
        self._families: dict[Any, Any] = (
            pickles.Own()
        )  # by structure of the arguments; `LanePaths` of a mapped function
        self._short: dict[Any, Callable[..., Any]] = (
            pickles.Own()
        )  # by number and keywords of arguments, for the last ones
        self.said: set[str] = set()

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> R:
        """Same results as the function."""
        call = self._short.get((len(arguments), *keywords) if keywords else len(arguments))
        return self._general(arguments, keywords) if call is None else call(*arguments, *keywords.values())  # type: ignore[no-any-return]

    def _general(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if context.active or recording.current():  # somebody watches the nodes, or traces them: let there be nodes
            return self.f(*arguments, **keywords)
        written = keywords
        if len(keywords) > 1 and not self._sees_order:  # one tape serves them in any order
            keywords = dict(sorted(keywords.items()))
        if isinstance(self.f, Mapped):
            return self._lanes(self.f, arguments, keywords)
        numbers, shape = unravel((arguments, keywords), f"an argument of {self.__name__}", is_fixed)
        if shape.given:
            try:
                result = self(*arrays_in(arguments), **arrays_in(keywords))
            except (IndexError, AttributeError, OperandError) as error:
                raise foreign.explained(error, shape.given.values()) from error.__cause__
            return self._labelled(arguments, result)
        if any(type(n) is Variable for n in numbers):
            return self.f(*arguments, **keywords)
        family: Family = self._families.get(shape) or self._families.setdefault(shape, Family(self, shape))
        if family.skips > 0:
            family.skips -= 1
            return family.paths.eager(numbers)
        result = family(numbers)
        self._shorten(family, arguments, written)
        return result

    def _labelled(self, arguments: tuple[Any, ...], result: Any) -> Any:
        """The result with a gradient by arrays of other libraries as these came in."""
        label, _, argnums, options = recipe_of(self.f) or ("", None, 0, {})
        if label not in ("grad", "value_and_grad"):
            return result
        chosen = tuple(arguments[p] for p in argnums) if isinstance(argnums, tuple) else arguments[argnums]
        if label == "value_and_grad":
            return result[0], like_given(chosen, result[1])
        if options.get("has_aux"):
            return like_given(chosen, result[0]), result[1]
        return like_given(chosen, result)

    @functools.cached_property
    def _sees_order(self) -> bool:
        return sees_order(self.f.f if isinstance(self.f, Mapped) else self.f)

    def _shorten(self, family: "Family", arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Enter the short call for arguments of this kind."""
        path, key = family.last, (len(arguments), *keywords) if keywords else len(arguments)

        def short(*_: Tape) -> Any:
            try:
                way = Way(family.shape, arguments, keywords)
                return family.beside(way, self) if family.skips > 0 else family.along(path, way, self._general)
            except Other:
                return None

        if family.skips > 0:
            call = short()
        elif path is None or path.unpaid > 0:
            return
        else:
            call = path.program(("short", key, type(family.program(path))), short)
            path.forget = functools.partial(_forget, self._short, path)
        if call is not None:
            self._short[key] = call

    @functools.cached_property
    def _shipped(self) -> clusters.Program:
        """What is sent to the machines that compute blocks of rows."""
        return clusters.shipped(self.of_blocks(), self.backend)

    def of_blocks(self) -> "Compiled[..., Any]":
        """A mapped function over one block of many, made once; see `Mapped.of_blocks`."""
        if self._of_blocks is None:
            blocks: Mapped = self.f.of_blocks()  # type: ignore[attr-defined]
            self._of_blocks = self if blocks is self.f else self._again()(blocks)
        return self._of_blocks

    def _lanes(self, mapped: Mapped, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if clusters.is_lazy(arguments, keywords):
            return mapped.lazily(self._shipped, arguments, keywords)
        columns, shape, differs, found = mapped.apart(arguments, keywords, self.__name__)
        key = shape, differs
        family = self._families.get(key)
        if family is None:
            turning = 0 if self.order != "rolled" else 2 if BACKENDS[self.backend].compiles else 1
            how: Any = {"mapped": True, "cache": self.cache, "turning": turning}
            paths = Paths(mapped.f, shape, self.max_paths, loops=2, **how)
            family = LanePaths(paths, differs, self.backend, reduce=mapped.reduce, contract=self.contract)
            family = self._families.setdefault(key, family)
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

        def bound() -> tuple[Any, ...]:
            return np.empty(way.count), None, lambda: bool(context.tracing), None

        def run(lanes: int, shared: Any, rows: list[Any], given: tuple[Any, ...]) -> Any:
            return mapped.run(family, Columns(lanes, shared, rows), (), given, {})

        return way.call(
            self._general, bound, "run(lanes, given, [{rows}], ({positional}))", fresh=way.count > 0, run=run
        )

    def paths(self) -> PathReport:
        """The paths taken so far, with conditions, file and line, and how many lanes each has served."""
        families = self._families.values()
        return PathReport(sorted((p for f in families for p in f.paths.known), key=lambda path: -path.lanes))

    def report(self) -> str:
        """Return what each path has become: loops over equal parts, with the user's lines, or a program as written.

        The function is traced once more for its lines: about 5 µs an operation.

        Returns
        -------
        str
            A line for each path, and below it one for each loop.
        """
        lines = [self.__name__]
        for family in self._families.values():
            for number, path in enumerate(family.paths.known):
                count = f"path {number}: {len(path.tape):,} instructions"
                loops = rolled(path.tape.program) if self._rolls(family, path) else None
                if loops is None:
                    lines.append(f"{count}, {'as written' if isinstance(family, Family) else 'for each lane'}")
                else:
                    lines += [f"{count}, rolled", *(f"  {line}" for line in loops.lines(family.paths.lines(path)))]
        return "\n".join(lines if len(lines) > 1 else [f"{self.__name__}: not called yet"])

    def _rolls(self, family: "Family | LanePaths", path: Path) -> bool:
        rolls = BACKENDS[self.backend].rolls if isinstance(family, Family) and family.rolled else None
        return rolls is not None and rolls(path.tape.program)

    def __repr__(self) -> str:
        return f"<{self.__name__}, {self.backend}, {len(self.paths())} paths>"

    def __reduce__(self) -> tuple[Any, ...]:
        """The function and the options: what was compiled is compiled again."""
        place = pickles.written_as(self)
        return (pickles.at, place) if place else pickles.once(self, self._again(), self.f)

    def __copy__(self) -> "Compiled[..., Any]":
        return self if pickles.place_of(self) else self._again()(self.f)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled[..., Any]":
        return self if pickles.place_of(self) else self._again()(copy.deepcopy(self.f, memo))

    def _again(self) -> "Callable[[Any], Compiled[..., Any]]":
        options = {"max_paths": self.max_paths, "contract": self.contract, "cache": self.cache, "order": self.order}
        return functools.partial(jit, backend=self.asked, **options)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The method of an instance: bound like a function, with the instance as first argument."""
        return self if instance is None else pickles.Method(self, instance)


def _forget(short: dict[Any, Callable[..., Any]], path: Path) -> None:
    """Let the short ways of a path go; what is in use stays alive until it returns."""
    for key, call in [*short.items()]:
        if call.__globals__.get("path") is path:
            short.pop(key, None)


class Family(Patient):
    """One function for arguments of one shape, on one lane."""

    def __init__(self, compiled: Compiled[..., Any], shape: Shape) -> None:
        self.shape, self.backend, self.contract = shape, compiled.backend, compiled.contract
        self.rolled = compiled.order == "rolled"
        healing = self.rolled and BACKENDS[self.backend].compiles
        self.paths = Paths(
            compiled.f, shape, compiled.max_paths, loops=2, said=compiled.said, cache=compiled.cache, healing=healing
        )
        self.last: Path | None = None
        self.untraceable = False  # a scan in it cannot be recorded: its steps take more paths than are kept

    def __call__(self, numbers: Sequence[float]) -> Any:
        while not self.untraceable:
            paths = self.paths
            try:
                return self._served(numbers)
            except Unserved:  # raised while the function was being traced
                self.untraceable = True
            except (Uncaptured, Unmapped) as error:  # one that is unmapped runs lanes one by one
                if not paths.loops:
                    raise
                if self.paths is paths:  # no other thread was faster
                    self.paths = wider(paths) if type(error) is Uncaptured else one_by_one(paths)
                    self.last, self.paths.said = None, paths.said
        return self.paths.eager(numbers)

    def _served(self, numbers: Sequence[float]) -> Any:
        """The result by the path that these numbers take."""
        path, again = self.last or self.paths.first(numbers), False
        tried: list[Path] = []
        while True:
            status: int | None
            try:
                status, outputs = self.program(path).run([*numbers, *(v._value for v in path.tape.captured)])
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
                    self.miss()
                return self.paths.eager(numbers)
        path = path.parent or path
        self.last = path
        self.hit()
        path.lanes += 1
        if path.tape.captured:
            nodes = connected(path, self.backend, numbers, outputs)
            return self.paths.eager(numbers) if nodes is None else path.tape.output_shape.pack(nodes)
        return path.tape.output_shape.pack(outputs)

    def program(self, path: Path) -> Any:
        """The path compiled; for a while as Python if its code was dropped: who calls 800 programs in turn compiles none."""
        if path.unpaid > 0 and BACKENDS[self.backend].compiles and not self.contract:
            path.unpaid -= 1
            if all(type(rule) is Primitive and rule.built_in for rule, _ in path.tape.code):
                return PythonSingle(path.tape.program)  # with the same bits
            path.unpaid = 0
        how = functools.partial(single_at_once, backend=self.backend, contract=self.contract, rolled=self.rolled)
        return path.program(self.backend, lambda tape: how(tape.program))

    def along(self, path: Path | None, way: Way, general: Callable[..., Any]) -> Callable[..., Any] | None:
        """A call by the compiled code of a path; None if that has no short way."""
        if path is None or path.tape.captured or not hasattr(program := self.program(path), "bound"):
            return None
        shape = path.tape.output_shape
        return way.call(general, program.bound, returned=shape, counted="path.lanes += 1", path=path)

    def beside(self, way: Way, compiled: Compiled[..., Any]) -> Callable[..., Any]:
        """A call of the function itself, on floats and fresh containers, as long as paths are not tried."""

        def bound() -> tuple[Any, ...]:
            given = np.empty(way.count)
            return given, given, lambda: context.tracing or self.skips <= 0, None

        return way.call(
            compiled._general, bound, "run({nest})", returned=self.shape, counted="family.skips -= 1",
            family=self, run=lambda nest: compiled.f(*nest[0], **nest[1]),
        )  # fmt: skip
