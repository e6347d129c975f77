"""SciPy's optimisers, fits and solvers of differential equations, with derivatives filled in: change the import line.

Each function has SciPy's signature and runs SciPy's algorithm. What is not given (`jac`, `hess`, `hessp`, `fprime`) comes
from a trace of the function: compiled, exact, sparse where the method takes that and few entries are other than 0. Other
names of `scipy.optimize` and `scipy.integrate` are SciPy's own.

>>> import numpy as np
>>> from autograd_lite.scipy import minimize
>>> def rosenbrock(x):
...     return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2
>>> result = minimize(rosenbrock, [-1.2, 1.0], method="trust-exact")
>>> result.x.round(8), result.nit < 30
(array([1., 1.]), True)
>>> sorted(result.derivatives.uses)
['gradient', 'hessian']
"""

import functools
import inspect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optree

from autograd_lite import hints
from autograd_lite.errors import ArgumentError, AutogradLiteError, OperandError, OutputError, UnknownImportError
from autograd_lite.functions import dot
from autograd_lite.nests import NAMESPACE, Shape, as_array, unravel
from autograd_lite.tape.call import Compiled, jit
from autograd_lite.tape.sparse import Sparse
from autograd_lite.tape.vmap import vmap
from autograd_lite.transforms import grad, hessian, jacobian, name_of, recipe_of, value_and_grad
from autograd_lite.variable import Variable

try:
    from scipy import integrate as _integrate
    from scipy import optimize as _optimize
    from scipy import sparse as _sparse
except ImportError as error:
    raise UnknownImportError(
        'autograd_lite.scipy needs SciPy, which is not installed. Install it with pip install "autograd-lite[scipy]".',
        name="scipy",
    ) from error

__all__ = [
    "Derivatives", "NonlinearConstraint", "arguments", "curve_fit", "differential_evolution", "least_squares", "minimize",
    "root", "root_scalar", "solve_ivp",
]  # fmt: skip

#: Up to so many unknowns matrices are dense, and second derivatives whole matrices instead of products.
SMALL = 50
#: From this share of entries on a matrix is dense.
DENSE = 0.2

#: What the methods of `minimize` take besides the gradient, and those that take no derivative.
HESSIAN = {"dogleg", "trust-constr", "trust-exact", "newton-cg", "trust-ncg", "trust-krylov", "_custom"}
PRODUCT = {"newton-cg", "trust-ncg", "trust-krylov"}
NOTHING = {"nelder-mead", "powell", "cobyla", "cobyqa"}
#: Methods whose constraints may have second derivatives and sparse matrices.
SECOND = {"trust-constr", "ipopt"}


# --------------------------------------------------------------------------------------------- vectors and nests


class Space:
    """What the vectors of a solver stand for: themselves, or nests like the starting point."""

    def __init__(self, start: Any, what: str = "x0", *, number: bool = False) -> None:
        self.shape: Shape | None = None
        if number or not _is_vector(start):
            numbers, self.shape = unravel(start, what)
        else:
            numbers = np.atleast_1d(np.asarray(start)).tolist()
        for number in numbers:
            if isinstance(number, Variable):
                raise OperandError(
                    f"{what} holds {number!r}: SciPy's solvers run on plain numbers, and the derivative would be lost. "
                    "Pass x.value, or differentiate the equation that the solver solves (docs: through a solver)."
                )
        try:
            self.start = np.array(numbers, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise OperandError(f"{what}, {start!r:.80}, is not made of real numbers.") from error

    def nest(self, x: Any) -> Any:
        """What a vector stands for."""
        return x if self.shape is None else self.shape.pack(x if type(x) is np.ndarray and x.dtype != object else [*x])

    def flat(self, nest: Any, what: str) -> Any:
        """The vector of a nest."""
        numbers = unravel(nest, what)[0]
        if len(numbers) != len(self.start):
            raise ArgumentError(f"{what} has {len(numbers)} numbers, and x has {len(self.start)}. Give one for each.")
        return np.array(numbers, dtype=np.float64)

    def spread(self, nest: Any, what: str, missing: float = np.nan) -> Any:
        """A vector from one number for all, a vector, or a nest like x, with one number or None for a whole array."""
        if self.shape is None or nest is None or np.ndim(nest) == 0 and not isinstance(nest, Mapping):  # noqa: RUF021
            return nest
        try:
            parts = self.shape.containers.flatten_up_to(nest)
        except ValueError as error:
            if not _is_vector(nest):
                raise ArgumentError(f"{what}, {nest!r:.80}, does not fit x, {self.shape.outline()}.") from error
            return np.asarray(nest, dtype=np.float64)
        leaves = []
        for part, leaf in zip(parts, self.shape.leaves, strict=True):
            number = missing if part is None else np.asarray(part, dtype=np.float64)
            leaves.append(np.broadcast_to(number, leaf or ()).ravel())  # type: ignore[arg-type]
        return np.concatenate([np.empty(0), *leaves])

    def bounds(self, bounds: Any) -> Any:
        """Bounds of `minimize`, in SciPy's forms or as a nest like x with a pair for each number or array."""
        if self.shape is None or bounds is None:
            return bounds
        if isinstance(bounds, _optimize.Bounds):
            # Bounds makes an array of one object of a nest.
            sides = [
                part.item() if part.dtype == object and part.size == 1 else part for part in (bounds.lb, bounds.ub)
            ]
            low, high = self.spread(sides[0], "lb", -np.inf), self.spread(sides[1], "ub", np.inf)
            return _optimize.Bounds(low, high, bounds.keep_feasible)
        try:
            pairs = self.shape.containers.flatten_up_to(bounds)
        except ValueError as error:
            if len(bounds) == len(self.start) and not isinstance(bounds, Mapping):
                return bounds
            raise ArgumentError(f"bounds, {bounds!r:.80}, do not fit x, {self.shape.outline()}.") from error
        sides = [
            self.spread(optree.tree_unflatten(self.shape.containers, side), "bounds", missing)
            for side, missing in zip(zip(*pairs, strict=True), (-np.inf, np.inf), strict=True)
        ]
        return _optimize.Bounds(*sides)

    def callback(self, callback: Any) -> Any:
        """A callback that gets nests, with the parameters by which SciPy tells the two kinds apart."""
        if self.shape is None or not callable(callback):
            return callback
        if {*inspect.signature(callback).parameters} == {"intermediate_result"}:

            def report(*, intermediate_result: Any) -> Any:
                intermediate_result.x = self.nest(intermediate_result.x)
                return callback(intermediate_result=intermediate_result)

            return report
        return lambda x, *state: callback(self.nest(x), *state)


def _is_vector(x: Any) -> bool:
    """Whether SciPy takes this as a vector or a number: then functions get vectors, as they do from SciPy."""
    if isinstance(x, np.ndarray):
        return x.ndim <= 1
    if type(x) in (list, tuple):
        return all(np.ndim(entry) == 0 for entry in x if not isinstance(entry, Mapping)) and not any(
            isinstance(entry, Mapping) or optree.is_namedtuple(entry) or hasattr(entry, "__dataclass_fields__")
            for entry in x
        )
    return isinstance(x, (int, float, complex, np.generic, Variable)) or (
        hasattr(x, "__array__") and not hasattr(x, "__dataclass_fields__")
    )


def _rows(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with all numbers that it returns in one array."""

    @functools.wraps(f)
    def rows(*arguments: Any) -> Any:
        numbers = unravel(f(*arguments), f"the output of {name_of(f)}")[0]
        return as_array(numbers, (len(numbers),))

    return rows


# ------------------------------------------------------------------------------------------- functions and their use


class Use:
    """How often a derivative was computed, in which form, and in which time.

    Attributes
    ----------
    form : str
        "dense", or "sparse" with the share of entries.
    count : int
        Evaluations. One that is asked for twice at one point counts once.
    ready : float
        Seconds of the first evaluation, with tracing and compiling.
    seconds : float
        Seconds of all others.
    """

    def __init__(self) -> None:
        self.form, self.count, self.ready, self.seconds = "dense", 0, 0.0, 0.0

    def add(self, seconds: float) -> None:
        """Count an evaluation."""
        self.ready, self.seconds = (seconds, 0.0) if not self.count else (self.ready, self.seconds + seconds)
        self.count += 1

    def __repr__(self) -> str:
        later = f", then {_duration(self.seconds / (self.count - 1))} each" if self.count > 1 else ""
        return (
            f"{self.form}; {self.count} evaluation{'s' * (self.count != 1)}, the first {_duration(self.ready)}{later}"
        )


def _duration(seconds: float) -> str:
    """Three digits with a unit.

    >>> _duration(0.0000385), _duration(2.5)
    ('38.5 µs', '2.5 s')
    """
    unit, name = next((u, n) for u, n in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if seconds >= u or n == "µs")
    return f"{seconds / unit:.3g} {name}"


class _LostError(Exception):
    """A function, of this name, whose results are Variables: the solver makes an OperandError of it."""


class Evaluations:
    """A function of a vector and its derivatives, as a solver asks for them: computed once for a point, counted, timed.

    The function is traced at the first call of each kind.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        space: Space | None = None,
        arguments: tuple[Any, ...] = (),
        keywords: Any = None,
        *,
        without: str = 'jac="2-point"',
    ) -> None:
        self.name, self.uses, self.without = name_of(f), dict[str, Use](), without
        shape = space.shape if space else None
        self._known: dict[str, tuple[Any, Any]] = {}
        self._made: dict[str, Any] = {}
        self._alone: dict[str, Any] = {}
        self._more: tuple[Any, ...] = ()
        if isinstance(f, Compiled) and not keywords:
            # It keeps its derivatives for later calls, in which other arguments may come: these are no constants.
            self._more, arguments = arguments, ()
            self._made = vars(f).setdefault("_derivatives", {}).setdefault(shape, self._made)

        @functools.wraps(f, updated=())
        def of_vector(x: Any, *more: Any) -> Any:
            nest = x if shape is None else shape.pack(x if type(x) is np.ndarray and x.dtype != object else [*x])
            return f(nest, *more, *arguments, **(keywords or {}))

        self.f = of_vector

    # ------------------------------------------------------------------------------------------ what solvers ask for

    def plain(self, x: Any, *more: Any) -> Any:
        """The function itself."""
        return self.f(x, *more, *self._more)

    def value(self, x: Any, *more: Any) -> float:
        """One number; its gradient is computed with it."""
        return float(self._asked("gradient", x, *more)[0])

    def gradient(self, x: Any, *more: Any) -> Any:
        """As a vector."""
        return self._asked("gradient", x, *more)[1].copy()

    def values(self, x: Any, *more: Any) -> Any:
        """All numbers that the function returns, as a vector."""
        return self._asked("values", x, *more).copy()

    def jacobian(self, x: Any, *more: Any, sparse: bool = True) -> Any:
        """Derivatives of all numbers that are returned: an array, or a sparse one where that is allowed and pays."""
        return self._formed("jacobian", self._asked("jacobian", x, *more), sparse=sparse)

    def hessian(self, x: Any, *more: Any, sparse: bool = False) -> Any:
        """Second derivatives of one number."""
        return self._formed("hessian", self._asked("hessian", x, *more), sparse=sparse)

    def weighted(self, x: Any, v: Any, *more: Any, sparse: bool = True) -> Any:
        """Second derivatives of v · f(x)."""
        return self._formed("weighted", self._asked("weighted", x, np.array(v, np.float64), *more), sparse=sparse)

    def product(self, x: Any, v: Any, *more: Any) -> Any:
        """Second derivatives times a vector."""
        return self._asked("product", x, np.array(v, np.float64), *more).copy()

    def _formed(self, kind: str, matrix: Any, *, sparse: bool) -> Any:
        """A matrix of its own, sparse or not."""
        use, (rows, columns) = self.uses[kind], matrix.shape
        if not _sparse.issparse(matrix):
            use.form = f"dense, {rows:,} × {columns:,}"
            return matrix.copy()
        share = matrix.nnz / max(rows * columns, 1)
        use.form = (
            f"{100 * share:.2g} % of {rows:,} × {columns:,}, {'sparse' if sparse and share < DENSE else 'as dense'}"
        )
        return matrix.copy() if sparse and share < DENSE else matrix.toarray()

    # ------------------------------------------------------------------------------------------------ how it is computed

    def _asked(self, kind: str, x: Any, *more: Any) -> Any:
        """The result of a kind at a point, not computed again where it was the last one."""
        x = np.asarray(x, dtype=np.float64)
        others = [np.asarray(part) for part in more if isinstance(part, (float, int, np.ndarray, np.generic))]
        key = x.tobytes(), *(part.tobytes() for part in others if part.dtype != object)
        known = self._known.get(kind)
        if known is not None and known[0] == key and len(key) == 1 + len(more):
            return known[1]
        start = time.perf_counter()
        try:
            found = self._computed(kind, x, *more)
        except AutogradLiteError as error:
            note = f"{self.name} was traced for its derivatives. With {self.without} SciPy does without them."
            if isinstance(error, OutputError):
                note = "minimize takes one number, least_squares residuals, root as many numbers as there are unknowns."
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            raise
        self.uses.setdefault(kind, Use()).add(time.perf_counter() - start)
        self._known[kind] = key, found
        return found

    def _computed(self, kind: str, x: Any, *more: Any) -> Any:
        if len(x) > SMALL and kind in BY_ELEMENTS and len(more) == (kind == "weighted"):
            elements = self._by_elements()
            found = BY_ELEMENTS[kind](elements, x, *more)
            if any(path.tape.captured for path in elements._problem(x)[0].paths.known):  # noqa: SLF001
                raise _LostError(self.name)
            return found
        function = self._made.get(kind) or self._made.setdefault(kind, jit(TRANSFORMS[kind](self.f)))
        found = function(x, *more, *self._more)
        if type(found) is tuple and type(found[0]) is Variable or getattr(found, "dtype", None) == object:  # noqa: RUF021
            raise _LostError(self.name)
        return found

    def _by_elements(self) -> Sparse:
        kept = self._made if not self._more else self._alone
        if "sparse" not in kept:
            kept["sparse"] = Sparse(functools.wraps(self.f, updated=())(lambda x: self.plain(x)), "auto")
        return kept["sparse"]  # type: ignore[no-any-return]


def _product_of(f: Callable[..., Any]) -> Callable[..., Any]:
    # Twice in reverse: sums over long arrays stay lanes, which a forward sweep would take apart.
    return grad(functools.wraps(f, updated=())(lambda x, v, *more: dot(grad(f)(x, *more), v)))


def _weighted_of(f: Callable[..., Any]) -> Callable[..., Any]:
    rows = _rows(f)
    return hessian(functools.wraps(f, updated=())(lambda x, v, *more: dot(v, rows(x, *more))))


#: The kinds of results of a function, by transforms and by elements.
TRANSFORMS: dict[str, Callable[..., Any]] = {
    "gradient": value_and_grad,
    "values": lambda f: _rows(f),
    "jacobian": lambda f: jacobian(_rows(f)),
    "hessian": hessian,
    "weighted": _weighted_of,
    "product": _product_of,
}
BY_ELEMENTS: dict[str, Callable[..., Any]] = {
    "values": lambda s, x: np.array(unravel(s.value(x))[0], dtype=np.float64),
    "jacobian": lambda s, x, *_: s.jacobian(x),
    "hessian": lambda s, x: s.hessian(x),
    "weighted": lambda s, x, v: s.hessian(x, v),
}


class Derivatives:
    """What derivatives a solver was given, and what they cost: `result.derivatives`.

    Attributes
    ----------
    uses : dict
        A `Use` for each derivative that was asked for: "gradient" (with the value), "jacobian", "hessian", "product"
        (Hessian times vector), "weighted" (Hessian of a weighted sum), "values". Those of constraints follow their number:
        "constraint 0: jacobian".

    Examples
    --------
    >>> from autograd_lite.scipy import least_squares
    >>> found = least_squares(lambda x: [x[0] - 1.0, 10.0 * (x[1] - x[0] ** 2)], [0.0, 0.0])
    >>> found.derivatives.uses["jacobian"].form, found.derivatives.uses["jacobian"].count == found.njev
    ('dense, 2 × 2', True)
    """

    def __init__(self, function: Evaluations, others: Sequence[Evaluations] = (), space: Space | None = None) -> None:
        self._function, self._others, self._space = function, others, space
        self._uses: dict[str, Use] | None = None

    @property
    def uses(self) -> dict[str, Use]:
        """The use of each derivative."""
        if self._uses is not None:
            return self._uses
        found = {**self._function.uses}
        for number, other in enumerate(self._others):
            found |= {f"constraint {number}: {kind}": use for kind, use in other.uses.items()}
        return found

    def hessian(self, x: Any) -> Any:
        """Return the matrix of second derivatives at `x`, a vector or nest as the solver's result."""
        if self._uses is not None:
            raise ArgumentError(
                "these derivatives come from a pickle, which keeps what they cost and not the function. Compute al.hessian(f)."
            )
        shape = self._space.shape if self._space else None
        vector = np.asarray(x, dtype=np.float64) if shape is None else self._space.flat(x, "x")  # type: ignore[union-attr]
        return self._function.hessian(vector)

    def __repr__(self) -> str:
        lines = [
            f"derivatives of {self._name}:"
            if self.uses
            else "no derivatives: the method takes none, or was given its own"
        ]
        return "\n".join(lines + [f"  {kind}: {use!r}" for kind, use in self.uses.items()])

    @property
    def _name(self) -> str:
        return self._function.name if self._uses is None else "a function"

    def __getstate__(self) -> Any:
        return {"_uses": self.uses, "_function": None, "_others": (), "_space": None}

    def __deepcopy__(self, memo: Any) -> "Derivatives":
        return self


# --------------------------------------------------------------------------------------------------------- the solvers


def _like(original: Callable[..., Any]) -> Callable[[Callable[[dict[str, Any]], Any]], Callable[..., Any]]:
    """Give a function of a dictionary of arguments the signature of a function of SciPy."""
    signature = inspect.signature(original)
    rest = [name for name, parameter in signature.parameters.items() if parameter.kind is parameter.VAR_KEYWORD]

    def decorated(body: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        def solver(*arguments: Any, **keywords: Any) -> Any:
            try:
                given = signature.bind(*arguments, **keywords).arguments
            except TypeError as error:
                raise TypeError(f"{body.__name__}() {error}") from None
            for name in rest:
                given |= given.pop(name, {})
            try:
                return body(given)
            except _LostError as lost:
                raise OperandError(
                    f"{lost} uses a Variable from outside, and {body.__name__} of SciPy runs on plain numbers: the derivative "
                    "of its result by that Variable would be lost. Use x.value, or differentiate the equation that it solves "
                    "(in the documents: through a solver)."
                ) from None

        solver.__signature__ = signature  # type: ignore[attr-defined]
        return solver

    return decorated


def _tuple(arguments: Any) -> tuple[Any, ...]:
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _on_nest(f: Any, space: Space, *, back: str = "") -> Any:
    """A user's function of nests as one of vectors; its results are nests like x if they are called `back`."""
    if space.shape is None or not callable(f):
        return f

    @functools.wraps(f, updated=())
    def on_vector(x: Any, *more: Any, **keywords: Any) -> Any:
        found = f(space.nest(np.asarray(x, dtype=np.float64)), *more, **keywords)
        return space.flat(found, back) if back else found

    return on_vector


def _finished(result: Any, derivatives: Derivatives, space: Space) -> Any:
    """The result of a solver with nests in it."""
    result.derivatives = derivatives
    if space.shape is not None:
        result.x_flat, result.x = result.x, space.nest(result.x)
        for name in ("jac", "grad"):
            slope = result.get(name)
            if isinstance(slope, np.ndarray) and slope.shape == space.start.shape:
                result[name] = space.nest(slope)
    return result


def _method(given: Mapping[str, Any]) -> str:
    """The method of `minimize` in small letters; by default that which SciPy chooses."""
    method = given.get("method")
    if method is None:
        return "slsqp" if given.get("constraints") else "bfgs" if given.get("bounds") is None else "l-bfgs-b"
    return "_custom" if callable(method) else str(method).lower()


@_like(_optimize.minimize)
def minimize(given: dict[str, Any]) -> Any:
    """Minimise a function of several numbers: SciPy's `minimize` with `jac`, `hess` or `hessp` filled in.

    Parameters
    ----------
    fun : callable
        `fun(x, *args)` returns one number. Plain code of numbers or arrays, as for `al.grad`.
    x0 : array, number or nest
        The starting point. For lists and arrays of one dimension everything is as SciPy has it. For a dict, a registered
        dataclass, nested lists or arrays of more dimensions `fun`, `callback` and constraints get such a nest.
    args, method, tol, options
        SciPy's. `method="ipopt"` calls IPOPT, where cyipopt is installed; its options are IPOPT's.
    jac, hess, hessp
        What is given here is used as it is; `jac="2-point"` or `jac=False` leaves SciPy its differences. With a nest, `jac`
        returns a nest, and `hess` a matrix in the order of the numbers.
    bounds : sequence, Bounds or nest
        SciPy's forms; or a nest like x0 with a pair (low, high) for each number or array.
    constraints : constraint or list of them
        Those of SciPy, dicts without `jac`, and `NonlinearConstraint` from here: their derivatives are filled in.
    callback : callable
        SciPy's; it gets nests.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives` (see `Derivatives`). With a nest `x` and the gradient (`jac`, `grad`) are nests, and
        `x_flat` is the vector; matrices are in the order of its numbers.

    Raises
    ------
    AutogradLiteError
        If `fun` cannot be traced, as `al.grad` would, with the line. What `fun` raises itself passes through.

    Notes
    -----
    Gradients for all methods but Nelder-Mead, Powell, COBYLA and COBYQA, which run `fun` itself. Hessians for trust-exact,
    trust-constr and dogleg, and for Newton-CG, trust-ncg and trust-krylov up to 50 unknowns, beyond which these get
    Hessian-vector products. Matrices are sparse for trust-constr and IPOPT if there are more than 50 unknowns and less than
    20 % entries. The function is traced in each call of `minimize`, some milliseconds and 10 µs an operation; `al.jit(fun)`
    in place of `fun` keeps what was compiled for the next call, and takes `args` as data. While it is compiled, plain numbers
    from outside are constants, and printing happens while tracing only, as in `al.jit`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import minimize
    >>> found = minimize(lambda p: (p["a"] - 1.0) ** 2 + al.exp(p["b"]) - p["b"], {"a": 3.0, "b": 2.0})
    >>> round(found.x["a"], 4), abs(round(found.x["b"], 4))
    (1.0, 0.0)
    >>> found.derivatives.uses["gradient"].count == found.nfev
    True
    """
    space, method = Space(given["x0"]), _method(given)
    f = Evaluations(given["fun"], space, _tuple(given.get("args", ())))
    constraints, others = _constraints(given.get("constraints", ()), space, method)
    given |= {"x0": space.start, "constraints": constraints, "bounds": space.bounds(given.get("bounds"))}
    given["callback"] = space.callback(given.get("callback"))
    if method == "ipopt":
        return _finished(_ipopt(f, others, given), Derivatives(f, others, space), space)
    given |= _filled(given, f, space, method)
    return _finished(_optimize.minimize(**given), Derivatives(f, others, space), space)


def _filled(given: Mapping[str, Any], f: Evaluations, space: Space, method: str) -> dict[str, Any]:
    """What `minimize` gets for `fun`, `jac`, `hess` and `hessp`."""
    fun, jac, hess, hessp = given["fun"], given.get("jac"), given.get("hess"), given.get("hessp")
    found = {"fun": _on_nest(fun, space), "jac": _on_nest(jac, space, back="jac"), "hess": _on_nest(hess, space)}
    found["hessp"] = hessp and (lambda x, p, *a: space.flat(hessp(space.nest(x), space.nest(p), *a), "hessp"))
    if space.shape is None:
        found = {"fun": fun, "jac": jac, "hess": hess, "hessp": hessp}
    if jac is None and method not in NOTHING:
        found |= {"fun": lambda x, *_: f.value(x), "jac": lambda x, *_: f.gradient(x)}
    second = f
    if jac is True:
        if space.shape is not None:
            found["fun"] = lambda x, *a: (lambda pair: (pair[0], space.flat(pair[1], "jac")))(f.f(x))
        recipe = recipe_of(fun.f if isinstance(fun, Compiled) else fun)
        if recipe is None or recipe[0] != "value_and_grad" or recipe[2] != 0 or recipe[3].get("has_aux"):
            return found
        second = Evaluations(recipe[1], space, _tuple(given.get("args", ())))
        f.uses = second.uses
    if method in HESSIAN and hess is None and hessp is None and jac is not False and not isinstance(jac, str):
        if method in PRODUCT and len(space.start) > SMALL:
            found["hessp"] = lambda x, p, *_: second.product(x, p)
        else:
            found["hess"] = lambda x, *_: second.hessian(x, sparse=method in SECOND)
    return found


# ---------------------------------------------------------------------------------------------------------- constraints


class NonlinearConstraint(_optimize.NonlinearConstraint):  # type: ignore[misc]
    """lb ≤ fun(x) ≤ ub: SciPy's constraint with its derivatives filled in.

    Parameters
    ----------
    fun : callable
        Returns a number, an array, or any nest of numbers. In our `minimize` it gets a nest like x0.
    lb, ub : number, array or nest
        As `fun` returns, or one number for all.
    jac, hess
        What is given is used as it is. By default the Jacobian and the Hessian of v · fun(x) are ours.
    **options
        SciPy's.

    Examples
    --------
    >>> from autograd_lite.scipy import NonlinearConstraint, minimize
    >>> disc = NonlinearConstraint(lambda x: x[0] ** 2 + x[1] ** 2, -float("inf"), 1.0)
    >>> found = minimize(lambda x: x[0] + x[1], [0.5, 0.5], method="SLSQP", constraints=disc)
    >>> found.x.round(6)
    array([-0.707107, -0.707107])
    """

    def __init__(
        self, fun: Any, lb: Any, ub: Any, jac: Any = None, hess: Any = None, *more: Any, **options: Any
    ) -> None:
        self._given = fun, jac, hess
        function = Evaluations(fun)
        ours = {
            "jac": (lambda x: function.jacobian(x)) if jac is None else jac,
            "hess": (lambda x, v: function.weighted(x, v)) if hess is None and not isinstance(jac, str) else hess,
        }
        lb, ub = (side if _is_vector(side) else np.array(unravel(side)[0]) for side in (lb, ub))
        super().__init__(_as_vector(fun), lb, ub, ours["jac"], ours["hess"], *more, **options)
        self._own = {name: part for name, part in vars(self).items() if name.startswith(("finite", "keep"))}

    def on(self, space: Space, method: str) -> tuple[Any, Evaluations]:
        """The constraint for vectors of a space and a method, and the evaluations that it makes."""
        fun, jac, hess = self._given
        f, sparse = Evaluations(fun, space), method in SECOND
        plain = _as_vector(_on_nest(fun, space))
        jacobian_ = (lambda x: f.jacobian(x, sparse=sparse)) if jac is None else _on_nest(jac, space)
        hessian_ = (
            (lambda x, v: f.weighted(x, v)) if hess is None and not isinstance(jac, str) else _on_nest(hess, space)
        )
        if method in NOTHING and jac is None:
            jacobian_ = "2-point"
        if method not in SECOND | {"_custom", "differential_evolution"}:
            hessian_ = hess  # none, unless it is given: SciPy warns of what a method ignores
        value = f.values if jac is None and method not in NOTHING | {"differential_evolution"} else plain
        options = {name: part for name, part in self._own.items() if part is not None}
        return _optimize.NonlinearConstraint(value, self.lb, self.ub, jacobian_, hessian_, **options), f


def _as_vector(fun: Any) -> Any:
    """The function with a vector for whatever nest of numbers it returns; arrays stay as they are."""

    @functools.wraps(fun, updated=())
    def vector(x: Any, *more: Any) -> Any:
        found = fun(x, *more)
        return found if isinstance(found, np.ndarray) else np.array(unravel(found)[0], dtype=np.float64)

    return vector


def _constraints(given: Any, space: Space, method: str) -> tuple[list[Any], list[Evaluations]]:
    """Constraints as SciPy is to have them, and the evaluations that they make."""
    kinds = Mapping, _optimize.NonlinearConstraint, _optimize.LinearConstraint, _optimize.Bounds
    found, others = [], []
    for constraint in [given] if isinstance(given, kinds) else list(given):
        if isinstance(constraint, Mapping) and callable(constraint.get("fun")):
            made, f = _of_dict(constraint, space, method)
        elif isinstance(constraint, NonlinearConstraint):
            made, f = constraint.on(space, method)
        elif isinstance(constraint, _optimize.NonlinearConstraint) and (space.shape is not None or method == "ipopt"):
            own = {name: part for name, part in vars(constraint).items() if name.startswith(("finite", "keep"))}
            parts = [_on_nest(part, space) for part in (constraint.jac, constraint.hess)]
            made = _optimize.NonlinearConstraint(
                _as_vector(_on_nest(constraint.fun, space)), constraint.lb, constraint.ub, *parts, **own
            )
            f = Evaluations(constraint.fun, space)
        else:
            made, f = constraint, None
        found.append(made)
        if f is not None:
            others.append(f)
    return found, others


def _of_dict(given: Mapping[str, Any], space: Space, method: str) -> tuple[Any, Evaluations]:
    """A constraint in SciPy's old form: fun(x) = 0 or fun(x) ≥ 0."""
    fun, jac, args = given["fun"], given.get("jac"), _tuple(given.get("args", ()))
    f = Evaluations(fun, space, args)
    if method in SECOND and jac is None and given.get("type") in ("eq", "ineq"):
        upper = 0.0 if given["type"] == "eq" else np.inf
        with_arguments = functools.wraps(fun, updated=())(lambda x: fun(x, *args))
        return NonlinearConstraint(with_arguments, 0.0, upper).on(space, method)
    if jac is None and method not in NOTHING:
        return {**given, "fun": lambda x, *_: f.values(x), "jac": lambda x, *_: f.jacobian(x, sparse=False)}, f
    if space.shape is None:
        return given, f
    return {**given, "fun": _as_vector(_on_nest(fun, space)), **({"jac": _on_nest(jac, space)} if jac else {})}, f


# ----------------------------------------------------------------------------------------------------- fits and equations


@_like(_optimize.least_squares)
def least_squares(given: dict[str, Any]) -> Any:
    """Fit by least squares: SciPy's `least_squares` with the Jacobian filled in, dense or sparse.

    Parameters
    ----------
    fun : callable
        `fun(x, *args, **kwargs)` returns the residuals: an array, a list, or any nest of numbers.
    x0 : array, number or nest
        As for `minimize`.
    jac : callable or str, optional
        What is given is used as it is: "2-point" leaves SciPy its differences.
    bounds : pair or Bounds
        (low, high), each a number, an array, or a nest like x0 with one number for each array.
    **options
        SciPy's: `method`, `loss`, `x_scale`, `max_nfev`, …

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`. With a nest `x` and `grad` are nests, and `x_flat` is the vector. `al.covariance` gives
        its standard errors.

    Notes
    -----
    With more than 50 unknowns the residuals are cut into elements (see `al.sparse`), and the Jacobian is sparse if less than
    20 % of its entries are other than 0 and the method takes that: "trf" and "dogbox" without `tr_solver="exact"`.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite.scipy import least_squares
    >>> t = np.linspace(0.0, 2.0, 9)
    >>> y = 2.0 * np.exp(-1.5 * t)
    >>> found = least_squares(lambda p: p["a"] * np.exp(-p["k"] * t) - y, {"a": 1.0, "k": 1.0})
    >>> round(found.x["a"], 6), round(found.x["k"], 6)
    (2.0, 1.5)
    """
    space, fun, jac = Space(given["x0"]), given["fun"], given.get("jac")
    f = Evaluations(fun, space, _tuple(given.get("args", ())), given.get("kwargs"))
    given |= {"x0": space.start, "fun": fun if space.shape is None else _as_vector(_on_nest(fun, space))}
    if jac is None:
        sparse = given.get("method", "trf") != "lm" and given.get("tr_solver") != "exact"
        given |= {"fun": lambda x, *_, **__: f.values(x), "jac": lambda x, *_, **__: f.jacobian(x, sparse=sparse)}
        given.pop("jac_sparsity", None)
    else:
        given["jac"] = _on_nest(jac, space)
    for name in given.keys() & {"x_scale", "diff_step"}:
        if not isinstance(given[name], str):
            given[name] = space.spread(given[name], name)
    given |= _sides(given.get("bounds"), space)
    if "callback" in given:
        given["callback"] = space.callback(given["callback"])
    return _finished(_optimize.least_squares(**given), Derivatives(f, space=space), space)


def _sides(bounds: Any, space: Space) -> dict[str, Any]:
    """Bounds that are a pair of sides."""
    if bounds is None:
        return {}
    if isinstance(bounds, _optimize.Bounds):
        return {"bounds": space.bounds(bounds)}
    if isinstance(bounds, Mapping) or len(bounds) != 2:
        raise ArgumentError(
            f"bounds, {bounds!r:.80}: give a pair (low, high), each a number, an array or a nest like x."
        )
    return {"bounds": (space.spread(bounds[0], "bounds", -np.inf), space.spread(bounds[1], "bounds", np.inf))}


@_like(_optimize.root)
def root(given: dict[str, Any]) -> Any:
    """Solve a system of equations: SciPy's `root` with the Jacobian filled in for the methods "hybr" and "lm".

    Parameters
    ----------
    fun : callable
        `fun(x, *args)` returns as many numbers as x has: an array, a list, or any nest.
    x0 : array, number or nest
        As for `minimize`.
    jac : callable or bool, optional
        What is given is used as it is: False leaves SciPy its differences.
    **options
        SciPy's: `args`, `method`, `tol`, `callback`, `options`.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`. With a nest `x` is a nest, and `x_flat` the vector.

    Examples
    --------
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import root
    >>> root(lambda x: [x[0] * al.cos(x[1]) - 4.0, x[1] * x[0] - x[1] - 5.0], [1.0, 1.0]).x.round(8)
    array([6.50409711, 0.90841421])
    """
    space, fun, jac = Space(given["x0"]), given["fun"], given.get("jac")
    f = Evaluations(fun, space, _tuple(given.get("args", ())), without="jac=False")
    given["x0"] = space.start
    if jac is None and str(given.get("method", "hybr")).lower() in ("hybr", "lm"):
        given |= {"fun": lambda x, *_: f.values(x), "jac": lambda x, *_: f.jacobian(x, sparse=False)}
    elif space.shape is not None:
        given |= {"fun": _on_nest(fun, space), "jac": _on_nest(jac, space)}
        if jac is not True:
            given["fun"] = _as_vector(given["fun"])
    if "callback" in given and space.shape is not None and given["callback"] is not None:
        callback = given["callback"]
        given["callback"] = lambda x, residual: callback(space.nest(x), residual)
    return _finished(_optimize.root(**given), Derivatives(f, space=space), space)


@_like(_optimize.root_scalar)
def root_scalar(given: dict[str, Any]) -> Any:
    """Solve one equation: SciPy's `root_scalar` with `fprime` and `fprime2` filled in for "newton" and "halley".

    Parameters
    ----------
    f : callable
        `f(x, *args)` of a number returns a number.
    method, bracket, x0, x1, …
        SciPy's. With `x0` alone the method is "newton"; methods with a bracket take no derivative.
    fprime, fprime2 : callable or bool, optional
        What is given is used as it is.

    Returns
    -------
    RootResults
        SciPy's, with `derivatives`.

    Examples
    --------
    >>> from autograd_lite.scipy import root_scalar
    >>> found = root_scalar(lambda x: x**3 - 2.0, x0=1.0)
    >>> print(round(found.root, 12), found.method, found.derivatives.uses["gradient"].count)
    1.259921049895 newton 5
    """
    start, method = given.get("x0"), given.get("method")
    by_slope = str(method).lower() if method else "newton" if given.get("bracket") is given.get("x1") is None else ""
    plain = isinstance(start, (int, float, np.integer, np.floating)) or (
        isinstance(start, np.ndarray) and not start.ndim
    )
    space = Space(float(start) if plain else 0.0, number=True)  # type: ignore[arg-type]
    f = Evaluations(given["f"], space, _tuple(given.get("args", ())), without='method="secant"')
    vector = functools.partial(np.full, 1)
    if plain and by_slope in ("newton", "halley") and given.get("fprime") is None:
        given |= {"x0": float(start), "f": lambda x, *_: f.value(vector(x))}  # type: ignore[arg-type]
        given["fprime"] = lambda x, *_: float(f.gradient(vector(x))[0])
    if plain and by_slope == "halley" and given.get("fprime2") is None and given.get("fprime") is not True:
        given["fprime2"] = lambda x, *_: float(f.hessian(vector(x))[0, 0])
    found = _optimize.root_scalar(**given)
    found.derivatives = Derivatives(f)
    return found


class _Model:
    """A model f(x, *parameters) of many rows x, its values and its derivatives by the parameters.

    The Jacobian of a model that works row by row comes from one row, as lanes. Whether it does is seen by its values.
    """

    def __init__(self, f: Callable[..., Any], space: Space | None) -> None:
        self.name, self.uses = name_of(f), {"jacobian": Use()}
        self._by_rows: bool | None = None
        self._scalar = False  # f takes one row only
        shape = space.shape if space else None

        def model(p: Any, x: Any) -> Any:
            nest = p if shape is None else shape.pack(p if type(p) is np.ndarray and p.dtype != object else [*p])
            if isinstance(nest, Mapping):
                return f(x, **nest)
            return f(x, *nest) if isinstance(nest, (np.ndarray, list, tuple)) else f(x, nest)

        self.f = functools.wraps(f, updated=())(model)
        self._each = jit(vmap(value_and_grad(self.f), in_axes=(None, 0)))
        self._whole: Any = None

    def value(self, x: Any, *p: Any) -> Any:
        """For all rows; one by one where the function takes a row only."""
        parameters = np.array(p, dtype=np.float64)
        if not self._scalar:
            try:
                return self.f(parameters, x)
            except (TypeError, ValueError) as error:  # an `if` on an array, `math.exp` of it
                if isinstance(error, AutogradLiteError) or (rows := _as_rows(x)) is None:
                    raise
                try:
                    self.f(parameters, rows[0])
                except Exception:  # noqa: BLE001 - whatever it is, the first error says more
                    raise error from None
                self._scalar = True
        return self._each(parameters, _as_rows(x))[0]

    def jacobian(self, x: Any, *p: Any) -> Any:
        """Rows by parameters."""
        start, parameters = time.perf_counter(), np.array(p, dtype=np.float64)
        found = self._of_rows(x, parameters)
        if found is None:
            if self._whole is None:
                data = x
                self._whole = jit(jacobian(_rows(functools.wraps(self.f, updated=())(lambda p: self.f(p, data)))))
            found = self._whole(parameters)
        self.uses["jacobian"].add(time.perf_counter() - start)
        self.uses["jacobian"].form = f"dense, {found.shape[0]:,} × {found.shape[1]:,}"
        return found.copy()

    def _of_rows(self, x: Any, p: Any) -> Any:
        """The Jacobian row by row; None if the model needs all rows at once."""
        rows = _as_rows(x)
        if self._scalar:
            return self._each(p, rows)[1]
        if self._by_rows is False or rows is None:
            return None
        try:
            values, found = self._each(p, rows)
            self._by_rows = _agree(values, self.f(p, x)) and (
                self._by_rows or _agree(self._each(p * 1.001 + 1e-3, rows)[0], self.f(p * 1.001 + 1e-3, x))
            )
        except (AutogradLiteError, TypeError, ValueError, IndexError, AttributeError):
            self._by_rows = False
        return found if self._by_rows else None


def _as_rows(x: Any) -> Any:
    """Data of a fit, numbers along the last axis, with a row for each measurement; None if they are something else."""
    try:
        data = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return np.ascontiguousarray(np.moveaxis(data, -1, 0)) if data.ndim and data.size else None


def _agree(values: Any, others: Any) -> bool:
    """Whether two results are the same but for rounding."""
    values, others = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    finite = np.abs(others[np.isfinite(others)])
    return values.shape == others.shape and bool(
        np.allclose(values, others, rtol=1e-9, atol=1e-9 * finite.max(initial=0.0), equal_nan=True)
    )


@_like(_optimize.curve_fit)
def curve_fit(given: dict[str, Any]) -> Any:
    """Fit a model to data: SciPy's `curve_fit` with the Jacobian filled in.

    Parameters
    ----------
    f : callable
        `f(x, *parameters)` for all of `xdata` at once, as SciPy calls it, or for one measurement only: plain scalar code
        with branches.
    xdata, ydata, sigma, absolute_sigma, …
        SciPy's.
    p0 : sequence, dict or nest, optional
        With a dict the model is called `f(x, **parameters)`, with a list or tuple of arrays `f(x, *parameters)`, with
        another nest `f(x, parameters)`; the fitted parameters come back as such a nest.
    jac : callable or str, optional
        What is given is used as it is: "2-point" leaves SciPy its differences.
    bounds : pair
        (low, high), each a number, an array or a nest like p0.

    Returns
    -------
    popt, pcov, …
        SciPy's. With `full_output=True` and the method "lm" `infodict["derivatives"]` says what was used. `al.covariance`
        takes the result.

    Notes
    -----
    A model that works row by row, as the agreement of its values shows at each evaluation, is traced for one row, and its
    Jacobian comes from lanes: ready in some 30 ms whatever the number of rows. Others are traced as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite.scipy import curve_fit
    >>> t = np.linspace(0.0, 2.0, 9)
    >>> popt, pcov = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 2.0 * np.exp(-1.5 * t))
    >>> popt.round(6)
    array([2. , 1.5])
    """
    f, start = given["f"], given.get("p0")
    space = None if start is None else Space(start, "p0")
    if isinstance(given.get("jac"), str) and "bounds" not in given and given.get("method", "lm") == "lm":
        given["jac"] = False  # MINPACK's own differences, for which SciPy has no name
    if given.get("jac") is not None and (space is None or space.shape is None):
        return _optimize.curve_fit(**{**given, "jac": given["jac"] or None})
    model = _Model(f, space)
    given["f"] = functools.wraps(f, updated=())(lambda x, *p: model.value(x, *p))
    if given.get("jac") is None:
        given["jac"] = model.jacobian
    elif callable(given["jac"]):
        raise ArgumentError("curve_fit takes no jac for a nest of parameters: leave it out, or pass p0 as an array.")
    if space is not None:
        given |= {"p0": space.start, **_sides(given.get("bounds"), space)}
    found = _optimize.curve_fit(**given)
    if len(found) > 2 and isinstance(found[2], dict):
        found[2]["derivatives"] = Derivatives(model)  # type: ignore[arg-type]
    return found if space is None or space.shape is None else (space.nest(found[0]), *found[1:])


# --------------------------------------------------------------------------------------------------- differential equations


@_like(_integrate.solve_ivp)
def solve_ivp(given: dict[str, Any]) -> Any:
    """Solve an initial value problem: SciPy's `solve_ivp` with `jac` filled in for "Radau", "BDF" and "LSODA".

    Parameters
    ----------
    fun : callable
        `fun(t, y, *args)` returns the rates, an array or a list. It runs on floats; only its Jacobian comes from a trace.
    t_span, y0, method, …
        SciPy's.
    jac : callable, matrix or False, optional
        What is given is used as it is; False leaves SciPy its differences.

    Returns
    -------
    OdeResult
        SciPy's, with `derivatives`.

    Notes
    -----
    With more than 50 unknowns and less than 20 % of entries the Jacobian is sparse for Radau and BDF.

    Examples
    --------
    >>> from autograd_lite.scipy import solve_ivp
    >>> def van_der_pol(t, y):
    ...     return [y[1], 1000.0 * (1.0 - y[0] ** 2) * y[1] - y[0]]
    >>> found = solve_ivp(van_der_pol, (0.0, 1000.0), [2.0, 0.0], method="Radau")
    >>> found.success, found.derivatives.uses["jacobian"].count == found.njev
    (True, True)
    """
    fun, method, arguments = given["fun"], given.get("method", "RK45"), given.get("args") or ()
    name, start = getattr(method, "__name__", method), np.asarray(given["y0"])
    f = Evaluations(functools.wraps(fun, updated=())(lambda y, t: fun(t, y, *arguments)), without="jac=False")
    if given.get("jac") is False:
        del given["jac"]
    elif (
        name in ("Radau", "BDF", "LSODA")
        and given.get("jac") is None
        and start.ndim == 1
        and start.dtype.kind in "biuf"
    ):
        if len(start) > SMALL and name != "LSODA":
            # By elements t is an unknown beside y, whose column is left out.
            f = Evaluations(functools.wraps(fun, updated=())(lambda z: fun(z[0], z[1:], *arguments)), without=f.without)
            given["jac"] = lambda t, y, *_: f.jacobian(np.concatenate([[t], y]))[:, 1:]
        else:
            given["jac"] = lambda t, y, *_: f.jacobian(y, float(t), sparse=False)
    found = _integrate.solve_ivp(**given)
    found.derivatives = Derivatives(f)
    return found


@_like(_optimize.differential_evolution)
def differential_evolution(given: dict[str, Any]) -> Any:
    """Find a global minimum: SciPy's `differential_evolution`, whose last polishing uses our derivatives.

    Parameters
    ----------
    func : callable
        As for `minimize`; the population runs on floats.
    bounds : sequence, Bounds or nest
        SciPy's; or a dict or other nest with a pair (low, high) for each number: `func` gets such nests then.
    constraints
        As for `minimize`.
    **options
        SciPy's. With `polish=True`, the default, L-BFGS-B gets our gradient, or trust-constr our gradient and Hessian where
        there are constraints. (SciPy before 1.17 polishes by differences.)

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`; `x` is a nest if the bounds are one.

    Examples
    --------
    >>> from autograd_lite.scipy import differential_evolution
    >>> def egg(p):
    ...     return (p["a"] ** 2 - 2.0) ** 2 + 0.1 * p["a"] + (p["b"] - p["a"]) ** 2
    >>> found = differential_evolution(egg, {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}, rng=1)
    >>> round(found.x["a"], 4), found.derivatives.uses["gradient"].count > 0
    (-1.4204, True)
    """
    bounds, start = given["bounds"], given.get("x0")
    nested = isinstance(bounds, Mapping) or hasattr(bounds, "__dataclass_fields__")
    if start is None and nested:
        start = optree.tree_map(lambda pair: pair[0], bounds, is_leaf=lambda n: type(n) is tuple, namespace=NAMESPACE)  # type: ignore[arg-type]
    space = Space([] if start is None else start)
    f = Evaluations(given["func"], space, _tuple(given.get("args", ())))
    constraints, others = _constraints(given.get("constraints", ()), space, "differential_evolution")
    given |= {"func": _on_nest(given["func"], space), "bounds": space.bounds(bounds), "constraints": constraints}
    if given.get("x0") is not None:
        given["x0"] = space.start
    if given.get("callback") is not None:
        given["callback"] = space.callback(given["callback"])
    method = "trust-constr" if constraints else "L-BFGS-B"

    def polished(_: Any, x: Any, **options: Any) -> Any:
        second = {"hess": lambda x: f.hessian(x, sparse=True)} if constraints else {}
        return _optimize.minimize(f.value, x, jac=f.gradient, method=method, **second, **options)

    if given.get("polish", True) is True and "{bool, callable}" in (_optimize.differential_evolution.__doc__ or ""):
        given["polish"] = polished
    return _finished(_optimize.differential_evolution(**given), Derivatives(f, others, space), space)


# --------------------------------------------------------------------------------------------------------------- IPOPT


class _Grown(Exception):  # noqa: N818 - no error: the solver starts again
    """A branch has added entries to the matrices, whose patterns IPOPT was told."""


class _Program:
    """A nonlinear program as cyipopt asks for it: an objective, constraints, and their sparse derivatives.

    `rows` are linear constraints, a sparse matrix; `weights` for the Hessian are those of the objective and the others.
    """

    def __init__(self, f: Evaluations, others: Sequence[Evaluations], rows: Any, x: Any) -> None:
        def everything(x: Any) -> Any:
            return [f.plain(x), *(unravel(g.plain(x))[0] for g in others)]

        self.rows, self.uses, self.best = rows, f.uses, x
        self.report: Any = None
        self.problem: Any = None
        self.sparse = Sparse(functools.wraps(f.f, updated=())(everything), "auto")
        self.known: dict[str, tuple[bytes, Any]] = {}
        self.sizes = [len(part) for part in self._asked("values", x)[1:]]
        self.structures = {kind: self._asked(kind, x) for kind in ("jacobian", "hessian")}

    def _asked(self, kind: str, x: Any, weights: Any = None) -> Any:
        key = x.tobytes() + (b"" if weights is None else weights.tobytes())
        known = self.known.get(kind)
        if known is not None and known[0] == key:
            return known[1]
        start = time.perf_counter()
        if kind == "values":
            found = self.sparse.value(x)
        elif kind == "jacobian":
            found = self.sparse.jacobian(x)
        else:
            weights = np.ones(1 + sum(self.sizes)) if weights is None else weights
            found = self.sparse.hessian(x, weights, triangle="lower")
        self.uses.setdefault(kind, Use()).add(time.perf_counter() - start)
        if kind != "values":
            self.uses[kind].form = f"sparse, {found.nnz:,} of {found.shape[0]:,} × {found.shape[1]:,}"
            if kind in vars(self).get("structures", {}) and found.nnz != self.structures[kind].nnz:
                self.best = x.copy()
                raise _Grown
        self.known[kind] = key, found
        return found

    def intermediate(self, *_: Any) -> bool:
        """Report an iterate; False stops IPOPT."""
        callback, iterate = self.report, self.problem.get_current_iterate()
        if callback is None or iterate is None:
            return True
        try:
            if {*inspect.signature(callback).parameters} == {"intermediate_result"}:
                fun = self.objective(iterate["x"])
                callback(intermediate_result=_optimize.OptimizeResult(x=iterate["x"].copy(), fun=fun))
            else:
                callback(iterate["x"].copy())
        except StopIteration:
            return False
        return True

    def objective(self, x: Any) -> float:
        return float(self._asked("values", x)[0])

    def gradient(self, x: Any) -> Any:
        return self._asked("jacobian", x)[:1].toarray().ravel()

    def constraints(self, x: Any) -> Any:
        found = self._asked("values", x)[1:]
        return np.concatenate([np.empty(0), *found, self.rows @ x])

    def jacobianstructure(self) -> Any:
        return _sparse.vstack([_ones(self.structures["jacobian"])[1:], _ones(self.rows)]).nonzero()

    def jacobian(self, x: Any) -> Any:
        found = self._asked("jacobian", x)
        return np.concatenate([found.data[found.indptr[1] :], self.rows.data])

    def hessianstructure(self) -> Any:
        return _ones(self.structures["hessian"]).nonzero()

    def hessian(self, x: Any, multipliers: Any, factor: float) -> Any:
        weights = np.concatenate([[factor], multipliers[: sum(self.sizes)]])
        return self._asked("hessian", x, weights).data


def _ones(matrix: Any) -> Any:
    """The pattern of a matrix whose stored entries may be 0."""
    return type(matrix)((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)


def _ipopt(f: Evaluations, others: Sequence[Evaluations], given: Mapping[str, Any]) -> Any:
    """Minimise by IPOPT with sparse first and second derivatives."""
    try:
        import cyipopt  # noqa: PLC0415 - no dependency
    except ImportError as error:
        raise AutogradLiteError(
            'method="ipopt" needs cyipopt, which is not installed. Install it with pip install cyipopt-wheels (IPOPT inside), '
            "or with conda install -c conda-forge cyipopt."
        ) from error
    for name in ("jac", "hess", "hessp"):
        if given.get(name) is not None:
            raise ArgumentError(f'{name}={given[name]!r:.60}: method="ipopt" takes our derivatives only. Leave it out.')
    x, constraints = given["x0"], given["constraints"]
    linear = [c for c in constraints if isinstance(c, _optimize.LinearConstraint)]
    blocks = [_sparse.csr_array(c.A if _sparse.issparse(c.A) else np.atleast_2d(c.A)) for c in linear]
    rows = _sparse.csr_array(_sparse.vstack([_sparse.csr_array((0, len(x))), *blocks]))
    ordered = [c for c in constraints if c not in linear] + linear
    while True:
        program = _Program(f, others, rows, x)
        sizes = [*program.sizes, *(block.shape[0] for block in blocks)]
        (lb, ub), (cl, cu) = _box(given.get("bounds"), len(x)), _limits(ordered, sizes)
        problem = cyipopt.Problem(n=len(x), m=len(cl), problem_obj=program, lb=lb, ub=ub, cl=cl, cu=cu)
        program.problem, program.report = problem, given.get("callback")
        for name, value in _ipopt_options(given).items():
            problem.add_option(name, value)
        try:
            x, info = problem.solve(x)
            break
        except _Grown:
            x = program.best
    return _optimize.OptimizeResult(
        x=x, success=info["status"] in (0, 1), status=info["status"], message=info["status_msg"].decode(),
        fun=info["obj_val"], jac=program.gradient(x), multipliers=info["mult_g"], nfev=program.uses["values"].count,
        njev=program.uses["jacobian"].count, nhev=program.uses["hessian"].count,
    )  # fmt: skip


def _limits(constraints: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Both sides of all constraints, a number for each."""
    return [
        np.concatenate(
            [np.empty(0), *(np.broadcast_to(getattr(c, side), n) for c, n in zip(constraints, sizes, strict=True))]
        )
        for side in ("lb", "ub")
    ]


def _box(bounds: Any, count: int) -> Any:
    """Both sides of bounds in one of SciPy's forms."""
    if bounds is None:
        return np.full(count, -np.inf), np.full(count, np.inf)
    if isinstance(bounds, _optimize.Bounds):
        return np.broadcast_to(bounds.lb, count).astype(float), np.broadcast_to(bounds.ub, count).astype(float)
    pairs = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
    return tuple(np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))


def _ipopt_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """IPOPT's options, with SciPy's names for some of them; silent unless asked."""
    found = {"print_level": 0, "sb": "yes"}
    if given.get("tol") is not None:
        found["tol"] = given["tol"]
    for name, value in (given.get("options") or {}).items():
        if name == "disp":
            found["print_level"] = 5 if value else 0
        else:
            found["max_iter" if name == "maxiter" else name] = value
    return found


# -------------------------------------------------------------------------------------------- for those who call SciPy


def arguments(f: Callable[..., Any], solver: str, x0: Any = None) -> dict[str, Any]:
    """Return what a solver of SciPy takes for a function: itself and its derivatives, compiled.

    Parameters
    ----------
    f : callable
        The function; further arguments (`args=` of the solver) are passed on as data.
    solver : str
        "minimize" (value and gradient) or a method of `minimize`, with what it takes; "least_squares", "root",
        "root_scalar", "curve_fit", "solve_ivp", "NonlinearConstraint".
    x0 : nest, optional
        The starting point, if it is a nest: the functions then take vectors, and the vector of x0 is among the arguments.

    Returns
    -------
    dict
        Keywords for SciPy's function.

    Raises
    ------
    ArgumentError
        If the solver is none of these.

    Examples
    --------
    >>> import scipy.optimize
    >>> from autograd_lite.scipy import arguments
    >>> given = arguments(lambda x: [x[0] ** 2 - x[1], x[1] - 4.0], "least_squares")
    >>> sorted(given)
    ['fun', 'jac']
    >>> scipy.optimize.least_squares(x0=[1.0, 1.0], **given).x.round(6)
    array([2., 4.])
    """
    name = solver if isinstance(solver, str) else getattr(solver, "__name__", repr(solver))
    space = Space([] if x0 is None else x0)
    found = {"x0": space.start} if x0 is not None else {}
    if name == "curve_fit":
        model = _Model(f, None)
        return {"f": functools.wraps(f, updated=())(lambda x, *p: model.value(x, *p)), "jac": model.jacobian}
    if name == "solve_ivp":
        by_state = Evaluations(functools.wraps(f, updated=())(lambda y, t, *more: f(t, y, *more)))
        return {"fun": f, "jac": lambda t, y, *more: by_state.jacobian(y, float(t), *more, sparse=False)}
    if name == "root_scalar":
        e = Evaluations(f, Space(0.0, number=True))
        return {
            "f": lambda x, *more: e.value(np.full(1, x), *more),
            "fprime": lambda x, *more: float(e.gradient(np.full(1, x), *more)[0]),
            "fprime2": lambda x, *more: float(e.hessian(np.full(1, x), *more)[0, 0]),
        }
    e = Evaluations(f, space)
    if name in ("least_squares", "root"):
        return {"fun": e.values, "jac": functools.partial(e.jacobian, sparse=name == "least_squares"), **found}
    if name == "NonlinearConstraint":
        return {"fun": e.values, "jac": e.jacobian, "hess": e.weighted}
    method = name.lower()
    found |= {"fun": e.value, "jac": e.gradient, **({"method": name} if method != "minimize" else {})}
    if method in PRODUCT and len(space.start) > SMALL:
        return {**found, "hessp": e.product}
    if method in HESSIAN - {"_custom"}:
        return {**found, "hess": functools.partial(e.hessian, sparse=method in SECOND)}
    if method in {"minimize", "bfgs", "cg", "l-bfgs-b", "tnc", "slsqp"}:
        return found
    raise ArgumentError(
        f'{name!r} is no solver that takes derivatives. Give "minimize" or one of its methods, "least_squares", "root", '
        '"root_scalar", "curve_fit", "solve_ivp" or "NonlinearConstraint".'
    )


def _elsewhere(name: str) -> Any:
    """A name of SciPy's, which has no derivatives to fill in."""
    for module in (_optimize, _integrate):
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_optimize.__all__, *_integrate.__all__})


#: `from autograd_lite.scipy import optimize` and `import autograd_lite.scipy.optimize` give the same functions.
optimize = integrate = sys.modules[__name__]
sys.modules[f"{__name__}.optimize"] = sys.modules[f"{__name__}.integrate"] = optimize

__getattr__ = hints.of_module(__name__, "al.scipy", lazily=_elsewhere)
