"""C by hand, compiled by the system's compiler with the optimisations of this machine."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

Run = Any

# Lanes in blocks, each with a flag: what one writes so that the compiler makes vector instructions of it.
NEWTON = """
#include <math.h>
#define BLOCK 64
void newton(const double *a, double *roots, double *slopes, long n) {
    for (long start = 0; start < n; start += BLOCK) {
        long count = n - start < BLOCK ? n - start : BLOCK, going = 1;
        double x[BLOCK], d[BLOCK];
        for (long k = 0; k < count; k++) { x[k] = a[start + k]; d[k] = 1.0; }
        while (going) {
            going = 0;
            for (long k = 0; k < count; k++) {
                double number = a[start + k], quotient = number / x[k];
                long active = fabs(x[k] * x[k] - number) > 1e-14 * number;
                double slope = (d[k] + (1.0 - quotient * d[k]) / x[k]) * 0.5, next = (x[k] + quotient) * 0.5;
                d[k] = active ? slope : d[k];
                x[k] = active ? next : x[k];
                going |= active;
            }
        }
        for (long k = 0; k < count; k++) { roots[start + k] = x[k]; slopes[start + k] = d[k]; }
    }
}
"""


def _library(source: str) -> ctypes.CDLL:
    """Compile and load."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "loop.c").write_text(source, encoding="utf-8")
        options = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
        command = [compiler, *options, str(folder / "loop.c"), "-o", str(folder / "loop.so"), "-lm"]
        subprocess.run(command, check=True, capture_output=True)
        return ctypes.CDLL(str(folder / "loop.so"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def newton_roots(points: Any) -> Run:
    """Roots and their derivatives, a masked loop with the derivative carried along; one thread, into arrays made once."""
    function, results = _library(NEWTON).newton, np.empty((2, len(points)))
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in (points, *results)]

    def run() -> Any:
        function(*addresses, ctypes.c_long(len(points)))
        return results

    return run
