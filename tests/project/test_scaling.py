"""The model of many workers: its limits are those of arithmetic, and the page shows what it gives."""

import pytest
from house import ROOT

from benchmarks import scaling
from benchmarks.scaling import MEASURED, Job, efficiency, simulated

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("workers", [1, 7, 64])
def test_the_simulation_keeps_to_its_limits(workers):
    """Not faster than workers or scheduler allow, and near the slower of the two."""
    for rows, block in ((1e9, 10**5), (1e9, 10**6), (3e9, 10**7)):
        job = Job("options", rows, block)
        service = MEASURED["task"] * 8 / 7
        least = max(rows * MEASURED["row options"] / workers, job.blocks * service)
        overhead = (
            1.0 + job.blocks * MEASURED["graph"] + 3 * block * MEASURED["row options"]
        )  # start, graph, the last blocks
        assert (
            0.98 * least < simulated(job, workers, MEASURED) < 1.05 * least + overhead
        )  # times of blocks: 0.1/√20 at most


def test_more_workers_are_not_slower_until_the_scheduler_is_full():
    """And larger blocks move that point."""
    shares = [
        [efficiency(Job("options", 1e9 * w, block), w, MEASURED) for w in (1, 50, 1000)] for block in (10**5, 10**7)
    ]
    bend = 1e5 * MEASURED["row options"] / MEASURED["task"]  # so many workers keep the scheduler busy
    assert shares[0][0] > 0.9 and bend < 50 and 0.7 < shares[0][1] / (bend / 50) < 1.05
    assert min(shares[1]) > 0.9


def test_the_page_shows_what_the_model_gives():
    """`python -m benchmarks.scaling --write` wrote it."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for content in (scaling.told(MEASURED), scaling.tables(MEASURED).rstrip()):
        assert content in text
