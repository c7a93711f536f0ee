"""A syntax tree as text: one line per node, children indented below it.

::

    Module
      items:
        Definition kind=model
          name: Identifier name=tiny
          body: Body
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from resdsl.syntax.tree import Tree


def tree_text(tree: Tree) -> str:
    """The whole tree, with a newline at the end. Source locations are left out, as in comparisons."""
    return "".join(f"{line}\n" for line in _lines(tree, ""))


def _lines(tree: Tree, label: str) -> Iterator[str]:
    fields = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree) if field.compare}
    plain = {name: value for name, value in fields.items() if _is_plain(value)}
    written = "".join(f" {name}={_written(value)}" for name, value in plain.items() if value not in (None, (), ""))
    yield f"{label}{type(tree).__name__}{written}"
    for name, value in fields.items():
        if name in plain:
            continue
        if isinstance(value, Tree):
            yield from (f"  {line}" for line in _lines(value, f"{name}: "))
        else:
            yield f"  {name}:"
            for item in value:
                inner = _lines(item, "") if isinstance(item, Tree) else iter([repr(item)])
                yield from (f"    {line}" for line in inner)


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and not value.isidentifier() else str(value)


def _is_plain(value: object) -> bool:
    return not isinstance(value, Tree) and not (isinstance(value, tuple) and value)
