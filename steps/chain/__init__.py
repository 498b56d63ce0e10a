"""Training with the LF-MMI ("chain") objective."""
