"""Kernels without a device: their IR compiled for this processor, and a driver that runs it; and the assembler, if any."""

import ctypes
import dataclasses
import functools
import importlib.util
import pathlib
import shutil
import subprocess

import numpy as np

import autograd_lite as al
from autograd_lite.tape.backends import registry
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.program import Program
from autograd_lite.tape.ptx import driver, kernel

OUT_OF_MEMORY = 2

#: The kernels of a program with what a thread does: pointers and whole numbers that they take.
KERNELS = {"lanes": ("lane", 4, 1), "sums": ("block", 2, 3)}


@functools.cache
def assembler():
    """The path of `ptxas`, on the path or in a wheel of NVIDIA's; None if there is none."""
    if found := shutil.which("ptxas"):
        return found
    spec = importlib.util.find_spec("nvidia")
    folders = [pathlib.Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((str(path) for folder in folders for path in folder.glob("**/bin/ptxas")), None)


def assembled(text, folder, capability):
    """What the assembler says of PTX, after it has made the code of a device of it."""
    source = folder / "kernels.ptx"
    source.write_text(text, encoding="utf-8")
    command = [assembler(), "-arch", f"sm_{capability}", "-v", str(source), "-o", str(folder / "kernels.cubin")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def on_processor(code):
    """The threads of a kernel as loops of this processor, by the name of the kernel."""
    code.parts = [part for part in code.parts if " ptx_kernel " not in part]
    for name, (body, pointers, counts) in KERNELS.items():
        thread = getattr(code, body)

        def own(b, *arguments, thread=thread):
            code.in_memory(b, lambda memory: thread(b, memory, *arguments))

        def every(b, *arguments, name=name):
            with b.counted(arguments[-1]) as (number,):
                b.call("void", f"one_of_{name}", *arguments, number)

        code.function(f"one_of_{name}", ["ptr"] * pointers + ["i64"] * (counts + 1), own)
        code.function(f"all_{name}", ["ptr"] * pointers + ["i64"] * counts, every)
    module = engine.Module([engine.compiled(code.text, code.level)], {"names": []})
    functions = {}
    for name, (_, pointers, counts) in KERNELS.items():
        functions[name] = module.function(
            f"all_{name}", None, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * counts
        )
        functions[name].module = module
    return functions


def lanes_by_processor(f, columns, shared=()):
    """Outputs and statuses of the lanes of a function or program, by the loop of its kernel."""
    columns = np.ascontiguousarray(columns, dtype=np.float64)
    program = f if isinstance(f, Program) else al.trace(f, *columns[:, 0].tolist()).program
    code = kernel.Kernel(program, len(columns))
    count, common = columns.shape[1], np.array([*shared, 0.0])
    outputs, status = np.empty((len(program.outputs), count)), np.zeros(count, np.int32)
    places = [array.ctypes.data for array in (columns, common, outputs, status)]
    on_processor(code)["lanes"](*places, count)
    return outputs, status


class ProcessorDriver:
    """The functions of the driver's library that `driver.Driver` calls, with this machine as the device."""

    def __init__(self, free=1 << 30, capability=(9, 0)):
        self.free, self.capability = free, capability
        self.unloaded = 0
        self.codes, self.memory, self.kernels, self.failing, self.calls = {}, {}, {}, {}, []

    def __getattr__(self, name):
        function = getattr(type(self), f"on_{name.removesuffix('_v2')}")

        def called(*arguments):
            self.calls.append(name)
            return self.failing.get(name) or function(self, *[getattr(a, "_obj", a) for a in arguments]) or 0

        return called

    def on_cuInit(self, flags):
        assert flags.value == 0

    def on_cuDeviceGetCount(self, count):
        count.value = 1

    def on_cuDeviceGet(self, device, number):
        device.value = number

    def on_cuDeviceGetAttribute(self, value, number, device):
        value.value = self.capability[number - 75]

    def on_cuDevicePrimaryCtxRetain(self, context, device):
        context.value = 7

    def on_cuCtxSetCurrent(self, context):
        assert context.value == 7

    def on_cuMemGetInfo(self, free, total):
        free.value = self.free

    def on_cuModuleLoadData(self, module, text):
        self.loaded = on_processor(self.codes[text.value.decode()])

    def on_cuModuleGetFunction(self, kernel, module, name):
        kernel.value = len(self.kernels) + 1
        self.kernels[kernel.value] = name.value.decode(), self.loaded[name.value.decode()]

    def on_cuModuleUnload(self, module):
        self.unloaded += 1

    def on_cuMemAlloc(self, address, size):
        if size.value > self.free:
            return OUT_OF_MEMORY
        memory = np.full(-(-size.value // 8), np.nan)
        address.value = memory.ctypes.data
        self.memory[address.value] = memory
        return 0

    def on_cuMemFree(self, address):
        del self.memory[address.value]

    def on_cuMemcpyHtoD(self, to, source, size):
        assert size.value <= self.memory[to.value].nbytes
        ctypes.memmove(to.value, source.value, size.value)

    def on_cuMemcpyDtoH(self, to, source, size):
        assert size.value <= self.memory[source.value].nbytes
        ctypes.memmove(to.value, source.value, size.value)

    def on_cuLaunchKernel(self, kernel, *arguments):
        *sizes, _, _, given, _ = (getattr(a, "value", a) for a in arguments)
        name, function = self.kernels[kernel.value]
        _, pointers, counts = KERNELS[name]
        numbers = [ctypes.c_int64.from_address(given[k]).value for k in range(pointers + counts)]
        assert sizes[0] * sizes[3] >= numbers[-1]
        assert (sizes[0] - 1) * sizes[3] < numbers[-1]
        assert all(address in self.memory for address in numbers[:pointers])
        function(*numbers)

    def on_cuGetErrorString(self, status, words):
        words.value = {2: b"out of memory", 700: b"an illegal memory access was encountered"}.get(status)
        return 0 if words.value else 1


def processor_as_device(monkeypatch, **facts):
    """Let `backend="cuda"` run on this processor; the library that stands in for the driver's."""
    library = ProcessorDriver(**facts)
    written = kernel.assembly

    def kept(code, capability):
        text = written(code, capability)
        library.codes[text] = code
        return text

    here = driver.Driver(library)
    monkeypatch.setattr(kernel, "assembly", kept)
    monkeypatch.setattr(driver, "device", lambda: here)
    entry = dataclasses.replace(registry.BACKENDS["cuda"], check=lambda: here)
    monkeypatch.setitem(registry.BACKENDS, "cuda", entry)
    registry.forget()
    return library
