"""A computation and its gradient in words.

`explain` writes them down; `why` says why a gradient is zero, tiny, huge or missing; `blame` where the first NaN or
infinity was born; `kinks` lists what is not smooth near the point; `audit` checks every recorded local gradient against an
independent number. None of them changes a value or a gradient.
"""

from autograd_lite.explain.audit import Audit, Fault, audit
from autograd_lite.explain.blame import Blame, blame
from autograd_lite.explain.derivation import Explanation, explain
from autograd_lite.explain.kinks import Kink, Kinks, kinks
from autograd_lite.explain.report import Why
from autograd_lite.explain.tree import LEVELS
from autograd_lite.explain.why import why

__all__ = [
    "LEVELS",
    "Audit",
    "Blame",
    "Explanation",
    "Fault",
    "Kink",
    "Kinks",
    "Why",
    "audit",
    "blame",
    "explain",
    "kinks",
    "why",
]
