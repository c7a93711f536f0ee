"""Text to syntax tree and back: the grammar, the parser, the formatter."""

from resdsl.syntax.formatter import format_source
from resdsl.syntax.parser import parse

__all__ = ["format_source", "parse"]
