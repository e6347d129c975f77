"""The demos of a checkout, which lie beside the package; a wheel has their folder in the place of this file."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

_file = Path(__file__).resolve().parents[1] / "demos" / "__init__.py"
if not _file.is_file():
    raise ModuleNotFoundError(f"the demos are not beside {_file.parents[1] / 'autograd_lite'}", name=__name__)
_spec: Any = importlib.util.spec_from_file_location(__name__, _file, submodule_search_locations=[str(_file.parent)])
sys.modules[__name__] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules[__name__])
