"""Flat-start LF-MMI: from recordings and transcripts alone."""
