"""What LF-MMI training is prepared from: phone language models."""
