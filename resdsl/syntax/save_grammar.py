"""Saves the parser of the grammar: run ``python -m resdsl.syntax.save_grammar`` after changing the grammar or Lark."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

from resdsl.syntax.grammar import SAVED, Grammar, build, fingerprint


def saved_parser() -> bytes:
    """The content of the file: the same in every process, so that a test can compare it."""
    # This computes how long a match of each terminal can be, which is saved with it.
    parser = Grammar(build()).lark
    file = io.BytesIO()
    parser.save(file)
    saved = pickle.loads(file.getvalue())
    _renumber(saved["data"]["parser"]["parser"])
    content = io.BytesIO()
    pickler = pickle.Pickler(content, protocol=5)
    # Without references to equal strings, whose identity depends on how they were made.
    pickler.fast = True
    pickler.dump(saved)
    return fingerprint() + content.getvalue()


def _renumber(table: dict[str, Any]) -> None:
    """Number states as they are reached and terminals by name: Lark numbers them differently in every process."""
    names: dict[int, str] = table["tokens"]
    states: dict[int, dict[int, tuple[int, Any]]] = table["states"]
    order = [table["start_states"][start] for start in sorted(table["start_states"])]
    numbers = {state: number for number, state in enumerate(order)}
    for state in order:
        for _, (is_reduction, target) in sorted(states[state].items(), key=lambda move: names[move[0]]):
            if not is_reduction and target not in numbers:
                numbers[target] = len(order)
                order.append(target)
    terminals = {name: number for number, name in enumerate(sorted(names.values()))}
    table["tokens"] = {number: name for name, number in terminals.items()}
    table["states"] = {
        numbers[state]: dict(
            sorted(
                (terminals[names[token]], (is_reduction, target if is_reduction else numbers[target]))
                for token, (is_reduction, target) in states[state].items()
            )
        )
        for state in order
    }
    for key in ("start_states", "end_states"):
        table[key] = {start: numbers[state] for start, state in sorted(table[key].items())}


if __name__ == "__main__":
    (Path(sys.argv[1]) if sys.argv[1:] else SAVED).write_bytes(saved_parser())
