"""The xconfig language: a few lines that name layers become the config files of an nnet3 network."""
