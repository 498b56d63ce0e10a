"""Recipes: each a short list of calls of steps, with its results."""
