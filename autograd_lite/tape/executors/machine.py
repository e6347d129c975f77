"""Around LLVM: the host, compiling a module, and the functions that compiled code calls."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any

from autograd_lite.errors import CompilationError
from autograd_lite.primitives import Primitive

try:
    import llvmlite.binding as llvm
except ImportError:  # the extra `jit` is not installed
    llvm = None

#: Whether machine code can be had at all.
AVAILABLE = llvm is not None

_lock = Lock()


@cache
def _host() -> tuple[str, str, int]:
    """Name of the processor, its features, and lanes of a vector register."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    width = 8 if features.get("avx512f") else 4 if features.get("avx2") else 2
    return llvm.get_host_cpu_name(), features.flatten(), width


def width() -> int:
    """How many doubles a vector register of this machine holds."""
    return _host()[2]


class Module:
    """Compiled code, alive as long as this object is."""

    def __init__(self, text: str, level: int) -> None:
        """Compile IR at an optimisation level from 0 (fast to compile) to 3."""
        processor, features, _ = _host()
        with _lock:
            try:
                parsed = llvm.parse_assembly(text)
            except RuntimeError as error:
                raise CompilationError(
                    f"LLVM refused the program: {error}. Please report it with print(tape)."
                ) from error
            target = llvm.Target.from_default_triple().create_target_machine(
                opt=level, cpu=processor, features=features
            )
            self._engine = llvm.create_mcjit_compiler(parsed, target)
            self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a function starts."""
        address: int = self._engine.get_function_address(name)
        return address


def publish(name: str, address: int) -> None:
    """Let modules compiled from now on call the function at `address` by this name."""
    _host()
    llvm.add_symbol(name, address)


class Callback:
    """A primitive without an expression, to be called from machine code; what it raises is kept for the caller."""

    def __init__(self, primitive: Primitive) -> None:
        self.name = f"callback_{primitive.name}_{id(self)}"
        self.failures: list[BaseException] = []

        def call(*arguments: float) -> float:
            try:
                return primitive.value(*arguments)
            except BaseException as failure:  # noqa: BLE001 - it is raised again when the machine code has returned
                self.failures.append(failure)
                return float("nan")

        kind = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * primitive.arity)
        self._function = kind(call)
        publish(self.name, ctypes.cast(self._function, ctypes.c_void_p).value or 0)


@cache
def callback(primitive: Primitive) -> Callback:
    """The way back into Python for a primitive, one for all programs."""
    return Callback(primitive)


def raise_failures(callbacks: Sequence[Callback]) -> None:
    """Raise what a primitive raised while machine code was calling it."""
    for called in callbacks:
        if called.failures:
            failure = called.failures[0]
            called.failures.clear()
            raise failure


def function(address: int, result: Any, *arguments: Any, hold_gil: bool = False) -> Callable[..., Any]:
    """A compiled function as a Python callable."""
    kind = (ctypes.PYFUNCTYPE if hold_gil else ctypes.CFUNCTYPE)(result, *arguments)
    return kind(address)
