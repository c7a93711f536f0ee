"""From syntax tree to graph: scopes, calls, loops, shape inference, claims."""

from resdsl.elaborate.limits import Limits
from resdsl.elaborate.network import elaborate, parse_value
from resdsl.elaborate.program import Program, load_program

__all__ = ["Limits", "Program", "elaborate", "load_program", "parse_value"]
