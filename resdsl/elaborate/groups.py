"""Groups: scopes whose children have numbers unless they have labels."""

from __future__ import annotations

from resdsl.diagnostics import Span
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, Naming
from resdsl.ir.graph import Scope, ScopeKind


def open_group(builder: GraphBuilder, path: str, span: Span, flow: Flow, context: Context) -> Context:
    """A group of this path in the current scope; gives the context of its body."""
    builder.claim_name(path, span, context)
    label = path.removeprefix(context.naming.prefix)
    scope = Scope(ScopeKind.GROUP, label, path, "", {}, span, [], flow or 0)
    context.scope.children.append(scope)
    return context.inside(naming=Naming(f"{path}.", True), scope=scope)
