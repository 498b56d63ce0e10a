"""Arithmetic that several components share, on arrays of numpy or CuPy."""
