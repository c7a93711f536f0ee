"""Text to syntax tree and back: grammar, parser, formatter."""

from resdsl.syntax.parser import parse

__all__ = ["parse"]
