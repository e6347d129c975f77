"""The notebook is a script that runs."""

import runpy

from house import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.py"


def test_every_cell_of_the_notebook_runs():
    """Its claims are assertions."""
    names = runpy.run_path(str(NOTEBOOK))
    assert names["losses"][-1] < names["losses"][0]
