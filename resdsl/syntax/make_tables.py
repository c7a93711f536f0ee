"""Makes the parser's tables from the grammar, with Lark: ``python -m resdsl.syntax.make_tables`` after changing it.

Lark reads the grammar, finds its conflicts, and computes the LALR(1) automaton and the order in which terminals are
tried. That takes longer than all else that `check` does, so what comes of it is kept beside the grammar in
`tables.json`, as plain data; a test compares it with what the grammar gives now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lark import Lark
from lark.grammar import Rule, Symbol
from lark.lexer import BasicLexer, Token
from lark.parsers.lalr_analysis import ParseTableBase, Shift

from resdsl.syntax.nodes import Nodes
from resdsl.syntax.tables import GRAMMAR, HOLE, IDENTIFIER, MISSING, MODULE, READY, SPLICED, TOKEN, VALUE, digest

# Tokens that say more than their place in the rule does; the others are dropped.
_TELLING = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "LABEL", "LABEL_NAME", "MODEL", "BLOCK", "RESIDUAL",
    "CONCAT", "ADD", "MUL", "MEAN", "NOT", "AND", "OR", "EQUALITY", "ORDER", "OTHER_ORDER",
    "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT",
})  # fmt: skip


class _Kept:
    """Lark's way to keep terminals that no rule uses: comments, and text that is wrong in itself."""

    always_accept = (
        "COMMENT",
        "BAD_STRING",
        "OPEN_STRING",
        "SINGLE_QUOTED",
        "BAD_NUMBER",
        "DOTTED_NAME",
        "FOREIGN_NAME",
        "FOREIGN_OPERATOR",
        "STRAY",
    )

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


def read_grammar() -> Lark:
    """The grammar as Lark reads it; raises where it has a conflict."""
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        start=[MODULE, HOLE],
        postlex=_Kept(),
        keep_all_tokens=True,
    )


def make_tables() -> dict[str, Any]:
    """What `tables.json` should hold: see `resdsl.syntax.tables.Tables`."""
    lark = read_grammar()
    lexer = BasicLexer(lark.lexer_conf)
    words = (terminal for terminal in lark.terminals if terminal.pattern.type == "str")
    return {
        "grammar": digest(GRAMMAR.read_bytes()),
        "pattern": _pattern(lexer),
        "keywords": {
            word.pattern.value: word.name
            for word in sorted(words, key=lambda word: word.name)
            if word.pattern.value.isidentifier()
        },
        **_automaton(lark.parser.parser._parse_table, lark.rules),
    }


def _pattern(lexer: BasicLexer) -> str:
    """Blanks and one token, or blanks and the end; the terminals in the order in which Lark tries them."""
    tried = {terminal.name: terminal.pattern.to_regexp() for terminal in lexer.scanner.terminals}
    blanks = "|".join(tried.pop(name) for name in lexer.ignore_types)
    tokens = "|".join(f"(?P<{name}>{pattern})" for name, pattern in tried.items())
    return rf"(?:{blanks})*+(?:{tokens}|\Z)"


def _how(symbol: Symbol, rules: list[Rule]) -> int | None:
    """How a rule uses a part; ``None`` where it does not."""
    if symbol.is_term:
        return IDENTIFIER if symbol.name == "NAME" else TOKEN if symbol.name in _TELLING else None
    if not symbol.name.startswith("_"):
        return VALUE
    choices = [rule.expansion for rule in rules if rule.origin == symbol]
    ways = {_how(choice[0], rules) if len(choice) == 1 else SPLICED for choice in choices}
    # What is always one part, of one kind, can as well be that part.
    return ways.pop() if len(ways) == 1 else SPLICED


def _rule(rule: Rule, rules: list[Rule]) -> list[Any]:
    name, size = str(rule.origin.name), len(rule.expansion)
    is_inlined = name.startswith("_")
    if (is_inlined and _how(rule.origin, rules) != SPLICED) or (rule.options.expand1 and not rule.alias):
        if size != 1:
            raise ValueError(f"`{rule}` has several parts, so it needs an alias")
        return [name, size, "", []]
    method = None if is_inlined else str(rule.alias or name)
    if method is not None and not hasattr(Nodes, method):
        raise ValueError(f"`Nodes` has no method for `{rule}`")
    return [name, size, method, [list(part) for part in _parts(rule, rules)]]


def _parts(rule: Rule, rules: list[Rule]) -> Iterator[tuple[int, int]]:
    """The parts that are used, by position, and how."""
    # One flag for each symbol, and one more for each optional one that this expansion is without.
    missing = rule.options.empty_indices or [False] * len(rule.expansion)
    symbols = enumerate(rule.expansion)
    for is_missing in missing:
        if is_missing:
            yield 0, MISSING
            continue
        position, symbol = next(symbols)
        how = _how(symbol, rules)
        if how is not None:
            yield position, how


def _automaton(table: ParseTableBase[int], rules: list[Rule]) -> dict[str, Any]:
    """The states, numbered as they are reached, since Lark numbers them differently in every process."""
    numbers = {rule: number for number, rule in enumerate(rules)}
    order = list(dict.fromkeys(table.start_states[name] for name in (MODULE, HOLE)))
    rows: list[dict[str, int]] = []
    for state in order:
        row: dict[str, int] = {}
        for name, (action, argument) in sorted(table.states[state].items()):
            if action is not Shift:
                row[str(name)] = -1 - numbers[argument]
                continue
            if argument not in order:
                order.append(argument)
            row[str(name)] = order.index(argument)
        rows.append(row)
    return {
        "starts": {name: order.index(state) for name, state in sorted(table.start_states.items())},
        "ends": {name: order.index(state) for name, state in sorted(table.end_states.items())},
        "rules": [_rule(rule, rules) for rule in rules],
        "actions": [{name: move for name, move in row.items() if _is_terminal(name)} for row in rows],
        "gotos": [{name: move for name, move in row.items() if not _is_terminal(name)} for row in rows],
    }


def _is_terminal(name: str) -> bool:
    return name.isupper()


def as_text(tables: dict[str, Any]) -> str:
    """JSON with a line for each rule and state, so that a change of the grammar can be read in a diff."""
    parts: list[str] = []
    for name, value in tables.items():
        if isinstance(value, list) and len(value) > 1:
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            parts.append(f'"{name}": [\n{rows}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    READY.write_text(as_text(make_tables()), encoding="utf-8")
