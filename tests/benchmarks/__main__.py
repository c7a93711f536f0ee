"""Measure how fast resdsl is: `python tests/benchmarks [NAME...]`. docs/speed.md says more."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from harness import Bench, Missing, Row
from rich.console import Console
from rich.table import Table

_COLUMNS = ("", "measured", "against", "ratio (middle half)", "target", "reached", "")


def main() -> int:
    """Run benchmarks and print the results. Exits with 1 if a target is not reached."""
    found = {path.stem.removeprefix("bench_"): path for path in sorted(Path(__file__).parent.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of {', '.join(found)}; all by default")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all that was measured to a file")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for docs/speed.md")
    parser.add_argument("--rounds", type=int, default=11, help="runs of each subject (11)")
    parser.add_argument("--torch-python", metavar="PATH", type=Path, help="an interpreter that has torch")
    parser.add_argument("--large", action="store_true", help="also what takes minutes and tens of gigabytes of disk")
    options = parser.parse_args()
    if unknown := set(options.names) - set(found):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")

    results: dict[str, list[Row]] = {}
    for name in options.names or found:
        module = importlib.import_module(f"bench_{name}")
        rows, notes = _run(module, Bench(Path(), options.rounds, options.torch_python, options.large))
        results[name] = rows
        _show(module.__doc__ or name, rows, notes, markdown=options.markdown)
    if options.json:
        measured = {name: [asdict(row) for row in rows] for name, rows in results.items()}
        options.json.write_text(json.dumps({"machine": _machine(), "benchmarks": measured}, indent=2) + "\n")
    return int(any(row.reached is False for rows in results.values() for row in rows))


def _run(module: ModuleType, bench: Bench) -> tuple[list[Row], list[str]]:
    """The rows of one benchmark, and what could not be measured."""
    rows: list[Row] = []
    with TemporaryDirectory(prefix="resdsl-benchmark-") as folder:
        try:
            for row in module.run(replace(bench, folder=Path(folder))):
                rows.append(row)
                print(f"  {row.name}: {row.measured}", file=sys.stderr)
        except Missing as missing:
            return rows, [f"not all was measured: {missing}"]
    return rows, []


def _show(title: str, rows: Iterable[Row], notes: Iterable[str], *, markdown: bool) -> None:
    cells = [_cells(row) for row in rows]
    if markdown:
        print(f"**{title}**\n")
        print(f"| {' | '.join(_COLUMNS)} |\n|---|---:|---:|---:|---|---|---|")
        print("\n".join(f"| {' | '.join(row)} |" for row in cells))
    else:
        table = Table(*_COLUMNS, title=title, title_justify="left")
        for row in cells:
            table.add_row(*row)
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    for note in notes:
        print(f"\n{note}")
    print()


def _cells(row: Row) -> tuple[str, ...]:
    reached = {None: "", True: "yes", False: "no"}[row.reached]
    return (row.name, str(row.measured), str(row.against or ""), str(row.ratio or ""), row.target, reached, row.note)


def _machine() -> dict[str, str]:
    return {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}


if __name__ == "__main__":
    sys.exit(main())
