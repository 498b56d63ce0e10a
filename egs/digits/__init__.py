"""Spoken digits from a synthesizer: speech learnt from nothing."""
