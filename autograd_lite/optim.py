"""Optimisers: another name of `autograd_lite.train.optim`."""

import sys

from autograd_lite.train import optim
from autograd_lite.train.optim import *  # noqa: F403 - for whoever reads types

sys.modules[__name__] = optim
