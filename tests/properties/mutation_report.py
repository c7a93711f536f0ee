"""Count the errors in mutated built-in specifications that are found before anything runs, line by line.

    python -m tests.properties.mutation_report [--run 3] [NAME ...]

Every line of every specification is deleted and repeated, and every number in it is made one larger, doubled and
exchanged with the next number of its line. For each change: refused (by which code), warned of, or accepted. What is
accepted is another valid network, or the same one; ``--run`` of the other ones of each specification are loaded and run
by ONNX Runtime, to see that nothing is accepted which that refuses.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.graph import Graph
from resdsl.ir.print import print_graph
from resdsl.ir.verify import verify

from . import models

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?![\w.]*\w)|(?<=x)\d+|\d+(?=x\d)")
LIMITS = Limits(nodes=20_000)
LARGEST_RUN = 3_000_000_000
"""Elements of all values and weights of a network that is run here."""
KINDS = ("line deleted", "line twice", "number + 1", "number doubled", "numbers exchanged")
OUTCOMES = ("refused", "warned", "same network", "other network")


@dataclass
class Report:
    """What became of the changes of one specification."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, tuple[str, Graph]] = field(default_factory=dict)
    ran: int = 0
    failed: list[str] = field(default_factory=list)


def mutations(text: str) -> Iterator[tuple[str, str, str]]:
    """Kind, description, and text of each change. Comments and empty lines are left alone."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        code = line.partition("#")[0]
        if not code.strip():
            continue
        yield "line deleted", f"{at + 1}", "\n".join(lines[:at] + lines[at + 1 :])
        yield "line twice", f"{at + 1}", "\n".join([*lines[: at + 1], *lines[at:]])
        numbers = list(NUMBER.finditer(code))
        for place, found in enumerate(numbers):
            value = found.group().replace("_", "")
            one = type(eval_number(value))(1)
            changes = [("number + 1", str(eval_number(value) + one)), ("number doubled", str(2 * eval_number(value)))]
            for kind, new in changes:
                if new != value:
                    changed = line[: found.start()] + new + line[found.end() :]
                    yield kind, f"{at + 1}: {value} to {new}", "\n".join([*lines[:at], changed, *lines[at + 1 :]])
            if place + 1 < len(numbers) and found.group() != numbers[place + 1].group():
                after = numbers[place + 1]
                changed = line[: found.start()] + after.group() + line[found.end() : after.start()]
                changed += found.group() + line[after.end() :]
                what = f"{at + 1}: {value} and {after.group()}"
                yield "numbers exchanged", what, "\n".join([*lines[:at], changed, *lines[at + 1 :]])


def eval_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def signature(graph: Graph) -> str:
    """Everything in which two networks can differ, including metadata."""
    return "\n".join((print_graph(graph), repr(graph.preprocess), repr(graph.labels)))


def check(path: Path, text: str) -> tuple[Graph | None, Diagnostics]:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, text, path), diagnostics, limits=LIMITS)
    return elaborate(program, diagnostics, limits=LIMITS), diagnostics


def report_of(path: Path) -> Report:
    text = path.read_text(encoding="utf-8")
    original, _ = check(path, text)
    assert original is not None
    own = signature(original)
    report = Report()
    for kind, what, changed in mutations(text):
        graph, diagnostics = check(path, changed)
        assert (graph is None) == bool(diagnostics.errors), f"{path.name}, {kind}, {what}"
        if graph is None:
            outcome = "refused"
            report.codes[diagnostics.errors[0].code.id] += 1
        else:
            verify(graph)
            found = signature(graph)
            if found != own:
                report.accepted.setdefault(found, (f"{path.name}, {kind}, line {what}", graph))
            outcome = "same network" if found == own else "other network"
            if list(diagnostics):
                outcome = "warned"
                report.codes[next(iter(diagnostics)).code.id] += 1
        report.outcomes[kind, outcome] += 1
    return report


def try_some(report: Report, count: int) -> None:
    """Let ONNX Runtime load and run some of the networks that were accepted, spread over the file."""
    graphs = list(report.accepted.values())
    for what, graph in graphs[:: max(1, len(graphs) // count)][:count] if count else []:
        sizes = {name: 1 if name == graph.symbols[0] else 64 for name in graph.symbols}
        ours = models.shapes(graph, sizes)
        weights = sum(parameter.count for parameter in graph.parameters.values())
        if weights + sum(map(prod, ours.values())) > LARGEST_RUN:
            continue
        try:
            # Zeros: what is wanted is whether it runs, not what it computes.
            data = models.emitted(graph, lambda parameter: np.zeros(parameter.shape, np.float32))
            made = models.run(data, models.pixels(graph, sizes))
            assert all(value.shape == ours[name] for name, value in made.items()), "other shapes"
            report.ran += 1
        except Exception as error:  # the report counts every kind of rejection
            report.failed.append(f"{what}: {error!s:.200}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME", help="specifications by name; all of them otherwise")
    options.add_argument("--run", type=int, default=3, help="how many accepted networks of each are run (3)")
    chosen = options.parse_args()
    paths = [path for path in sorted((ROOT / "specs").glob("*.res")) if not chosen.names or path.stem in chosen.names]
    reports: dict[str, Report] = {}
    for path in paths:
        reports[path.stem] = report_of(path)
        try_some(reports[path.stem], chosen.run)
        reports[path.stem].accepted.clear()
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    write(reports)
    return 1 if any(report.failed for report in reports.values()) else 0


def write(reports: dict[str, Report]) -> None:
    """The tables, as Markdown."""
    total = Report()
    print(f"| specification | changes | {' | '.join(OUTCOMES)} | run |\n|---|{'---:|' * (len(OUTCOMES) + 2)}")
    for name, report in reports.items():
        print(row(name, report.outcomes, report.ran))
        total.outcomes += report.outcomes
        total.codes += report.codes
        total.ran += report.ran
        total.failed += report.failed
    print(row("all", total.outcomes, total.ran))
    print(f"\n| change | changes | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * (len(OUTCOMES) + 1)}")
    for kind in KINDS:
        print(row(kind, Counter({key: count for key, count in total.outcomes.items() if key[0] == kind})))
    print("\n| code | changes found by it first |\n|---|---:|")
    for code, count in total.codes.most_common():
        print(f"| {code} | {count} |")
    print(f"\nAccepted and run by ONNX Runtime: {total.ran}; refused by it: {len(total.failed)}")
    for line in total.failed:
        print(f"- {line}")


def row(name: str, outcomes: Counter[tuple[str, str]], *more: int) -> str:
    counts = [sum(count for (_, found), count in outcomes.items() if found == outcome) for outcome in OUTCOMES]
    return f"| {' | '.join(map(str, (name, sum(counts), *counts, *more)))} |"


if __name__ == "__main__":
    sys.exit(main())
