"""Rewriting of graphs: one pass a file, and the pipeline that runs them."""

from resdsl.passes.pipeline import LEVELS, PASSES, optimize

__all__ = ["LEVELS", "PASSES", "optimize"]
