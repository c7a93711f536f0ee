"""Running models with ONNX Runtime: images in, classes out. The one place that imports ``onnxruntime``."""
