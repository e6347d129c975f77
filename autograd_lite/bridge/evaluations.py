"""A function and its derivatives as a solver asks for them: computed once for a point, counted and timed."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite.bridge.spaces import Space, renamed, rows_of
from autograd_lite.errors import ArgumentError, AutogradLiteError, OperandError, OutputError
from autograd_lite.functions import dot
from autograd_lite.nests import unravel
from autograd_lite.tape.call import Compiled, jit
from autograd_lite.tape.sparse import Sparse
from autograd_lite.transforms import grad, hessian, jacobian, name_of, value_and_grad
from autograd_lite.variable import Variable

#: Up to so many unknowns matrices are dense, and second derivatives whole matrices instead of products.
SMALL = 50
#: From this share of entries on a matrix is dense.
DENSE = 0.2


class LostError(OperandError):
    """A function, of this name, whose results are Variables."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} uses a Variable from outside, and solvers run on plain numbers: the derivative of their result by that "
            "Variable would be lost. Use x.value, or al.root, al.argmin or al.odeint, which differentiate the equation that "
            "is solved."
        )


class Use:
    """How often a derivative was computed, in which form, and in which time.

    Attributes
    ----------
    form : str
        "dense", or the share of entries.
    count : int
        Evaluations. One that is asked for twice at one point counts once.
    paths : int
        Ways through its branches that were met.
    ready : float
        Seconds of the first evaluation, with tracing and compiling.
    seconds : float
        Seconds of all others.
    """

    def __init__(self) -> None:
        self.form, self.count, self.paths, self.ready, self.seconds = "dense", 0, 1, 0.0, 0.0

    def add(self, seconds: float) -> None:
        """Count an evaluation."""
        self.ready, self.seconds = (seconds, 0.0) if not self.count else (self.ready, self.seconds + seconds)
        self.count += 1

    def __repr__(self) -> str:
        ways = f", {self.paths} paths" if self.paths > 1 else ""
        later = f", then {_duration(self.seconds / (self.count - 1))} each" if self.count > 1 else ""
        times = f"{self.count:,} evaluation{'s' * (self.count != 1)}, the first {_duration(self.ready)}{later}"
        return f"{self.form}{ways}; {times}"


def _duration(seconds: float) -> str:
    """Three digits with a unit.

    >>> _duration(0.0000385), _duration(2.5)
    ('38.5 µs', '2.5 s')
    """
    unit, name = next((u, n) for u, n in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if seconds >= u or n == "µs")
    return f"{seconds / unit:.3g} {name}"


class Evaluations:
    """A function of a vector and its derivatives, as a solver asks for them: computed once for a point, counted, timed.

    The function is traced at the first call of each kind. `without` says how to ask SciPy for its differences instead.
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
        space = space or Space(())
        self._known: dict[str, tuple[Any, Any]] = {}
        self._made: dict[Any, Any] = {}
        self._alone: dict[str, Any] = {}
        self._more: tuple[Any, ...] = ()
        #: The compiled function of x alone that this is, if it is one.
        self.compiled = f if isinstance(f, Compiled) and not keywords and not arguments else None
        if isinstance(f, Compiled) and not keywords:
            # It keeps its derivatives for later calls, in which other arguments may come: these are no constants.
            self._more, arguments = arguments, ()
            self._made = vars(f).setdefault("_derivatives", {}).setdefault(space.shape, self._made)
        self.f = renamed(f, lambda x, *more: f(space.nest(x), *more, *arguments, **(keywords or {})))

    @property
    def kept(self) -> dict[Any, Any]:
        """What a compiled function keeps for later calls."""
        return self._made

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

    def jacobian(self, x: Any, *more: Any, sparse: bool = True, leaving: int = 0) -> Any:
        """Derivatives of all numbers that are returned: an array, or a sparse one where that is allowed and pays.

        The first columns, as many as `leaving`, are left out.
        """
        found = self._asked("jacobian", x, *more)
        return self._formed("jacobian", found[:, leaving:] if leaving else found, sparse=sparse)

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
        if not hasattr(matrix, "nnz"):
            use.form = f"dense, {rows:,} × {columns:,}"
            return matrix.copy()
        share = matrix.nnz / max(rows * columns, 1)
        kept = sparse and share < DENSE
        use.form = f"{100 * share:.2g} % of {rows:,} × {columns:,}, {'sparse' if kept else 'handed over dense'}"
        return matrix.copy() if kept else matrix.toarray()

    # ------------------------------------------------------------------------------------------------ how it is computed

    def _asked(self, kind: str, x: Any, *more: Any) -> Any:
        """The result of a kind at a point, not computed again where it was the last one."""
        if np.iscomplexobj(x):
            raise ArgumentError(
                f"a complex step asks for derivatives of {self.name}, which are compiled for real numbers: leave out "
                '"cs", and what it was for is filled in, exactly.'
            )
        x = np.asarray(x, dtype=np.float64)
        numbers = [np.asarray(part) for part in more if isinstance(part, (float, int, np.ndarray, np.generic))]
        key = x.tobytes(), *(part.tobytes() for part in numbers if part.dtype != object)
        known = self._known.get(kind)
        if known is not None and known[0] == key and len(key) == 1 + len(more):
            return known[1]
        start = time.perf_counter()
        try:
            found = self._computed(kind, x, *more)
        except LostError:
            raise
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
            if any(path.tape.captured for path in elements.paths()):
                raise LostError(self.name)
            return found
        function = self._made.get(kind) or self._made.setdefault(kind, jit(TRANSFORMS[kind](self.f)))
        found = function(x, *more, *self._more)
        first = found[0] if isinstance(found, tuple) else found
        if isinstance(first, Variable) or (isinstance(first, np.ndarray) and first.dtype == object):
            raise LostError(self.name)
        return found

    def _by_elements(self) -> Sparse:
        kept = self._alone if self._more else self._made
        if "elements" not in kept:
            kept["elements"] = Sparse(renamed(self.f, self.plain), "auto")
        return kept["elements"]  # type: ignore[no-any-return]

    def counted(self) -> dict[str, Use]:
        """The uses, with today's number of paths."""
        for kind, use in self.uses.items():
            made = self._made.get(kind) or self._alone.get("elements") or self._made.get("elements")
            use.paths = len(made.paths()) if made is not None else 1
        return self.uses


def _product_of(f: Callable[..., Any]) -> Callable[..., Any]:
    # Twice in reverse; a forward sweep over the gradient would keep sums over long arrays as lanes too.
    return grad(renamed(f, lambda x, v, *more: dot(grad(_number_of(f))(x, *more), v)))


def _weighted_of(f: Callable[..., Any]) -> Callable[..., Any]:
    rows = rows_of(f)
    return hessian(renamed(f, lambda x, v, *more: dot(v, rows(x, *more))))


def _number_of(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the one number of a list in place of that list, as SciPy has it."""

    def number(*arguments: Any) -> Any:
        found = f(*arguments)
        while type(found) in (list, tuple) and len(found) == 1:
            (found,) = found
        if type(found) is tuple and len(found) == 2 and np.size(found[0]) == 1:
            raise OutputError(
                f"{name_of(f)} returned a pair, it seems a value and its gradient. Derivatives are filled in here: pass the "
                "function of the value alone, f and not value_and_grad(f). minimize takes such pairs with jac=True."
            )
        return found

    return renamed(f, number)


#: The kinds of results of a function, by transforms and by elements.
TRANSFORMS: dict[str, Callable[..., Any]] = {
    "gradient": lambda f: value_and_grad(_number_of(f)),
    "values": rows_of,
    "jacobian": lambda f: jacobian(rows_of(f)),
    "hessian": lambda f: hessian(_number_of(f)),
    "weighted": _weighted_of,
    "product": _product_of,
}
BY_ELEMENTS: dict[str, Callable[..., Any]] = {
    "values": lambda s, x: np.array(unravel(s.value(x))[0], dtype=np.float64),
    "jacobian": Sparse.jacobian,
    "hessian": Sparse.hessian,
    "weighted": Sparse.hessian,
}


class Derivatives:
    """What derivatives a solver was given, and what they cost: `result.derivatives`.

    Parameters
    ----------
    function : Evaluations
        What the solver asked.
    others : sequence of Evaluations
        Those of constraints.
    space : Space, optional
        What its vectors stood for.

    Attributes
    ----------
    uses : dict
        A `Use` for each derivative that was asked for, with `form`, `count`, `paths`, `ready` and `seconds`: "gradient"
        (with the value), "jacobian", "hessian", "product" (Hessian times vector), "weighted" (Hessian of a weighted sum),
        "values". Those of constraints follow their number: "constraint 0: jacobian".

    Examples
    --------
    >>> from autograd_lite.scipy import least_squares
    >>> found = least_squares(lambda x: [x[0] - 1.0, 10.0 * (x[1] - x[0] ** 2)], [0.0, 0.0])
    >>> found.derivatives.uses["jacobian"].form, found.derivatives.uses["jacobian"].count == found.njev
    ('dense, 2 × 2', True)
    """

    def __init__(self, function: Any, others: Sequence[Evaluations] = (), space: Space | None = None) -> None:
        self._function, self._space, self.uses = function, space, {**function.counted()}
        for number, other in enumerate(others):
            self.uses |= {f"constraint {number}: {kind}": use for kind, use in other.counted().items()}

    def hessian(self, x: Any) -> Any:
        """Return the matrix of second derivatives at a point.

        Parameters
        ----------
        x : vector or nest
            As in the solver's result.

        Returns
        -------
        array
            (n, n), in the order of the numbers.

        Raises
        ------
        ArgumentError
            If they come from a pickle, which keeps what they cost and not the function.
        """
        return self._known_function().hessian(self._vector(x))

    def gradient(self, x: Any) -> Any:
        """Return the first derivatives at a point.

        Parameters
        ----------
        x : vector or nest
            As in the solver's result.

        Returns
        -------
        array
            (n,), in the order of the numbers.

        Raises
        ------
        ArgumentError
            As `hessian`.
        """
        return self._known_function().gradient(self._vector(x))

    def _known_function(self) -> Any:
        if self._function is None:
            raise ArgumentError(
                "these derivatives come from a pickle, which keeps what they cost and not the function. Compute "
                "al.hessian(f)(x) instead."
            )
        return self._function

    def _vector(self, x: Any) -> Any:
        nested = self._space is not None and self._space.shape is not None
        return self._space.flat(x, "x") if nested else np.asarray(x, np.float64)  # type: ignore[union-attr]

    def __repr__(self) -> str:
        if not self.uses:
            return "no derivatives: the method takes none, or was given its own"
        return "\n".join(f"{kind}: {use!r}" for kind, use in self.uses.items())

    def __getstate__(self) -> Any:
        return {"uses": self.uses, "_function": None, "_space": None}

    def __deepcopy__(self, memo: Any) -> "Derivatives":
        return self
