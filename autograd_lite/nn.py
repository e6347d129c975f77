"""Layers, losses and initialisers: another name of `autograd_lite.train.nn`."""

import sys

from autograd_lite.train import nn
from autograd_lite.train.nn import *  # noqa: F403 - for whoever reads types

sys.modules[__name__] = nn
