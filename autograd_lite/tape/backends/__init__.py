"""Backends that run a program: Python in any arithmetic, NumPy, and, where `llvm` brings it, machine code."""
