"""Compare nodes of two networks; equal applications are compared once."""

from __future__ import annotations

from resdsl.ir.application import Application
from resdsl.ir.graph import Graph


class NodeEquality:
    """Compares nodes of an old and a new network by index."""

    def __init__(self, old: Graph, new: Graph) -> None:
        self._old = old.applications
        self._new = new.applications
        self._known: dict[tuple[Application, Application], tuple[bool, bool]] = {}

    def operators(self, old: int, new: int) -> bool:
        """Whether both have the same operator with the same arguments, or others that mean the same."""
        return self._compared(old, new)[0]

    def types(self, old: int, new: int) -> bool:
        """Whether inputs and outputs of both have the same types."""
        return self._compared(old, new)[1]

    def _compared(self, old: int, new: int) -> tuple[bool, bool]:
        before, after = key = self._old[old], self._new[new]
        known = self._known.get(key)
        if known is None:
            types = before.inputs == after.inputs and before.result == after.result
            # `pad = same` of images of other sizes is still the same argument.
            alike = before.operator == after.operator or before.canonical == after.canonical
            known = self._known[key] = alike, types
        return known
