"""Measure how fast resdsl is: `python tests/benchmarks [NAME...]`. docs/speed.md says more."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from harness import Bench, Cell, Missing, Result, Row
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
    parser.add_argument("--nncf-python", metavar="PATH", type=Path, help="an interpreter that has nncf and openvino")
    parser.add_argument("--large", action="store_true", help="also what takes minutes and tens of gigabytes of disk")
    options = parser.parse_args()
    if unknown := set(options.names) - set(found):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")

    results: dict[str, list[Result]] = {}
    for name in options.names or found:
        module = importlib.import_module(f"bench_{name}")
        bench = Bench(Path(), options.rounds, options.torch_python, options.nncf_python, options.large)
        rows, notes = _run(module, bench)
        results[name] = rows
        _show(module.__doc__ or name, rows, notes, markdown=options.markdown)
    if options.json:
        measured = {name: [asdict(row) for row in rows] for name, rows in results.items()}
        options.json.write_text(json.dumps({"machine": _machine(), "benchmarks": measured}, indent=2) + "\n")
    return int(any(row.reached is False for rows in results.values() for row in rows))


def _run(module: ModuleType, bench: Bench) -> tuple[list[Result], list[str]]:
    """The rows of one benchmark, and what could not be measured."""
    rows: list[Result] = []
    with TemporaryDirectory(prefix="resdsl-benchmark-") as folder:
        try:
            for row in module.run(replace(bench, folder=Path(folder))):
                rows.append(row)
                print(f"  {_progress(row)}", file=sys.stderr, flush=True)
        except Missing as missing:
            return rows, [f"not all was measured: {missing}"]
    return rows, []


def _progress(result: Result) -> str:
    if isinstance(result, Cell):
        return f"{result.row}, {result.column}: {result.text}"
    return f"{result.name}: {result.measured}"


def _show(title: str, results: list[Result], notes: Iterable[str], *, markdown: bool) -> None:
    rows = [_cells(row) for row in results if isinstance(row, Row)]
    cells = [cell for cell in results if isinstance(cell, Cell)]
    if rows or not cells:
        _print(title, _COLUMNS, rows, markdown=markdown)
    if cells:
        columns = list(dict.fromkeys(cell.column for cell in cells))
        texts = {(cell.row, cell.column): cell.text + " (!)" * (cell.reached is False) for cell in cells}
        names = dict.fromkeys(cell.row for cell in cells)
        table = [(name, *(texts.get((name, column), "") for column in columns)) for name in names]
        _print(title, ("", *columns), table, markdown=markdown)
    for note in notes:
        print(f"\n{note}")
    print()


def _print(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, markdown: bool) -> None:
    if markdown:
        print(f"**{title}**\n")
        print(f"| {' | '.join(columns)} |\n|---{'|---' * (len(columns) - 1)}|")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    else:
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cells(row: Row) -> tuple[str, ...]:
    reached = {None: "", True: "yes", False: "no"}[row.reached]
    return (row.name, str(row.measured), str(row.against or ""), str(row.ratio or ""), row.target, reached, row.note)


def _machine() -> dict[str, str]:
    return {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}


if __name__ == "__main__":
    sys.exit(main())
