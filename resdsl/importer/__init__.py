"""An ONNX file as a Graph: read its structure, recognise operators and what exporters spell out, name the nodes."""
