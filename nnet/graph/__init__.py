"""Who feeds whom, and at which frames."""
