"""C by hand, compiled by the system's compiler with the optimisations of this machine.

`black_scholes` is compiled with -ffast-math: glibc's vector functions err by up to 4 ULP there. Results go into memory that
is kept.
"""

from __future__ import annotations

import ctypes
import os
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


FLAGS = ("-O3", "-ffast-math", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-shared", "-fPIC")
CALLS = """
#include <math.h>
void calls(long n, const double *restrict in, double *restrict out)
{
    #pragma omp parallel for simd schedule(static)
    for (long i = 0; i < n; i++) {
        double spot = in[i], strike = in[n + i], rate = in[2 * n + i], volatility = in[3 * n + i], time = in[4 * n + i];
        double root = sqrt(time), spread = volatility * root;
        double d1 = (log(spot / strike) + (rate + volatility * volatility / 2) * time) / spread;
        double below = 0.5 * erfc(-d1 * M_SQRT1_2);
        double paid = exp(-rate * time) * 0.5 * erfc((spread - d1) * M_SQRT1_2);
        double density = spot * exp(d1 * d1 * -0.5) * (M_SQRT1_2 * 0.5 * M_2_SQRTPI), owed = strike * paid;
        out[i] = spot * below - owed;
        out[n + i] = below;
        out[2 * n + i] = -paid;
        out[3 * n + i] = time * owed;
        out[4 * n + i] = density * root;
        out[5 * n + i] = density * volatility / (2 * root) + rate * owed;
    }
}
"""


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities by the closed formulas, on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "calls.c", Path(folder) / "calls.so"
        source.write_text(CALLS, encoding="utf-8")
        compiler = os.environ.get("CC", "gcc")
        subprocess.run([compiler, *FLAGS, str(source), "-o", str(library), "-lm"], check=True)
        calls = ctypes.CDLL(str(library)).calls
    given, result = np.ascontiguousarray(points), np.empty((6, points.shape[1]))
    addresses = [ctypes.c_void_p(memory.ctypes.data) for memory in (given, result)]

    def run(_held: Any = given) -> Any:
        calls(ctypes.c_long(points.shape[1]), *addresses)
        return result

    return run
