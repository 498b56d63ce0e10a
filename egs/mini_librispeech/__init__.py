"""Mini LibriSpeech with what Kaldi made of it."""
