"""A device that is not there: CuPy's interface over numpy's arrays, CUDA sources compiled for the CPU."""
