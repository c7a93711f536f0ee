"""Passes, one per file, that rewrite a graph, and the pipeline that runs them."""

from resdsl.passes.pipeline import LEVELS, PASSES, optimize

__all__ = ["LEVELS", "PASSES", "optimize"]
