"""NumPy itself, under the name by which people of other libraries import theirs: its functions take Variables as they are."""

import sys

import numpy as np
from numpy import *  # noqa: F403 - for whoever reads types

sys.modules[__name__] = np
