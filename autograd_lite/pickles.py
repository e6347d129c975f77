"""How functions of this library travel to another process: by name where they have one, else as what they are made of.

A function under a decorator, such as `@jit` or `@grad`, is found by its own name in its module. Every other one is written as
the transform, its options and the function inside; never what was compiled. `cloudpickle` writes functions of `__main__` by
value, since another process has another `__main__`; what is found there by name is then written by value too.

A pool of processes reads a function again for each of its tasks. So what compiles goes under a key, by which a process finds
the function that it has read, and compiled, before.
"""

import functools
import hashlib
import inspect
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable
from pkgutil import resolve_name
from types import FrameType, FunctionType
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from autograd_lite import forks
from autograd_lite.errors import UnpicklableError
from autograd_lite.frames import is_library

at = resolve_name


class Method(functools.partial[Any]):
    """A function of this library as the method of an instance: as Python's own, but pickled as the two.

    Python would write the name of the function, which is that of a transform.
    """

    __doc__ = property(lambda self: self.func.__doc__)
    __func__ = property(lambda self: self.func)
    __self__ = property(lambda self: self.args[0])

    def __getattr__(self, name: str) -> Any:
        """What the function has, as `paths` of a jitted one."""
        if name == "__signature__":
            signature = inspect.signature(self.func)
            return signature.replace(parameters=[*signature.parameters.values()][1:])
        if name.startswith("__") and name not in ("__name__", "__qualname__"):  # its copies and pickles are its own
            raise AttributeError(f"a method has no attribute {name!r}", name=name, obj=self)
        return getattr(self.func, name)

    def __repr__(self) -> str:
        return f"<bound method {self.func!r} of {self.args[0]!r}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is Method and self.func == other.func and self.args[0] is other.args[0]

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))


class Own(dict[Any, Any]):
    """What a process has made for itself, whose copies are empty: `functools.wraps` enters it in functions that travel."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Own, ()


CLOUDPICKLE = "cloudpickle"
#: Modules that write functions without a name.
BY_VALUE = CLOUDPICKLE, "_dill"
#: What is in a pickle that holds Variables: `copies.restored_leaf`, `copies.restored_graph`.
OF_VARIABLES = b"restored_"
#: Functions that a process keeps ready of those that it has read.
KEPT = 16

#: What this process has, by the keys under which it travels.
here: WeakValueDictionary[Any, Any] = WeakValueDictionary()
_last: deque[Any] = deque(maxlen=KEPT)
_arriving = forks.lock()
_under_way = threading.local()


def arrived(key: Any, make: Callable[..., Any], *parts: Any) -> Any:
    """What travels under a key: what this process has of it, or what `make` gives."""
    with _arriving:
        thing = here.get(key)
        if thing is None:
            thing = here[key] = make(*parts)
        if thing in _last:
            _last.remove(thing)
        _last.append(thing)
    return thing


def once(wrapper: Any, make: Callable[..., Any], *parts: Any) -> tuple[Any, ...]:
    """What `__reduce__` returns for `make(*parts)`, which a process is to compile once, however often it is read.

    The key is of this object and of all that it holds now. Captured Variables belong to the nest that is read with them: such
    a function is traced each time, and equal programs share their machine code (`backends.registry`).
    """
    plain = make, parts
    if getattr(_under_way, "key", False):
        return plain
    _under_way.key = True
    try:
        written = _dumps()(parts)
    except Exception:  # noqa: BLE001 - of what only the pickle under way can write, or of what it refuses too
        return plain
    finally:
        _under_way.key = False
    if OF_VARIABLES in written:
        return plain
    token = vars(wrapper).setdefault("_token", uuid4().hex)
    return arrived, ((token, hashlib.sha256(written).hexdigest()), make, *parts)


def _dumps() -> Callable[[Any], bytes]:
    """How the pickle under way is written: by a cloudpickle, perhaps that of another library, or by plain pickle."""
    pickler = _pickler(CLOUDPICKLE)
    return pickler.f_globals.get("dumps", pickle.dumps) if pickler else pickle.dumps


def place_of(wrapper: Any) -> tuple[str] | None:
    """`module:name` under which `at` finds a decorated function, or None."""
    f = wrapper
    while (inner := getattr(f, "__wrapped__", None) or getattr(f, "f", None)) is not None:
        f = inner
    module, name = getattr(f, "__module__", None), getattr(f, "__qualname__", None)
    place = f"{module}:{name}"
    try:
        return (place,) if module in sys.modules and at(place) is wrapper else None
    except (AttributeError, ImportError, ValueError):  # it is of a function, as in `f.<locals>.g`
        return None


def written_as(wrapper: Any) -> tuple[str] | None:
    """The place that a pickle refers to; None if the function is to be written by what it is made of.

    Raises
    ------
    UnpicklableError
        If plain pickle, which writes functions by their names, cannot find the function inside.
    """
    place = place_of(wrapper)
    if place is None:
        require_name(wrapper)
    return None if place is None or by_value(place[0].partition(":")[0]) else place


def inside(wrapper: Any) -> Any:
    """The function that a transform holds, or None."""
    return getattr(wrapper, "f", None) or (getattr(wrapper, "recipe", None) or (None, None))[1]


def require_name(wrapper: Any) -> None:
    """Say which function plain pickle cannot write."""
    f = wrapper
    while place_of(f) is None and (inner := inside(f)) is not None:
        f = inner
    if type(f) is not FunctionType or place_of(f) or _pickler(*BY_VALUE) is not None:
        return
    raise UnpicklableError(
        f"{getattr(wrapper, '__name__', 'a function')} cannot be pickled by its name: {f.__qualname__} is no name of module "
        f"{f.__module__}. Write it with cloudpickle.dumps(…), as joblib, Dask and Ray do by themselves; or define the "
        "function with def at the top of a module, where decorators of this library may stand above it."
    )


def by_value(module: str) -> bool:
    """Whether the pickle under way holds what stands in this module itself, not its name: cloudpickle of `__main__`."""
    pickler = _pickler(CLOUDPICKLE)
    if pickler is None:
        return False
    registered = pickler.f_globals.get("list_registry_pickle_by_value", set)()
    parents = module.split(".")
    return module == "__main__" or any(".".join(parents[: k + 1]) in registered for k in range(len(parents)))


def _pickler(*names: str) -> FrameType | None:
    """The frame of a pickler of this name, or of a copy in another library, if it asks for the state of an object."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - who asks for the state is told by nothing else
    while frame is not None and (is_library(frame.f_code.co_filename) or frame.f_globals.get("__name__") == "pickle"):
        frame = frame.f_back
    if frame is None or not {*names} & {*str(frame.f_globals.get("__name__")).split(".")}:
        return None
    return frame


def is_by_cloudpickle() -> bool:
    """Whether cloudpickle writes the pickle under way."""
    return _pickler(CLOUDPICKLE) is not None
