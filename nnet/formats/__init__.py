"""Kaldi's files: read and written byte for byte, whole or not at all, damage reported with its place."""
