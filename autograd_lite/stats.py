"""Densities and distribution functions: another name of `autograd_lite.maths.stats`."""

import sys

from autograd_lite.maths import stats
from autograd_lite.maths.stats import *  # noqa: F403 - for whoever reads types

sys.modules[__name__] = stats
