"""How the suite is collected and shared out among processes.

Every Python block of the Markdown pages is run; docstrings are run by pytest's own doctest collector.
"""

import gc
import signal
from doctest import ELLIPSIS

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from xdist.scheduler import LoadScopeScheduling

# A shell tells commands in its background to ignore interrupts, which some tests wait for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()], patterns=["*.md"]
).pytest()

#: Tests of these files share what is made once a process, at some cost.
WHOLE = ("tests/project/test_demos.py", "tests/whole/test_scale.py")


#: Tests of these files share nothing, and their cases take long: each may go to another process.
ALONE = ("tests/properties/test_structured.py",)


class Families(LoadScopeScheduling):
    """Hands out families of tests: the cases of one function, the blocks of one page, the files of WHOLE.

    Single tests would make every process compile everything; whole files would let the longest decide the time.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path in ALONE:
            return nodeid
        return path if path.endswith(".md") or path in WHOLE else nodeid.partition("[")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Families | None:
    """Share tests out by families, unless another way was asked for."""
    return Families(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests: they stay to the end, and a look at all takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No other process for one test: starting it would take longer than the test. Otherwise xdist's own number."""
    return 0 if len(config.args) == 1 and "::" in config.args[0] else None
