"""What the solvers of SciPy and IPOPT ask for, and what their results mean; `autograd_lite.scipy` is the way in."""
