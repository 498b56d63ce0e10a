"""The Free Spoken Digit recordings."""
