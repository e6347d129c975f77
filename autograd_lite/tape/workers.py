"""What the bits of results depend on beside the program: the machine of a worker against the one that sent the work."""

import platform
import sys
import warnings
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.errors import WorkerError, WorkerWarning
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


def read(written: bytes) -> Any:
    """The function that was shipped.

    Raises
    ------
    WorkerError
        If it needs a module that is not here.
    """
    try:
        return import_module("cloudpickle").loads(written)
    except ImportError as error:
        raise WorkerError(
            f"the worker {_here()} cannot read the function that was sent: {error}. Install that module on all workers, send "
            "it by client.upload_file(…), or call cloudpickle.register_pickle_by_value(module) before."
        ) from error


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
