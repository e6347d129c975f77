"""The driver of NVIDIA's devices by ctypes: code, memory and launches on the first device of the machine."""

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from autograd_lite.errors import CompilationError, DeviceError

#: The names of the driver's library, here and there.
LIBRARIES = ("libcuda.so.1", "libcuda.so", "nvcuda.dll")

#: Threads of a block; every block of a kernel but the last is full.
THREADS = 128

#: Attributes of a device: its compute capability.
_MAJOR, _MINOR = 75, 76

Address = ctypes.c_uint64


class Driver:
    """The first device through a library of the driver, which is made the current one of the thread that calls."""

    def __init__(self, library: Any) -> None:
        self.library = library
        count, device = ctypes.c_int(), ctypes.c_int()
        self.call("cuInit", ctypes.c_uint(0))
        self.call("cuDeviceGetCount", ctypes.byref(count))
        if not count.value:
            raise CompilationError(_without_device("the driver knows none"))
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.capability = 10 * self._attribute(_MAJOR, device) + self._attribute(_MINOR, device)
        self._context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function of the driver, whose result says whether it worked."""
        status = getattr(self.library, function)(*arguments)
        if status:
            words = ctypes.c_char_p()
            known = self.library.cuGetErrorString(status, ctypes.byref(words)) == 0 and words.value is not None
            said = (words.value or b"").decode() if known else "an unknown failure"
            raise DeviceError(
                f"the device did not do {function}: {said} (code {status}). Call once more; if that fails too, use "
                'backend="llvm", and a new process after a fork or a fault of the device.'
            )

    def _attribute(self, number: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        return value.value

    def enter(self) -> None:
        """Make the device that of this thread."""
        self.call("cuCtxSetCurrent", self._context)

    def loaded(self, text: str, names: Sequence[str], owner: object) -> list[ctypes.c_void_p]:
        """The kernels of these names of a module of PTX, which the driver assembles; they live as long as their owner."""
        self.enter()
        module, kernels = ctypes.c_void_p(), [ctypes.c_void_p() for _ in names]
        self.call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(text.encode()))
        weakref.finalize(owner, self._unload, module).atexit = False
        for name, kernel in zip(names, kernels, strict=True):
            self.call("cuModuleGetFunction", ctypes.byref(kernel), module, ctypes.c_char_p(name.encode()))
        return kernels

    def _unload(self, module: ctypes.c_void_p) -> None:
        """Give the memory of kernels back, in whatever thread and state of the driver; nobody waits for its result."""
        if not self.library.cuCtxSetCurrent(self._context):
            self.library.cuModuleUnload(module)

    def free(self) -> int:
        """Bytes of memory that nobody uses."""
        self.enter()
        left, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(left), ctypes.byref(total))
        return left.value

    @contextmanager
    def memory(self, *sizes: int) -> Iterator[list[Address]]:
        """Pieces of the device's memory of so many bytes."""
        pieces: list[Address] = []
        try:
            for size in sizes:
                piece = Address()
                self.call("cuMemAlloc_v2", ctypes.byref(piece), ctypes.c_size_t(max(size, 8)))
                pieces.append(piece)
            yield pieces
        finally:
            for piece in pieces:
                self.library.cuMemFree_v2(piece)  # after a fault this fails too, and what failed is under way

    def send(self, numbers: Any, to: Address) -> None:
        """Copy a contiguous array onto the device."""
        if numbers.nbytes:
            self.call("cuMemcpyHtoD_v2", to, ctypes.c_void_p(numbers.ctypes.data), ctypes.c_size_t(numbers.nbytes))

    def fetch(self, numbers: Any, source: Address) -> None:
        """Fill a contiguous array from the device, when the kernels before have ended."""
        if numbers.nbytes:
            size = ctypes.c_size_t(numbers.nbytes)
            self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(numbers.ctypes.data), source, size)

    def launch(self, kernel: ctypes.c_void_p, threads: int, *arguments: Address | int) -> None:
        """Let so many threads run a kernel on these addresses and whole numbers."""
        values = [a if isinstance(a, Address) else ctypes.c_int64(a) for a in arguments]
        given = (ctypes.c_void_p * len(values))(*[ctypes.addressof(value) for value in values])
        blocks = ctypes.c_uint(-(-threads // THREADS))
        one, none = ctypes.c_uint(1), ctypes.c_void_p()
        sizes = blocks, one, one, ctypes.c_uint(THREADS), one, one, ctypes.c_uint(0)
        self.call("cuLaunchKernel", kernel, *sizes, none, given, none)


def _without_device(reason: str) -> str:
    return (
        f'backend="cuda" found no device: {reason}. Run on a machine with an NVIDIA device and its driver, or pass '
        'backend="llvm".'
    )


@cache
def device() -> Driver:
    """The device of this process; a `CompilationError` where there is none."""
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        try:
            return Driver(library)
        except DeviceError as error:
            raise CompilationError(_without_device(str(error).partition(". ")[0])) from error
    raise CompilationError(_without_device(f"the driver's library {LIBRARIES[0]} is not installed"))
