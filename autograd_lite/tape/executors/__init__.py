"""What runs a program: Python in any arithmetic, NumPy, and machine code by LLVM."""
