"""Linear algebra: another name of `autograd_lite.maths.linalg`."""

import sys

from autograd_lite.maths import linalg
from autograd_lite.maths.linalg import *  # noqa: F403 - for whoever reads types

sys.modules[__name__] = linalg
