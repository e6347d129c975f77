"""Around LLVM: the host, compiling a module, and the functions that compiled code calls."""

import ctypes
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import accumulate, pairwise
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from autograd_lite import core, forks
from autograd_lite.errors import CompilationError
from autograd_lite.primitives import Primitive
from autograd_lite.tape import cache as disk
from autograd_lite.tape import progress

try:
    import llvmlite
    import llvmlite.binding as llvm
except ImportError:  # the extra `jit` is not installed
    llvm = None

#: Whether machine code can be had at all.
AVAILABLE = llvm is not None

if AVAILABLE:
    # Each call of llvmlite takes its lock, also those that free modules when the collector runs in some thread.
    forks.waited_for(getattr(getattr(llvm.ffi.lib, "_lock", None), "_lock", None))  # no public name leads to it
_lock = forks.waited_for()  # around LLVM


@dataclass(frozen=True)
class Target:
    """A machine that code is written for, in LLVM's words, and the lanes worked on at a time: doubles in a register."""

    triple: str
    processor: str = ""
    features: str = ""
    width: int = 1

    def machine(self, level: int) -> Any:
        """LLVM's code generator at a level from 0 (fast to compile) to 3."""
        if self.triple == llvm.get_default_triple():  # the others take a millisecond
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
        else:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
        kind = llvm.Target.from_triple(self.triple)
        return kind.create_target_machine(opt=level, cpu=self.processor, features=self.features)


@cache
def host() -> Target:
    features = llvm.get_host_cpu_features()
    width = 8 if features.get("avx512f") else 4 if features.get("avx2") else 2
    return Target(llvm.get_default_triple(), llvm.get_host_cpu_name(), features.flatten(), width)


@cache
def facts() -> dict[str, str]:
    """What code of this process is made by and for, in words."""
    versions = f"{llvmlite.__version__} with LLVM {'.'.join(map(str, llvm.llvm_version_info))}"
    own = host()
    return {"llvmlite": versions, "processor": f"{own.processor} of {own.triple}", "instructions": own.features}


@cache
def _compiler(level: int) -> Any:
    return host().machine(level)


def _parsed(text: str) -> Any:
    try:
        return llvm.parse_assembly(text)
    except RuntimeError as error:
        message = f"LLVM refused the program: {error!s:.300}. Please report it with print(tape)."
        raise CompilationError(message) from error


#: What is known of compiled code beside the code, as JSON can hold it.
Facts = dict[str, Any]


class Module:
    """Object files, which may call each other, as machine code of this process, alive as long as this object is.

    Modules loaded from now on may call its functions of the `names` among the facts; it calls `callback_0` and so on itself.
    """

    def __init__(
        self, codes: Sequence[bytes], facts: Facts, callbacks: "Sequence[Callback]" = (), *, cached: bool = False
    ) -> None:
        self.facts, self.callbacks, self.cached = facts, callbacks, cached
        self._functions: dict[str, Callable[..., Any]] = {}
        with _lock:
            # An engine that compiles itself keeps 0.7 MB of tables, whatever the length of the code.
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host().machine(0))
            for code in codes:
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            for number, called in enumerate(callbacks):  # each module has its own of these names
                llvm.add_symbol(f"callback_{number}", called.address)
            self._engine.finalize_object()
        for name in facts["names"]:
            llvm.add_symbol(name, self.address(name))

    def address(self, name: str) -> int:
        return int(self._engine.get_function_address(name))

    def function(self, name: str, result: Any, *arguments: Any, hold_gil: bool = False) -> Callable[..., Any]:
        """One of its functions, which lives as long as the module does."""
        if name not in self._functions:
            kind = (ctypes.PYFUNCTYPE if hold_gil else ctypes.CFUNCTYPE)(result, *arguments)
            self._functions[name] = kind(self.address(name))
        return self._functions[name]


def compiled(text: str, level: int) -> bytes:
    """A module of IR as an object file for this machine."""
    with _lock:
        return bytes(_compiler(level).emit_object(_parsed(text)))


def assembly(text: str, target: Target, level: int) -> str:
    """A module of IR in the assembly language of another machine."""
    with _lock:
        module = _parsed(text)
        try:
            machine = target.machine(level)
        except RuntimeError as error:
            raise CompilationError(f"this build of llvmlite writes no code for {target.triple}: {error}.") from error
        module.triple, module.data_layout = target.triple, str(machine.target_data)
        return str(machine.emit_assembly(module))


@cache
def _sources() -> str:
    """A digest of the files that decide what code a program becomes; nothing where they cannot be read."""
    here = Path(__file__)
    files = [
        *here.parent.glob("*.py"),
        *(here.parents[1] / name for name in ("alike.py", "lowering.py", "masked.py", "program.py", "rolled.py")),
    ]
    try:
        folded_with = (here.parents[2] / name for name in ("primitives.py", "ieee.py", "special.py"))
        contents = [file.read_bytes() for file in sorted([*files, *folded_with])]
    except OSError:
        return ""
    return sha256(b"".join(sha256(text).digest() for text in contents)).hexdigest()


_sources()  # now: an upgrade while this process runs changes the files, and not the code in memory


def ready(
    content: Callable[[], Sequence[Any]],
    write: Callable[[], Any],
    prepared: Callable[[Facts], Sequence["Callback"]] = lambda _: (),
) -> Module:
    """The machine code of the module of IR that `write` makes, or code from the disk that was made of an equal `content`.

    `prepared` loads the modules that this one calls, and gives its ways back into Python.
    """
    key = kept = None
    if disk.folder() is not None and (sources := _sources()):
        versions = llvm.llvm_version_info, llvmlite.__version__, host(), sources
        key = sha256(repr((versions, *content())).encode()).hexdigest()
        kept = disk.read(key)
    if kept is not None:
        known, _, code = kept.partition(b"\n")
        facts = json.loads(known)
        ends = [*accumulate(facts["sizes"], initial=0)]
        return Module([code[a:b] for a, b in pairwise(ends)], facts, prepared(facts), cached=True)
    written = write()
    progress.part("LLVM writes machine code")
    codes = [*written.codes, compiled(written.text, written.level)]
    facts = {"names": written.names, "sizes": [*map(len, codes)], **written.facts}
    module = Module(codes, facts, prepared(facts))
    if key is not None:
        disk.write(key, b"".join([json.dumps(facts).encode(), b"\n", *codes]))
    return module


class Callback:
    """A way back into Python from machine code, which gets `failed` where `call` raises; failures are kept for the caller.

    With `own` each thread has its own failures, else the caller may have started the thread that calls back. An interrupt
    from the keyboard that comes while machine code runs is raised where the first frame of Python begins: the compiled core
    catches it there; in pure Python `ctypes` drops it.
    """

    def __init__(self, call: Callable[..., Any], kind: Any, failed: Any, *, own: bool = False) -> None:
        self._kept: Any = threading.local() if own else SimpleNamespace()

        def failing(failure: BaseException) -> Any:
            self.failures.append(failure)
            if loops := running_loops():
                loops[-1].value = STOPPED
            return failed

        def guarded(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except BaseException as failure:  # noqa: BLE001 - it is raised again when the machine code has returned
                return failing(failure)

        self._function = kind(core.compiled.guarded(call, failing) if core.compiled else guarded)
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0

    @property
    def failures(self) -> list[BaseException]:
        kept: list[BaseException] = vars(self._kept).setdefault("failures", [])
        return kept


_thread = threading.local()

#: The status of a native loop in which something failed.
STOPPED = -2


def running_loops() -> list[Any]:
    """The statuses of the native loops that this thread is in, innermost last."""
    loops: list[Any] = vars(_thread).setdefault("loops", [])
    return loops


class At:
    """Where a table of numbers lies, as a name that code is bound to, like a way back; nothing fails in it."""

    def __init__(self, table: Any) -> None:
        self.table, self.address = table, int(table.ctypes.data)
        self.failures: list[BaseException] = []


_callbacks: "WeakKeyDictionary[Primitive, Callback]" = WeakKeyDictionary()


def called_back(operation: Any) -> Any:
    """The way back for an operation of a program: a loop, a look at what goes on outside, or a primitive."""
    if hasattr(operation, "results"):
        return loop_callback(operation)
    if hasattr(operation, "table"):
        return At(operation.table)
    if hasattr(operation, "stopped"):
        return pause_callback(operation)
    return callback(operation)


def pause_callback(pause: Any) -> Callback:
    """The way back for a look at what goes on outside; once it has failed, the loops of other lanes that follow end too."""

    def look(full: float) -> float:
        return nan if found.failures else pause.value(full)

    found = Callback(look, ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double), nan, own=True)
    return found


def callback(primitive: Primitive) -> Callback:
    """The way back into Python for a primitive, one for all programs while it exists."""
    found = _callbacks.get(primitive)
    if found is None:
        kind = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * primitive.arity)
        found = _callbacks.setdefault(primitive, Callback(primitive.value, kind, float("nan")))
    return found


def loop_callback(loop: Any) -> Callback:
    """The way back for an operation with many results, such as a loop: its arguments lie at the address that is passed.

    Its results take their place. Each has a row of so many bytes, with a number for each of some lanes.
    """

    def run(address: int, row: int, lanes: int) -> None:
        size = max(loop.arity, loop.results)
        memory = np.ctypeslib.as_array((ctypes.c_double * (size * row // 8)).from_address(address))
        if lanes == 1:
            memory[: loop.results] = loop.value_of(memory[: loop.arity].copy())
            return
        table = memory.reshape(size, row // 8)[:, :lanes]
        table[: loop.results] = loop.of_numbers(table[: loop.arity].T).T

    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return Callback(run, kind, None, own=True)


def taken(callbacks: Sequence[Callback]) -> list[BaseException]:
    """The failures while machine code was calling back in this thread, which are none afterwards."""
    failures = [failure for called in callbacks for failure in called.failures]
    for called in callbacks if failures else ():
        called.failures.clear()  # the next run is another one
    return failures


def raise_failures(callbacks: Sequence[Callback]) -> None:
    """Raise what a primitive raised while machine code was calling it."""
    if failures := taken(callbacks):
        raise failures[0]
