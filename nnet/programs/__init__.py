"""Programs with the names, options and log lines of Kaldi's own; each is thin around one library call."""
