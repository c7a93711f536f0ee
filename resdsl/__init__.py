"""resdsl: a small language for residual networks."""

__version__ = "0.1.0"
