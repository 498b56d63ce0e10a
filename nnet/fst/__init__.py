"""Weighted finite-state acceptors and transducers over the tropical semiring, as arrays."""
