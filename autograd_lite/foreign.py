"""Arrays of other libraries: taken as NumPy's, and made again for what has their shape, as a gradient has.

Nothing is imported: a library is known by what its arrays have.
"""

import array as buffers
import traceback
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_lite.arrays import LazyArray, is_variable
from autograd_lite.conversion import is_array_of_others
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.rule import Primitive

_BUFFERS = (buffers.array, memoryview)


def array_of(thing: Any) -> np.ndarray[Any, Any] | None:
    """The thing as an array if it is one, of whatever library; else None.

    Raises
    ------
    OperandError
        If its numbers cannot be taken without losing something.
    """
    if type(thing) is np.ndarray:  # the usual one
        return thing
    if isinstance(thing, np.ndarray):
        return _refused(thing)
    if not (isinstance(thing, _BUFFERS) or hasattr(type(thing), "__array__")) or isinstance(thing, np.generic):
        return None
    if is_variable(thing):  # conditions of a trace
        return None
    try:
        array = np.asarray(thing)
        own_floats = array.dtype.kind == "V" and array.dtype.names is None  # bfloat16 and the like
        return array.astype(np.float64) if own_floats else array
    except Exception as error:
        raise OperandError(
            f"a {type(thing).__name__} does not give its numbers to NumPy: {error} Pass an array of plain numbers, such as "
            "x.detach().numpy()."
        ) from error


def is_lazy(thing: Any) -> bool:
    """Whether the thing is a collection of Dask, whose numbers are still to be computed."""
    return hasattr(type(thing), "__dask_graph__") and thing.__dask_graph__() is not None


def _refused(thing: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if isinstance(thing, np.ma.MaskedArray):
        raise OperandError(
            "a masked array would lose its mask. Pass its numbers, x.compressed() or x.filled(0.0), and select with "
            "np.where(mask, …)."
        )
    if isinstance(thing, np.matrix):
        raise OperandError("a matrix, whose * is a product of matrices. Pass np.asarray(m), and write products with @.")
    return thing


#: What is said where a function looks up a label in an array that was another library's.
LABELS = (
    "an argument of another library is an array of Variables here, which has places and no labels. Write x[0] or t[:, 0] "
    "for x['a'] or t['a'], or pass columns by name: {'a': t['a'], 'b': t['b']}."
)


def explained(error: Exception, tables: Iterable[Any]) -> Exception:
    """The error to raise where a function looks up a label, also as an attribute, in an array made of one of the tables."""
    if isinstance(error, AttributeError):
        names = (getattr(table, axis, None) for table in tables for axis in ("columns", "index"))
        labelled = any(error.name in [*axis] for axis in names if axis is not None and not callable(axis))
    else:
        labelled = "only integers" in str(error)
    return OperandError(LABELS) if labelled else error


def is_label(error: Exception) -> bool:
    """Whether the index that an error refuses is a text."""
    inner = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "__getitem__"]
    return isinstance(error, IndexError) and any(isinstance(frame.f_locals.get("index"), str) for frame in inner)


def same_labels(one: Any, other: Any, what: str, like: str) -> None:
    """Refuse tables whose numbers would be paired by place while their labels say otherwise."""
    for axis in ("index", "columns"):
        ours: Any = getattr(one, axis, None)
        theirs: Any = getattr(other, axis, None)
        if hasattr(ours, "equals") and hasattr(theirs, "equals") and not ours.equals(theirs):
            raise ArgumentError(
                f"{what} have the {axis} {list(ours)!r:.80}, against {list(theirs)!r:.80} of {like}. Put them in one order, "
                f"as s.reindex({axis}=x.{axis}) does, or pass s.to_numpy() to pair the numbers by place."
            )


def applied(function: Any, arguments: tuple[Any, ...]) -> Any:
    """An operation on arrays of other libraries: one of the kind of the first, with its labels, which are those of all."""
    given = [argument for argument in arguments if is_array_of_others(argument)]
    for other in given[1:]:
        same_labels(
            other, given[0], f"arguments of {getattr(function, 'name', '') or function.__name__}", "another one"
        )
    found = function(*(array_of(a) if is_array_of_others(a) else a for a in arguments))
    if not hasattr(type(given[0]), "iloc"):
        return made_again(given[0], found)
    values = np.asarray(found.numbers() if isinstance(found, LazyArray) else found)
    return _made_again(given[0], values) if values.shape == given[0].shape else found


Primitive._on_others = staticmethod(applied)  # noqa: SLF001 - as `_lifted`


def made_again(given: Any, values: Any) -> Any:
    """The values as an array of the kind of `given`, with its labels; as they are if there is no way to make one.

    Arrays of Variables stay ours: arithmetic of other libraries is that of numbers.
    """
    if not isinstance(values, np.ndarray) or values.dtype == object:
        return values
    try:
        again = _made_again(given, values)
        return again if np.shape(np.asarray(again)) == values.shape else values
    except Exception:  # noqa: BLE001 - of a constructor that wants more than this
        return values


def _made_again(given: Any, values: np.ndarray[Any, Any]) -> Any:
    kind: Any = type(given)
    if kind is buffers.array:
        return buffers.array("d", values.tolist())
    if hasattr(given, "dims") and hasattr(given, "coords"):  # xarray
        return given.copy(data=values)
    if hasattr(kind, "iloc"):  # pandas
        labels = {"columns": given.columns} if hasattr(kind, "columns") else {"name": given.name}
        return kind(values, index=given.index, **labels)
    if hasattr(kind, "names"):  # an index of pandas
        return kind(values, name=given.name)
    if hasattr(kind, "columns"):  # polars
        return kind(values, schema=given.columns)
    if hasattr(kind, "name"):
        return kind(given.name, values)
    if hasattr(given, "new_tensor"):  # torch, whose tensors of whole numbers would cut off fractions
        return given.new_tensor(values) if given.is_floating_point() else values
    if hasattr(given, "__array_namespace__"):  # the array API standard, which JAX follows
        kept = {"dtype": given.dtype} if np.dtype(given.dtype).kind == "f" else {}
        return given.__array_namespace__().asarray(values, **kept)
    return values
