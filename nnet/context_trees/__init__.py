"""Trees that tie the pdfs of phones in context: built without data, or from alignments."""
