"""Functions to functions: gradients, Jacobians, Hessians and products with them.

All run `f` once on fresh Variables and sweep over what it recorded. A Variable that goes in, by argument or by closure,
gives Variables that come out: derivatives of derivatives need nothing more. There is no confusion between the levels,
since each derivative is taken with respect to its own fresh nodes.
"""

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import numpy as np
import optree

from autograd_lite import context, foreign, hints, pickles, primitives
from autograd_lite.backward import Number, Reach, Seeds, Unconnected, result
from autograd_lite.errors import ArgumentError, DerivativeWarning, OperandError, OutputError, UnconnectedError
from autograd_lite.frames import library_frames
from autograd_lite.nests import NAMESPACE, Shape, like_given, mapped, unravel
from autograd_lite.refusals import refuse_solvers, watched
from autograd_lite.variable import Variable, is_input_of

if TYPE_CHECKING:
    from autograd_lite.typed import Function

Argnums = int | tuple[int, ...]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Run:
    """One run of a function on fresh Variables."""

    inputs: list[Variable]
    input_shape: Shape
    output: Any
    oldest: int  # number before the first input: what is older came from outside
    under_way: context.Run

    @classmethod
    def of(
        cls, f: Callable[..., Any], chosen: Any, put_in: Callable[[Any], Sequence[Any]], keywords: dict[str, Any]
    ) -> "Run":
        """Make `chosen` fresh, put it into the arguments, call `f`."""
        numbers, shape = unravel(chosen, f"an argument of {name_of(f)}")
        oldest = Variable(0.0).number
        inputs = [primitives.positive(n) if type(n) is Variable else Variable(n) for n in numbers]
        with watched(name_of(f)), context.differentiated(), context.running_on(inputs, oldest) as under_way:
            arguments = put_in(shape.pack(inputs))
            try:
                output = f(*arguments, **keywords)
            except (IndexError, AttributeError) as error:
                raise (foreign.explained(error, shape.given.values()) if shape.given else error) from error.__cause__
            refuse_solvers(under_way.decided)
        return cls(inputs, shape, output, oldest, under_way)

    def reach(self, outputs: Sequence[Any]) -> tuple[Reach, bool]:
        """The nodes between inputs and outputs, and whether the outputs depend on Variables from outside."""
        reach = Reach((y for y in outputs if type(y) is Variable), self.oldest)
        return reach, reach.leads_outside()

    def warn_if_cut(self, connected: Container[int], f: Callable[..., Any]) -> None:
        """Say so where the outputs do not depend on the inputs, by which the function decided all the same."""
        if not self.under_way.decided or any(x._number in connected for x in self.inputs):
            return
        where = next((at for node, at in self.under_way.decided if is_input_of(node, [self.under_way])), None)
        if where is not None:
            warnings.warn(
                f"the result of {name_of(f)} does not depend on its argument, although it was compared or read at {where}. "
                "Branches cut the derivative: it is 0 here, which may not be meant. Select with where(condition, a, b), "
                "or take the derivative of the equation that a search solves.",
                DerivativeWarning,
                stacklevel=1 + library_frames(),
            )

    def plain(self, nest: Any) -> Any:
        """The nest with numbers for Variables, but for those that depend on Variables from outside."""
        return mapped(lambda v: v if self.reach([v])[1] else v._value, nest)

    def pulled_back(
        self, reach: Reach, seeds: list[tuple[Variable, Number]], *, create_graph: bool, to_pack: bool = False
    ) -> Any:
        """Derivatives of Σ seed·output with respect to the inputs: a list, or `to_pack` perhaps an array."""
        if not create_graph and context.recording() and any(hasattr(n._primitive, "pulled_back") for n in reach.inner):
            # Of numbers alone, in a trace: a loop that is one node has no local gradients, only a graph of them.
            found = self.pulled_back(reach, seeds, create_graph=True)
            return [_primal(number, keep=False) for number in found]
        if create_graph:
            reach = reach.towards(self.inputs)
            seeds = [(y, seed) for y, seed in seeds if y._number in reach.met]
        elif seeds:
            return reach.numbers(seeds, self.inputs, as_array=to_pack and self.input_shape.has_arrays)
        adjoints = reach.adjoints(seeds, create_graph=create_graph) if seeds else {}
        return [result(adjoints.get(x._number), create_graph=create_graph) for x in self.inputs]


def _primal(number: Number, *, keep: bool) -> Number:
    return number._value if type(number) is Variable and not keep else number


def name_of(f: Callable[..., Any]) -> str:
    """The name of a function in a message."""
    return getattr(f, "__name__", None) or type(f).__name__


def named(wrapper: Any, label: str, f: Callable[..., Any]) -> str:
    """The name of a transform of a function in messages.

    Its place is that of the function: a decorator of others above it, with `functools.wraps`, is found there by pickle.
    """
    name = f"{label}({name_of(f)})"
    wrapper.__module__ = getattr(f, "__module__", None) or type(wrapper).__module__
    wrapper.__qualname__ = getattr(f, "__qualname__", name)
    return name


class _Signature:
    """That of the function inside, for those who do not ask this one."""

    def __get__(self, instance: "Transformed | None", owner: type) -> inspect.Signature | None:
        return None if instance is None else inspect.signature(instance.recipe[1])


class Transformed(functools.partial[Any]):
    """A transform of a function. It is called like a function, and pickled as the transform and what it was made of.

    As a `partial`, of no arguments, it stands in no Python code between the caller and what is called.
    """

    __signature__ = _Signature()
    recipe: tuple[str, Callable[..., Any], Any, dict[str, Any]]
    __name__: str
    __qualname__: str

    @classmethod
    def of(
        cls, call: Callable[..., Any], label: str, f: Callable[..., Any], argnums: Any, options: Any
    ) -> "Transformed":
        """The transform with this label of f, which is done by `call`."""
        self = cls(call)
        functools.update_wrapper(self, f, updated=())
        self.__name__ = named(self, label, f)
        self.recipe = label, f, argnums, options
        return self

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The method of an instance: bound like a function, with the instance as first argument."""
        return self if instance is None else pickles.Method(self, instance)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        place = pickles.written_as(self)
        return (pickles.at, place) if place else (transformed, self.recipe)

    def __copy__(self) -> "Transformed":
        return self  # nothing in it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Transformed":
        label, f, argnums, options = self.recipe
        again = f if pickles.place_of(self) else copy.deepcopy(f, memo)
        return self if again is f else transformed(label, again, argnums, options)


def _transform(
    label: str, f: Callable[..., Any], argnums: Argnums = 0, **options: Any
) -> Callable[[Callable[..., Any]], Transformed]:
    """Dress a function up as `label` of f."""
    if not callable(f):
        raise ArgumentError(f"{label} takes a function and got {f!r}. Write {label}(f)(x), not {label}(f(x)).")
    positions = argnums if isinstance(argnums, tuple) else (argnums,)
    if not positions or any(isinstance(p, bool) or not isinstance(p, int) for p in positions):
        mapped = "" if isinstance(argnums, (str, list)) else f" What is given to f comes later: {label}(f)(x)."
        raise ArgumentError(
            f"argnums={argnums!r:.60}: give the position of an argument, or a tuple of positions.{mapped}"
        )
    return lambda call: Transformed.of(call, label, f, argnums, options)


def recipe_of(function: Any) -> tuple[str, Callable[..., Any], Argnums, dict[str, Any]] | None:
    """Which transform of which function this is: `(label, f, argnums, options)`; None if it is something else."""
    return function.recipe if type(function) is Transformed else None


def transformed(label: str, f: Callable[..., Any], argnums: Any, options: dict[str, Any]) -> Any:
    """The transform of this label of a function; see `recipe_of`."""
    return hvp(f) if label == "hvp" else globals()[label](f, argnums, **options)


def _run(f: Callable[..., Any], argnums: Argnums, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Run:
    """Run `f` with the chosen arguments fresh."""
    positions = argnums if isinstance(argnums, tuple) else (argnums,)
    count = len(arguments)
    if not all(-count <= p < count for p in positions):
        raise ArgumentError(
            f"argnums={argnums}, but {name_of(f)} was called with {count} positional argument{'s' * (count != 1)}. Pass "
            "what is to be differentiated by position; positions count from 0."
        )
    if len({p % count for p in positions}) < len(positions):
        raise ArgumentError(f"argnums={argnums} names an argument of {name_of(f)} twice; name each once.")
    chosen = tuple(arguments[p] for p in positions) if isinstance(argnums, tuple) else arguments[argnums]

    def put_in(fresh: Any) -> list[Any]:
        full = list(arguments)
        for position, argument in zip(positions, fresh if isinstance(argnums, tuple) else (fresh,), strict=True):
            full[position] = argument
        return full

    return Run.of(f, chosen, put_in, keywords)


def _split(output: Any, f: Callable[..., Any], *, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise OutputError(
            f"{name_of(f)} returned {output!r:.80}; with has_aux=True it must return a pair (number, anything)."
        )
    return output


def one_number(output: Any, f: Callable[..., Any]) -> Number:
    """The output of `f` as a single number."""
    if type(output) is Variable:
        return output
    if isinstance(output, np.ndarray) and output.size == 1 and output.dtype == object:
        return one_number(output.item(), f)
    if isinstance(output, (bool, np.bool_)):
        raise OutputError(
            f"{name_of(f)} returned {output}, the outcome of a comparison; a gradient needs one number. Return the number "
            "itself, or where(condition, a, b)."
        )
    try:
        numbers, shape = unravel(output)
    except OperandError as error:
        raise OutputError(f"{name_of(f)} returned {output!r:.80}; a gradient needs one number.") from error
    if shape.leaves == (None,) and len(numbers) == 1 and shape.containers.is_leaf():
        return numbers[0]
    if output is None:
        raise OutputError(f"{name_of(f)} returned None; a gradient needs one number. Is a return statement missing?")
    if isinstance(output, np.ndarray) and output.size == 1:
        return numbers[0]
    raise OutputError(
        f"{name_of(f)} returned a {type(output).__name__} of {len(numbers)} number{'s' * (len(numbers) != 1)}; a gradient "
        f"needs one number. Use jacobian({name_of(f)}), or add them up first."
    )


def _packed(run: Run, gradient: Any, connected: Container[int], unconnected: str, f: Callable[..., Any]) -> Any:
    """The gradient as a nest; what is asked for in place of leaves that the output does not depend on."""
    shape = run.input_shape
    packed = shape.labelled(shape.pack(gradient))
    if unconnected == "zero":
        return packed
    leaves, start = optree.tree_leaves(packed, namespace=NAMESPACE), 0
    for position, (path, size) in enumerate(zip(shape.containers.paths(), shape.sizes, strict=True)):
        lost = size > 0 and not any(x._number in connected for x in run.inputs[start : start + size])
        start += size
        if lost and unconnected == "raise":
            place = "".join(f"[{step!r}]" for step in path)
            raise UnconnectedError(
                f"{name_of(f)} does not depend on {place or 'its argument'}{' of its argument' if place else ''}. Check that "
                'it is used, and not through a plain number taken from it; or pass unconnected="zero" or "none".'
            )
        if lost:
            leaves[position] = None
    return optree.tree_unflatten(shape.containers, leaves)


@overload
def value_and_grad(
    f: Callable[..., Variable], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> "Function[..., tuple[float, Any]]": ...
@overload
def value_and_grad(
    f: Callable[P, R], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> "Function[P, tuple[R, Any]]": ...
@hints.keywords
def value_and_grad(
    f: Callable[P, R], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> Callable[P, tuple[R, Any]]:
    """Return a function that computes a scalar function and its gradient in one run.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns one number, or `(number, anything)` with `has_aux`.
    argnums : int or tuple of int, default 0
        Which positional arguments to differentiate with respect to.
    has_aux : bool, default False
        Whether `f` returns a second value that is only passed on.
    unconnected : {"zero", "none", "raise"}
        What to give for a number or an array of the argument that the output does not depend on, in the branches that were
        taken. In an array that is used in part, the other numbers are 0 in any case.

    Returns
    -------
    callable
        Same arguments as `f`; returns `(value, gradient)`, or `((value, aux), gradient)`. The gradient has the structure
        and shape of the argument, or is a tuple of such if `argnums` is a tuple.

    Raises
    ------
    OutputError
        If `f` does not return one number; see `jacobian`.
    OperandError
        If the argument holds something that is not a real number.
    UnconnectedError
        With `unconnected="raise"`, with the place of the unused leaf.

    Notes
    -----
    x̄ = Σ ȳ·∂y/∂x over the nodes y that use x [1]_. Time: a small constant times that of `f`, whatever the number of
    inputs. Memory: one node per operation, 96 bytes; about 170 without the compiled core.

    References
    ----------
    .. [1] Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    >>> value_and_grad(lambda p: p["a"] * 3.0, unconnected="none")({"a": 2.0, "b": np.ones(3)})
    (6.0, {'a': 3.0, 'b': None})
    """
    if unconnected not in ("zero", "none", "raise"):
        raise ArgumentError(f'unconnected={unconnected!r}: choose "zero", "none" or "raise".')

    @_transform("value_and_grad", f, argnums, has_aux=has_aux, unconnected=unconnected)
    def value_and_gradient(*arguments: Any, **keywords: Any) -> Any:
        run = _run(f, argnums, arguments, keywords)
        output, aux = _split(run.output, f, has_aux=has_aux)
        y = one_number(output, f)
        reach, outside = run.reach([y])
        connected: Container[int] = ()
        if run.under_way.decided or unconnected != "zero":
            connected = reach.connected([y] if type(y) is Variable else [])
        run.warn_if_cut(connected, f)
        gradient = run.pulled_back(reach, [(y, 1.0)] if type(y) is Variable else [], create_graph=outside, to_pack=True)
        value = _primal(y, keep=outside)
        if has_aux:
            value = value, run.plain(aux)
        return value, _packed(run, gradient, connected, unconnected, f)

    return value_and_gradient


@overload
def grad(
    f: Callable[..., Variable], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> "Function[..., Any]": ...
@overload
def grad(
    f: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> "Function[P, Any]": ...
@hints.keywords
def grad(
    f: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, unconnected: Unconnected = "zero"
) -> Callable[P, Any]:
    """Return a function that computes the gradient of a scalar function.

    As `value_and_grad`, without the value: returns the gradient, or `(gradient, aux)` with `has_aux`.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns one number, or `(number, anything)` with `has_aux`.
    argnums : int or tuple of int, default 0
        Which positional arguments to differentiate with respect to.
    has_aux : bool, default False
        Whether `f` returns a second value that is only passed on.
    unconnected : {"zero", "none", "raise"}
        What to give for a number or an array that the output does not depend on; see `value_and_grad`.

    Returns
    -------
    callable
        Same arguments as `f`; returns the gradient, with the structure and shape of the argument, or a tuple of such if
        `argnums` is a tuple.

    Examples
    --------
    >>> from autograd_lite import sin
    >>> round(grad(lambda x: x * sin(x))(2.0), 12)  # sin 2 + 2 cos 2
    0.077003753731
    >>> grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 3.0})
    {'a': 3.0, 'b': 2.0}
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    dressed = _transform("grad", f, argnums, has_aux=has_aux, unconnected=unconnected)
    both: Any = value_and_grad(f, argnums, has_aux, unconnected=unconnected)
    both = both.func  # without what stands around it

    @dressed
    def gradient(*arguments: Any, **keywords: Any) -> Any:
        value, derivative = both(*arguments, **keywords)
        return (derivative, value[1]) if has_aux else derivative

    return gradient


@overload
def jacobian(f: Callable[..., Variable], argnums: Argnums = 0) -> "Function[..., Any]": ...
@overload
def jacobian(f: Callable[P, Any], argnums: Argnums = 0) -> "Function[P, Any]": ...
@hints.keywords
def jacobian(f: Any, argnums: Argnums = 0) -> Any:
    """Return a function that computes all first derivatives of a function with any nest of outputs.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest of numbers.
    argnums : int or tuple of int, default 0
        Which positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        Same arguments as `f`. Returns the structure of the output, in which each number is replaced by the structure of
        the argument; arrays have the shape of the output followed by that of the argument.

    Notes
    -----
    One reverse sweep per output, or one forward sweep per input, whichever are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: np.array([x[0] * x[1], x[1]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [0., 1.]])
    """

    @_transform("jacobian", f, argnums)
    def jacobian_matrix(*arguments: Any, **keywords: Any) -> Any:
        run = _run(f, argnums, arguments, keywords)
        outputs, output_shape = unravel(run.output, f"the output of {name_of(f)}")
        reach, outside = run.reach(outputs)
        if len(outputs) <= len(run.inputs):
            rows = [
                run.pulled_back(Reach([y], run.oldest), [(y, 1.0)], create_graph=outside)
                if type(y) is Variable
                else [result(None, create_graph=outside)] * len(run.inputs)
                for y in outputs
            ]
        else:
            columns = [_pushed_forward(reach, outputs, [(x, 1.0)], create_graph=outside) for x in run.inputs]
            rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in outputs]
        return output_shape.pack_matrix(rows, run.input_shape)

    return jacobian_matrix


def _pushed_forward(reach: Reach, outputs: Sequence[Any], seeds: Seeds, *, create_graph: bool) -> list[Number]:
    if not create_graph and context.recording() and any(hasattr(n._primitive, "pushed") for n in reach.inner):
        found = _pushed_forward(reach, outputs, seeds, create_graph=True)  # as in `Run.pulled_back`
        return [_primal(number, keep=False) for number in found]
    found = reach.tangents(outputs, seeds, create_graph=create_graph)
    return [result(tangent, create_graph=create_graph) for tangent in found]


@overload
def hessian(f: Callable[..., Variable], argnums: Argnums = 0) -> "Function[..., Any]": ...
@overload
def hessian(f: Callable[P, Any], argnums: Argnums = 0) -> "Function[P, Any]": ...
@hints.keywords
def hessian(f: Any, argnums: Argnums = 0) -> Any:
    """Return a function that computes all second derivatives of a scalar function.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns one number.
    argnums : int or tuple of int, default 0
        Which positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        Same arguments as `f`. Returns the structure of the argument with each number replaced by that structure again;
        an `(n, n)` array for an array of n numbers. Exactly symmetric: one half is computed, the other mirrored.

    Notes
    -----
    The gradient as a graph, then one reverse sweep over it per input. Under `jit` such sweeps are equal parts, which run as a
    loop: for a shooting method of 60 steps and inputs they take a tenth of the time of edge pushing (`al.sparse_hessian`),
    which needs a third of the operations, all of them different.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]))
    array([[6., 4.],
           [4., 0.]])
    """

    @_transform("hessian", f, argnums)
    def hessian_matrix(*arguments: Any, **keywords: Any) -> Any:
        run = _run(f, argnums, arguments, keywords)
        y = one_number(run.output, f)
        reach, outside = run.reach([y])
        slopes = run.pulled_back(reach, [(y, 1.0)] if type(y) is Variable else [], create_graph=True)
        count = len(slopes)
        matrix: list[list[Number]] = [[0.0] * count for _ in range(count)]
        for i, slope in enumerate(slopes):
            row = run.pulled_back(Reach([slope], run.oldest), [(slope, 1.0)], create_graph=outside)
            for j in range(i + 1):
                matrix[i][j] = matrix[j][i] = row[j]
        return run.input_shape.pack_matrix(matrix, run.input_shape)

    return hessian_matrix


@hints.keywords
def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Value of `f` at `primals`, and the function that pulls a cotangent of the output back to the inputs.

    Parameters
    ----------
    f : callable
        Any nest of outputs.
    *primals : nest
        The positional arguments of `f`.

    Returns
    -------
    value : nest
        `f(*primals)`.
    pullback : callable
        Takes a nest like the value; returns a tuple with one nest for each primal. May be called many times.

    Examples
    --------
    >>> value, pullback = vjp(lambda x, y: [x * y, x + y], 2.0, 3.0)
    >>> value, pullback([1.0, 10.0])
    ([6.0, 5.0], (13.0, 12.0))
    """
    _transform("vjp", f)
    run = Run.of(f, primals, lambda fresh: fresh, {})
    outputs, output_shape = unravel(run.output, f"the output of {name_of(f)}")
    reach, outside = run.reach(outputs)
    pullback = Pullback(run, reach, outputs, output_shape, outside=outside)
    return output_shape.pack([_primal(y, keep=outside) for y in outputs]), pullback


class Pullback:
    """Pulls cotangents of the outputs of a run back to its inputs; see `vjp`."""

    def __init__(self, run: Run, reach: Reach, outputs: list[Any], output_shape: Shape, *, outside: bool) -> None:
        self.run, self.reach, self.outputs, self.output_shape, self.outside = run, reach, outputs, output_shape, outside
        self.__name__ = self.__qualname__ = "pullback"

    @functools.partial(hints.keywords, name="pullback")
    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        """A nest for each primal."""
        numbers = matching(cotangent, self.output_shape, "cotangents", "the output")
        create_graph = self.outside or any(type(n) is Variable for n in numbers)
        seeds = [(y, number) for y, number in zip(self.outputs, numbers, strict=True) if type(y) is Variable]
        found = self.run.pulled_back(self.reach, seeds, create_graph=create_graph, to_pack=True)
        pulled: tuple[Any, ...] = self.run.input_shape.labelled(self.run.input_shape.pack(found))
        return pulled

    def __repr__(self) -> str:
        return f"<pullback: a cotangent {self.output_shape.outline()} to {self.run.input_shape.outline()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the numbers of nodes, which count those of one process."""
        return Pullback._read, (self.run.inputs, self.run.input_shape, self.outputs, self.output_shape, self.outside)

    @staticmethod
    def _read(
        inputs: list[Variable], shape: Shape, outputs: list[Any], output_shape: Shape, outside: bool
    ) -> "Pullback":
        oldest = min((x._number for x in inputs), default=0) - 1
        run = Run(inputs, shape, None, oldest, context.Run(oldest, oldest))
        reach = Reach((y for y in outputs if type(y) is Variable), oldest)
        return Pullback(run, reach, outputs, output_shape, outside=outside)


def matching(nest: Any, shape: Shape, what: str, like: str) -> list[Number]:
    """The numbers of a nest that must be of this shape."""
    numbers, own = unravel(nest, what)
    if own.leaves != shape.leaves or own.containers != shape.containers:
        remedy = "Give one number for each number."
        if len(numbers) == sum(shape.sizes):
            arrays = any(isinstance(leaf, tuple) for leaf in shape.leaves)
            remedy = f"Give them in that structure{', np.array([...]) for an array' * arrays}."
        raise ArgumentError(f"{what} {own.outline()} do not match {like}, {shape.outline()}. {remedy}")
    for position, given in own.given.items():
        foreign.same_labels(given, shape.given.get(position), what, like)
    return numbers


@hints.keywords
def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value of `f` at `primals`, and its derivative in the direction `tangents`.

    Parameters
    ----------
    f : callable
        Any nest of outputs.
    primals, tangents : sequence
        The positional arguments of `f`, and a direction for each, alike in structure.

    Returns
    -------
    (value, tangent)
        Both in the structure of the output.

    Notes
    -----
    One forward sweep over the recorded graph: ẏ = Σ ∂y/∂x·ẋ.

    Examples
    --------
    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 3.0), (1.0, 10.0))
    ([6.0, 5.0], [23.0, 11.0])
    """
    _transform("jvp", f)
    _listed("jvp", primals, tangents)
    run = Run.of(f, tuple(primals), lambda fresh: fresh, {})
    directions = matching(tuple(tangents), run.input_shape, "tangents", "primals")
    outputs, output_shape = unravel(run.output, f"the output of {name_of(f)}")
    reach, outside = run.reach(outputs)
    create_graph = outside or any(type(n) is Variable for n in directions)
    tangent = _pushed_forward(reach, outputs, zip(run.inputs, directions, strict=True), create_graph=create_graph)
    return output_shape.pack([_primal(y, keep=outside) for y in outputs]), output_shape.pack(tangent)


def _listed(label: str, primals: Any, tangents: Any) -> None:
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise ArgumentError(
                f"{what} of {label} is {given!r:.60}; give a tuple with one entry for each argument: {label}(f, (x,), (v,))."
            )


def hvp(f: Callable[..., Any], primals: Sequence[Any] | None = None, tangents: Sequence[Any] | None = None) -> Any:
    """Hessian of a scalar function times a vector, without forming the Hessian.

    `hvp(f)` alone is a function of `(x, v, *rest)`: the Hessian by `x` times `v`, as `hessp` of `scipy.optimize.minimize`.

    Parameters
    ----------
    f : callable
        Returns one number.
    primals, tangents : sequence
        The positional arguments of `f`, and the vector: a direction for each.

    Returns
    -------
    nest
        In the structure of the primal if there is one, else a tuple with one nest for each.

    Notes
    -----
    A forward sweep over the graph of the gradient. Time: a small constant times that of `f`.

    Examples
    --------
    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1], (np.array([2.0, 3.0]),), (np.array([1.0, 0.0]),))
    array([6., 4.])
    >>> hvp(lambda x, scale: scale * x[0] ** 2 * x[1])(np.array([2.0, 3.0]), np.array([1.0, 0.0]), 10.0)
    array([60., 40.])
    """
    dressed = _transform("hvp", f)
    if primals is None and tangents is None:

        @dressed
        def product(x: Any, v: Any, *rest: Any, **keywords: Any) -> Any:
            def of_first(primal: Any) -> Any:
                return f(primal, *rest, **keywords)

            return like_given(x, jvp(grad(of_first), (x,), (v,))[1])

        return product
    _listed("hvp", primals, tangents)
    assert primals is not None
    assert tangents is not None
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return like_given(primals[0] if len(primals) == 1 else tuple(primals), jvp(grad(f, argnums), primals, tangents)[1])
