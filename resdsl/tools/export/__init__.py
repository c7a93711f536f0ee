"""Networks as source code of PyTorch."""
