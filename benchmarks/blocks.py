"""More rows than memory: time and anonymous memory of `in_blocks` over a sparse file that reads as zeros but for some rows.

    python -m benchmarks.blocks              20 GB
    python -m benchmarks.blocks --gigabytes 1

The file takes a few MB on disk, the results of a tenth of it 250 MB. For sums with their gradient, and for an iterator of
results, it prints the largest `RssAnon` of /proc/self/status throughout, and fails if a result is wrong or 1 GB was exceeded.
"""

import argparse
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import autograd_lite as al

COLUMNS, MARKED, LIMIT = 8, 1000, 1e9


def loss(w: Any, x: Any) -> Any:
    """At a row of zeros 1, with the derivative 0 by w."""
    return al.cos(w * x[0]) + al.sum(x[1:] * x[1:])


def sparse_file(folder: str, gigabytes: float) -> Any:
    """Rows of zeros, of which some in every part are others."""
    rows = int(gigabytes * 1e9) // (8 * COLUMNS)
    path = Path(folder) / "rows.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float64, (rows, COLUMNS))
    array[:: max(rows // MARKED, 1)] = 0.5
    array.flush()
    del array
    return np.load(path, mmap_mode="r")


def anonymous() -> float:
    """Bytes of memory of this process that are no file's."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return 1024.0 * int(found[1])


@contextmanager
def watched(label: str) -> Iterator[None]:
    """Print the time and the largest anonymous memory of a block."""
    largest, ended = [anonymous()], threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            largest.append(anonymous())

    thread, began = threading.Thread(target=look), time.perf_counter()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    print(f"{label:24} {time.perf_counter() - began:8.1f} s   RssAnon at most {max(largest) / 1e6:6.0f} MB")
    assert max(largest) <= LIMIT, "more than 1 GB"


def main(gigabytes: float) -> None:
    """Both ways over one file."""
    with tempfile.TemporaryDirectory() as folder:
        x = sparse_file(folder, gigabytes)
        marked = -(-len(x) // max(len(x) // MARKED, 1))
        on_disk = (Path(folder) / "rows.npy").stat().st_blocks * 512
        print(f"{x.nbytes / 1e9:.1f} GB, {len(x):,} rows; {on_disk / 1e6:.1f} MB on disk")
        value = len(x) - marked + marked * (np.cos(0.5) + 0.25 * (COLUMNS - 1))
        with watched('reduce="sum"'):
            step = al.in_blocks(al.jit(al.vmap(al.value_and_grad(loss), (None, 0), reduce="sum")))
            found, slope = step(1.0, x)
            assert np.isclose(found, value, rtol=1e-12)
            assert np.isclose(slope, -0.5 * np.sin(0.5) * marked, rtol=1e-12)
        with watched("iterator of results"):
            blocks = al.in_blocks(al.jit(al.vmap(loss, (None, 0))))(1.0, x)
            assert np.isclose(sum(float(block.sum()) for block in blocks), value, rtol=1e-12)
        with watched("a tenth of it with out="):
            part = x[: len(x) // 10]
            out = np.lib.format.open_memmap(Path(folder) / "out.npy", "w+", np.float64, (len(part),))
            al.in_blocks(al.jit(al.vmap(loss, (None, 0))))(1.0, part, out=out)
            assert out[0] != out[1] == out[-1] == 1.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=20.0)
    main(parser.parse_args().gigabytes)
