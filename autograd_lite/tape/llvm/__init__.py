"""Machine code by LLVM: programs written as its text, compiled and run."""
