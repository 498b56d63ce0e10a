"""Networks in the files of other programs: numpy archives and ONNX."""
