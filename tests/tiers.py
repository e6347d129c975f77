"""Which tests are quick, which are full: `python -m pytest` runs the quick ones, `-m full` the others but the slow."""

import pytest


def mostly_full(cases, quick):
    """Return the cases as parameters; those whose position is not in `quick` carry the mark `full`.

    A sweep keeps a sample in the quick suite: `quick` is a slice or a collection of positions.
    """
    cases = list(cases)
    kept = set(range(len(cases))[quick]) if isinstance(quick, slice) else {k % len(cases) for k in quick}
    return [case if k in kept else pytest.param(case, marks=pytest.mark.full) for k, case in enumerate(cases)]
