"""Text to syntax tree and back: the grammar, the parser, and (loaded by ``fmt`` alone) ``formatter``."""

from resdsl.syntax.parser import parse

__all__ = ["parse"]
