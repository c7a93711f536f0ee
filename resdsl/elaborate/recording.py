"""What elaborating a text carries out: every body, each time that it is, with the statements in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from resdsl.elaborate.context import Context, Flow
from resdsl.syntax import tree


@dataclass(slots=True, eq=False)
class StatementRun:
    """One statement carried out: the value before it and the one behind it, and the bodies that it carried out."""

    statement: tree.Statement
    flow: Flow
    result: Flow = None
    bodies: list[BodyRun] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class BodyRun:
    """One body carried out, with one run of each of its statements, in order."""

    body: tree.Body
    flow: Flow
    context: Context
    result: Flow = None
    statements: list[StatementRun] = field(default_factory=list)


class Recording:
    """Records the bodies of one elaboration. ``runs`` has that of the model, ``builder`` what built its graph."""

    def __init__(self) -> None:
        self.builder: Any = None
        self.runs: list[BodyRun] = []
        self._open: list[StatementRun] = []
        self._bodies: list[BodyRun] = []

    @property
    def root(self) -> BodyRun:
        """The body of the model."""
        return self.runs[0]

    def attach(self, builder: Any) -> None:
        """Record what this builder builds, and nothing before it."""
        self.builder = builder
        self.runs.clear()
        builder.recording = self

    def enter(self, body: tree.Body, flow: Flow, context: Context) -> None:
        run = BodyRun(body, flow, context)
        (self._open[-1].bodies if self._open else self.runs).append(run)
        self._bodies.append(run)

    def begin(self, statement: tree.Statement, flow: Flow) -> None:
        run = StatementRun(statement, flow)
        self._bodies[-1].statements.append(run)
        self._open.append(run)

    def end(self, result: Flow) -> None:
        self._open.pop().result = result

    def leave(self, result: Flow) -> None:
        self._bodies.pop().result = result

    def pass_by(self, body: tree.Body, flow: Flow, context: Context) -> None:
        """A branch of a join that is the value itself, for which no body is carried out."""
        self.enter(body, flow, context)
        self.begin(body.statements[0], flow)
        self.end(flow)
        self.leave(flow)
