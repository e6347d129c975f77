"""How functions of this library travel to another process: by name where they have one, else as what they are made of.

A function under a decorator, such as `@jit` or `@grad`, is found by its own name in its module. Every other one is written as
the transform, its options and the function inside; never what was compiled. `cloudpickle` writes functions of `__main__` by
value, since another process has another `__main__`; what is found there by name is then written by value too.
"""

import functools
import inspect
import sys
from pkgutil import resolve_name
from types import FrameType, FunctionType
from typing import Any

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


CLOUDPICKLE = "cloudpickle"
#: Modules that write functions without a name.
BY_VALUE = CLOUDPICKLE, "_dill"


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


def require_name(wrapper: Any) -> None:
    """Say which function plain pickle cannot write."""
    f = wrapper
    while place_of(f) is None:
        inner = getattr(f, "f", None) or (getattr(f, "recipe", None) or (None, None))[1]
        if inner is None:
            break
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
