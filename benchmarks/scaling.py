"""What a cluster would take, from measured parts: simulated, not measured, up to 1,000 workers and 10¹² rows.

python -m benchmarks.scaling                  prints the tables
python -m benchmarks.scaling --write          writes them into docs/scaling.md, and the picture
python -m benchmarks.scaling --parts FILE     takes other parts, as `python -m benchmarks.cluster --parts` prints them

The scheduler is one queue, which serves a task at a time. A worker has one thread, and one block waiting beside the block
that it runs, as Dask's `worker-saturation` has it. Blocks take times that differ by a tenth (log-normal).
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
PICTURE = PAGE.parent / "pictures" / "scaling.svg"

#: Seconds, but for bytes: by `python -m benchmarks.cluster --parts`.
MEASURED = {
    "compile options": 0.24, "row options": 1.07e-7, "compile paths": 0.046, "row paths": 1.53e-6, "graph": 1.95e-5,
    "task": 5.6e-4, "program bytes": 885, "addition": 3.3e-7,
}  # fmt: skip
#: Of a network between machines: seconds to an answer, and bytes a second. Assumed.
LATENCY, BANDWIDTH = 1e-3, 1e8
#: Sums that one task adds up, and the blocks that are simulated for each worker; more of them go on as the last half did.
TOGETHER, SIMULATED = 8, 100
WORKERS = (1, 10, 100, 300, 1000)


class Job(NamedTuple):
    """Rows of one kind, cut into blocks."""

    kind: str  # "options" or "paths"
    rows: float
    block: int

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return math.ceil(self.rows / self.block)


def simulated(job: Job, workers: int, parts: dict[str, float], seed: int = 0) -> float:
    """Return the seconds from the call to the sum.

    Parameters
    ----------
    job : Job
        What is to be done.
    workers : int
        Of one thread each.
    parts : dict
        As `MEASURED`.
    seed : int, default 0
        Of the times of blocks.

    Returns
    -------
    float
        Seconds.
    """
    time, blocks = job.block * parts[f"row {job.kind}"], job.blocks
    count = min(blocks, SIMULATED * workers)
    times = np.random.default_rng(seed).lognormal(0.0, 0.1, count)
    times *= time / times.mean()
    fetched = math.ceil(math.log2(workers + 1)) * (LATENCY + parts["program bytes"] / BANDWIDTH)
    ready = [fetched + parts[f"compile {job.kind}"]] * workers
    asked = [(0.0, worker) for worker in range(workers) for _ in range(2)]  # one runs, one waits
    service, served, ends = parts["task"] * (1 + 1 / (TOGETHER - 1)), 0.0, np.empty(count)
    for k in range(count):
        moment, worker = heapq.heappop(asked)
        served = max(served, moment) + service
        ready[worker] = ends[k] = max(ready[worker], served + LATENCY) + times[k]
        heapq.heappush(asked, (ready[worker], worker))
    ends.sort()
    half = count // 2
    rate = (ends[-1] - ends[half]) / (count - 1 - half) if count > half + 1 else 0.0
    depth = math.ceil(math.log(max(blocks, 2), TOGETHER))
    tree = depth * (parts["task"] + 2 * LATENCY + TOGETHER * parts["addition"])
    return blocks * parts["graph"] + float(ends[-1]) + (blocks - count) * float(rate) + tree


def efficiency(job: Job, workers: int, parts: dict[str, float]) -> float:
    """Return the share of the workers' time that goes into rows."""
    return job.rows * parts[f"row {job.kind}"] / workers / simulated(job, workers, parts)


def tables(parts: dict[str, float]) -> str:
    """Return weak and strong scaling as Markdown."""
    lines: list[str] = []
    for title, jobs in (
        ("Weak scaling: 10⁹ rows for each worker", lambda block, workers: Job("options", 1e9 * workers, block)),
        ("Strong scaling: 10¹⁰ rows in all", lambda block, _: Job("options", 1e10, block)),
    ):
        lines += [f"**{title}, Black–Scholes with five sensitivities: time, and share of it that goes into rows**", ""]
        blocks = (10**5, 10**6, 10**7)
        lines += [
            "| workers | " + " | ".join(f"blocks of {block:,} rows" for block in blocks) + " |",
            "| ---: " * 4 + "|",
        ]
        for workers in WORKERS:
            cells = [
                f"{simulated(job, workers, parts):,.0f} s, {efficiency(job, workers, parts):.0%}"
                for job in (jobs(block, workers) for block in blocks)
            ]
            lines.append(f"| {workers:,} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def told(parts: dict[str, float]) -> str:
    """Return the parts as a table."""
    service = parts["task"] * (1 + 1 / (TOGETHER - 1))
    rows = [
        ("compile, once in each process", f"{parts['compile options']:.2f} s; Heston {parts['compile paths']:.2f} s"),
        ("ship the function, once to each process", f"{parts['program bytes']:,.0f} bytes"),
        (
            "a row, made and computed",
            f"{1e9 * parts['row options']:.0f} ns; Heston, 50 steps, {1e6 * parts['row paths']:.1f} µs",
        ),
        ("Dask, for each block: client and scheduler", f"{1e3 * service:.2f} ms"),
        ("write the graph, for each block", f"{1e6 * parts['graph']:.0f} µs"),
        ("the tree, for each block", f"{1e6 * parts['addition']:.1f} µs, and a seventh of a task"),
    ]
    return "\n".join(["| part | measured |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def draw(parts: dict[str, float]) -> None:
    """Write the picture."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    from benchmarks.plots import BLUE, OTHERS, STYLE

    workers = np.unique(np.geomspace(1, 1000, 25).astype(int))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained", sharey=True)
        for axis, title, rows in zip(
            axes,
            ("weak: 10⁹ rows a worker", "strong: 10¹⁰ rows in all"),
            (lambda w: 1e9 * w, lambda _: 1e10),
            strict=True,
        ):
            for block, style, colour in zip((10**5, 10**6, 10**7), (":", "--", "-"), (BLUE, *OTHERS), strict=False):
                shares = [efficiency(Job("options", rows(w), block), int(w), parts) for w in workers]
                axis.semilogx(workers, shares, style, color=colour, label=f"blocks of {block:,} rows")
            axis.set(title=title, xlabel="workers (simulated)", ylim=(0.0, 1.05))
            axis.grid(visible=True)
        axes[0].set_ylabel("share of time that goes into rows")
        axes[0].legend(frameon=False)
        figure.savefig(PICTURE, metadata={"Date": None})
        plt.close(figure)


def main() -> int:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=Path, help="a file of measured parts")
    parser.add_argument("--write", action="store_true", help="into the page")
    asked = parser.parse_args()
    parts = json.loads(asked.parts.read_text(encoding="utf-8")) if asked.parts else MEASURED
    made = {"parts": told(parts), "tables": tables(parts).rstrip()}
    if not asked.write:
        print("\n\n".join(made.values()))
        return 0
    text = PAGE.read_text(encoding="utf-8")
    for name, content in made.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        text = (
            f"{before}<!-- {name} -->\n{content}\n<!-- end of {name} -->{rest.split(f'<!-- end of {name} -->', 1)[1]}"
        )
    PAGE.write_text(text, encoding="utf-8")
    draw(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
