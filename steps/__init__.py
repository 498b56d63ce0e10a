"""Whole trainings: files on disk, many jobs."""
