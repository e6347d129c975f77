"""Rows on many workers: a cluster of one machine with 1, 2 and 4 processes of one thread each.

python -m benchmarks.cluster              some three minutes on two cores
python -m benchmarks.cluster --quick      the same with few rows: bits are compared, times mean nothing
python -m benchmarks.cluster --parts      what `benchmarks.scaling` is built from, as JSON

Rows are made on the workers, and results are added up there or stay there. Every total is compared to the bit with that of
`in_blocks` in this process, which runs the same blocks one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import autograd_lite as al
from autograd_lite.tape.blocks import combined
from benchmarks import formulas
from demos import heston

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = (1, 2, 4)
REPEATS = 5
LOW, HIGH = np.array([80.0, 80.0, 0.0, 0.1, 0.1]), np.array([120.0, 120.0, 0.08, 0.5, 2.0])


class Work(NamedTuple):
    """A sum over rows, and the same without the sum."""

    name: str
    reduced: Any
    kept: Any
    arguments: tuple[Any, ...]  # that all rows share
    rows: Any  # an array of Dask
    block: int


def priced(row: Any) -> Any:
    """Return the price of an option; a row has spot, strike, rate, volatility and time."""
    return formulas.call(*row, al)


def works(options: int, paths: int) -> list[Work]:
    """Return Black–Scholes with five sensitivities, and Heston's price with its six by paths of 50 steps."""
    import dask.array as da

    random = da.random.default_rng(0)
    block, of_paths = options // 20, paths // 20
    unit = random.uniform(size=(options, 5), chunks=(block, 5))
    shocks = random.normal(size=(paths, 50, 2), chunks=(of_paths, 50, 2))
    sheet, path = al.value_and_grad(priced), al.value_and_grad(heston.payoff)
    return [
        Work("Black–Scholes", al.jit(al.vmap(sheet, reduce="sum")), al.jit(al.vmap(sheet)), (),
             LOW + (HIGH - LOW) * unit, block),
        Work("Heston", al.jit(al.vmap(path, (None, 0), reduce="mean")), al.jit(al.vmap(path, (None, 0))),
             (heston.POINT,), shocks, of_paths),
    ]  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Return whether two results have the same bits."""
    leaves = [al.flatten(tuple(map(np.asarray, result)))[0] for result in (one, other)]
    return leaves[0].tobytes() == leaves[1].tobytes()


def seconds(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the median time of some calls."""
    times = []
    for _ in range(repeats):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return median(times)


def started(workers: int) -> Any:
    """Return a client of a new cluster of processes with one thread each."""
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.worker.memory.terminate": False})
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    return cluster.get_client()


def over_workers(options: int, paths: int) -> bool:
    """Print times for each number of workers, and return whether all bits are equal."""
    import dask
    from distributed import wait

    todo, equal = works(options, paths), True
    expected = [
        al.in_blocks(work.reduced, rows=work.block)(
            *work.arguments, work.rows.compute(scheduler="threads") if options <= 10**5 else _streamed(work.rows)
        )
        for work in todo
    ]
    print(f"{'':<16}{'workers':>8}{'first':>9}{'reduced':>10}{'kept':>9}   ratio to one worker, bits")
    alone: dict[str, float] = {}
    for workers in WORKERS:
        client = started(workers)
        for work, reference in zip(todo, expected, strict=True):
            began = perf_counter()
            result = dask.compute(*work.reduced(*work.arguments, work.rows))
            first = perf_counter() - began
            time = seconds(lambda work=work: dask.compute(*work.reduced(*work.arguments, work.rows)))
            kept = seconds(lambda work=work: wait(dask.persist(*work.kept(*work.arguments, work.rows))), 2)
            bits = same(result, reference)
            equal &= bits
            ratio, told = alone.setdefault(work.name, time) / time, "same" if bits else "OTHER"
            print(f"{work.name:<16}{workers:>8}{first:>8.2f}s{time:>9.3f}s{kept:>8.3f}s   {ratio:.2f}, {told}")
        client.cluster.close()
        client.close()
    return equal


def _streamed(rows: Any) -> Any:
    """Return an iterator of the blocks, of which one is in memory at a time."""
    return (block.compute(scheduler="synchronous") for block in rows.blocks)


def extra(options: int) -> None:
    """Print what a call costs beside the same graph with a function that returns its block."""
    import dask

    work, client = works(options, 20)[0], started(1)
    block = options // 4
    rows = work.rows.rechunk((block, 5)).persist()
    plain = (
        rows.map_blocks(lambda part: part)
        .map_blocks(lambda part: part[:1], chunks=((1,) * rows.numblocks[0], (5,)))
        .sum(axis=0)
    )
    ours = [lambda: dask.compute(*work.reduced(rows)), plain.compute]
    for call in ours:
        call()
    pairs = [(seconds(ours[0], 1), seconds(ours[1], 1)) for _ in range(3 * REPEATS)]
    numbers = rows.blocks[0].compute()
    kernel = 4 * seconds(lambda: work.reduced(numbers))
    time, other = (median(times) for times in zip(*pairs, strict=True))
    print(
        f"{options:,} rows of Black–Scholes, four blocks: {1e3 * time:.0f} ms; the same graph with a function that returns "
        f"its block {1e3 * other:.0f} ms; {1e3 * (time - other):.0f} ms more, of which the machine code takes some "
        f"{1e3 * kernel:.0f} ms"
    )
    client.cluster.close()
    client.close()


def spent(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the least processor time of some calls, in this process."""
    times = []
    for _ in range(repeats):
        began = process_time()
        call()
        times.append(process_time() - began)
    return min(times)


def parts() -> dict[str, float]:
    """Return what time goes into, in seconds of processor time: for `benchmarks.scaling`.

    A task of Dask is what it costs the client and the scheduler, which share this process; workers have their own.
    """
    import cloudpickle
    import dask
    import dask.array as da

    found: dict[str, float] = {}
    for name, work in zip(("options", "paths"), works(2 * 10**6, 10**5), strict=True):
        with dask.config.set(scheduler="synchronous"):
            lazy = work.reduced(*work.arguments, work.rows.blocks[:2])
            first = spent(lambda lazy=lazy: dask.compute(*lazy), 1)
            again = spent(lambda lazy=lazy: dask.compute(*lazy))
        found[f"compile {name}"] = first - again
        found[f"row {name}"] = again / (2 * work.block)
    client, count, few = started(1), 2000, 200
    tiny = al.jit(al.vmap(lambda x: x * x, reduce="sum"))
    tiny(da.ones(few, chunks=1)).compute()
    many, less = (spent(lambda n=n: tiny(da.ones(n, chunks=1)).compute(), 3) for n in (count, few))
    client.cluster.close()
    client.close()
    lazy = tiny(da.ones(count, chunks=1))
    found["graph"] = spent(lambda: cloudpickle.dumps(dict(lazy.__dask_graph__())), 3) / count
    found["task"] = ((many - less) / (count - few) - found["graph"]) / (1 + 1 / 7)
    found["program bytes"] = len(cloudpickle.dumps(tiny))
    sums = [np.ones(8)] * 4096
    found["addition"] = spent(lambda: combined(sums, np.add)) / len(sums)
    return found


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows")
    parser.add_argument("--parts", action="store_true", help="measure what the model of scaling is built from")
    asked = parser.parse_args()
    if asked.parts:
        print(json.dumps(parts(), indent=1))
        return 0
    options, paths = (20_000, 400) if asked.quick else (10**7, 10**6)
    equal = over_workers(options, paths)
    extra(20_000 if asked.quick else 10**6)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
