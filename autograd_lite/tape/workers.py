"""What the bits of results depend on beside the program: the machine of a worker against the one that sent the work."""

import dis
import inspect
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import pickles
from autograd_lite.errors import CompilationError, UnpicklableError, WorkerError, WorkerWarning
from autograd_lite.tape.backends.registry import BACKENDS


class Machine(NamedTuple):
    """A process by the versions and the processor that its results depend on."""

    backend: str
    facts: dict[str, str]


def machine(backend: str) -> Machine:
    """What this process is; `backend` is the one that is to run there too."""
    return Machine(backend, _facts(backend))


@cache
def _facts(backend: str) -> dict[str, str]:
    target = BACKENDS[backend].target if backend in BACKENDS else None
    return {
        "Python": ".".join(map(str, sys.version_info[:2])),
        "autograd_lite": str(sys.modules["autograd_lite"].__version__),
        "NumPy": np.__version__,
        "C library": " ".join(platform.libc_ver()) or platform.platform(),
        **(target() if target else {}),
    }


def compared(origin: Machine) -> None:
    """Say what is different here from where a function comes from.

    Raises
    ------
    WorkerError
        If the function cannot run here as it does there.

    Warns
    -----
    WorkerWarning
        If its results may differ in their last bits; on a worker of Dask the user's process warns too.
    """
    if origin.backend not in BACKENDS:
        raise WorkerError(
            f"the worker {_here()} has no llvmlite, and the process that sent the work has: its results would have other "
            'bits, after ten times the time. Install "autograd-lite[jit]" on all workers, or pass jit(…, backend="numpy").'
        )
    check = BACKENDS[origin.backend].check
    try:
        if check is not None:
            check()
    except CompilationError as error:
        raise WorkerError(f"the worker {_here()} cannot run the function that was sent: {error}") from error
    here = _facts(origin.backend)
    if origin.facts["Python"] != here["Python"]:
        raise WorkerError(
            f"the worker {_here()} runs Python {here['Python']}, and the process that sent the work "
            f"{origin.facts['Python']}: functions cannot be sent from one to the other. Use one version of Python."
        )
    names = [name for name in sorted({*origin.facts, *here}) if origin.facts.get(name) != here.get(name)]
    if names:
        told = "; ".join(f"{name} is {_short(here, name)}, not {_short(origin.facts, name)}" for name in names)
        _warn(
            f"the worker {_here()} is another machine than the one that sent the work ({told}): results may differ in their "
            "last bits, and from worker to worker. Use machines of one kind where bits count."
        )


def written(run: Any) -> bytes:
    """A function as it is shipped, or its `refusal`, which `read` raises: an error that is raised here Dask would hide."""
    dumps: Callable[[Any], bytes] = import_module("cloudpickle").dumps
    try:
        return dumps(run)
    except Exception:  # noqa: BLE001 - whatever a thing raises that is no pickle
        return dumps(refusal(run, run.__name__))


def refusal(thing: Any, name: str) -> UnpicklableError | None:
    """The error if a thing cannot be written; it names the function that holds what cannot be, and under which name."""
    error = _fault(thing)
    if error is None:
        return None
    function, path, seen = name, "", {id(thing)}
    while found := next((part for part in _parts(thing) if id(part[1]) not in seen and _fault(part[1])), None):
        if isinstance(thing, FunctionType):
            function, path = thing.__name__, ""
        path, thing = path + found[0], found[1]
        seen.add(id(thing))
    how = f"holds {path.lstrip('.')}, a" if path else "is a"
    return UnpicklableError(
        f"{name} cannot be sent to another process: {function} {how} {type(thing).__name__}, which cannot be pickled "
        f"({_fault(thing)}). Make that inside of {function}, or pass the numbers that it gives as arguments."
    )


def _fault(thing: Any) -> Exception | None:
    try:
        import_module("cloudpickle").dumps(thing)
    except Exception as error:  # noqa: BLE001 - whatever a thing raises that is no pickle
        return error
    return None


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a pickle of the thing holds, under the names of Python: variables of a function, attributes, items."""
    if isinstance(thing, partial):
        yield from (("", part) for part in (thing.func, thing.args, thing.keywords))
    elif type(thing).__module__.startswith("autograd_lite.") and pickles.inside(thing) is not None:
        yield "", pickles.inside(thing)
    elif isinstance(thing, FunctionType):
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
        for name, cell in cells:
            with suppress(ValueError):  # an empty one
                yield f".{name}", cell.cell_contents
        yield from (
            (f".{name}", thing.__globals__[name]) for name in sorted(_globals(thing.__code__) & {*thing.__globals__})
        )
        yield from ((f".{p.name}", p.default) for p in inspect.signature(thing).parameters.values())
    elif isinstance(thing, MethodType):
        yield from (("", thing.__func__), ("", thing.__self__))
    elif isinstance(thing, dict):
        yield from ((f"[{key!r}]", part) for key, part in thing.items())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        yield from ((f"[{k}]", part) for k, part in enumerate(thing))
    else:
        yield from ((f".{name}", part) for name, part in getattr(thing, "__dict__", {}).items())


def _globals(code: CodeType) -> set[str]:
    """The global names that a function and those inside of it read."""
    inner = (_globals(part) for part in code.co_consts if isinstance(part, CodeType))
    return {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}.union(*inner)


def read(written: bytes) -> Any:
    """The function that was shipped.

    Raises
    ------
    WorkerError
        If it needs a module that is not here.
    UnpicklableError
        If it could not be written.
    """
    try:
        found = import_module("cloudpickle").loads(written)
    except ImportError as error:
        raise WorkerError(
            f"the worker {_here()} cannot read the function that was sent: {error}. Install that module on all workers, send "
            "it by client.upload_file(…), or call cloudpickle.register_pickle_by_value(module) before."
        ) from error
    if isinstance(found, UnpicklableError):
        raise found
    return found


def _short(facts: dict[str, str], name: str) -> str:
    text = facts.get(name, "missing")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _here() -> str:
    """The address of the worker of Dask that runs this, or the name of the machine."""
    distributed = sys.modules.get("distributed")
    try:
        return str(distributed.get_worker().address) if distributed else platform.node()
    except ValueError:  # no worker runs this
        return platform.node()


def _warn(text: str) -> None:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        warnings.warn(text, WorkerWarning, stacklevel=2)
    else:  # which tells the user's process too
        distributed.warn(text, WorkerWarning)
