"""Text to syntax tree and back: the grammar, the parser, and (imported only by ``fmt``) ``formatter``."""

from resdsl.syntax.parser import parse

__all__ = ["parse"]
