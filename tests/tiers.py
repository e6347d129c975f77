"""Which tests are quick and which are full.

`python -m pytest` runs the quick tests, `python -m pytest -m full` the complete sweeps, `-m slow` what takes minutes more.
A sweep keeps a sample among the quick tests, so that every module of the library is tested in both.
"""

import pytest

full, slow = pytest.mark.full, pytest.mark.slow


def mostly_full(cases, quick, seldom=()):
    """Return the cases as parameters; those whose position is not in `quick`, a slice or positions, carry `full`.

    Those whose position is in `seldom` take long and carry `slow`.
    """
    cases = list(cases)
    kept = set(range(len(cases))[quick]) if isinstance(quick, slice) else {k % len(cases) for k in quick}
    marks = [slow if k in seldom else full for k in range(len(cases))]
    return [case if k in kept else pytest.param(case, marks=marks[k]) for k, case in enumerate(cases)]


def but_for(slow, cases):
    """Return the cases, of which those that are in `slow` carry `full`."""
    return [pytest.param(case, marks=full) if isinstance(case, str) and case in slow else case for case in cases]


def sizes(quick, complete):
    """Return two sizes of one test as parameters: a small one, and the complete one, which carries `full`."""
    return [quick, pytest.param(complete, marks=full)]
