"""The coverage of ``resdsl import``: which networks of torchvision and timm are read, written as text, proved equal.

    python tests/onnx_import/coverage.py --torch-python PATH --keras-python PATH [--folder DIR] [--only NAME]
    python tests/onnx_import/coverage.py [--folder DIR] [--into docs/import.md]

``PATH`` is an interpreter with torch, torchvision, timm, onnx and onnxruntime, and one with keras, tensorflow, tf2onnx
and onnxruntime; without them, the files that the folder holds are judged. Files that exist are not exported again.
Prints a table as Markdown, or writes it into a page between ``<!-- generated: coverage -->`` and ``<!-- end: coverage
-->``. ``--results FILE`` keeps what was found as JSON, and files that it has are not judged again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from export import export
from judge import Verdict, judge
from networks import NETWORKS

MOST_NAMED = 4
NOT_READ = "not read:"
REMARKS = "; "
MARK = "\\*"
CELLS = 6
GROUPS = (
    *("torchvision", "timm", "keras", "onnx light"),
    *("torchvision, not convolutional", "timm, not convolutional"),
)
"""The groups of the table in their order."""

CHANGED = """ONNX Runtime's optimiser changes what the file computes: the deviation is that of a run without it."""
CONVOLUTIONAL = {(one.package, one.name) for one in NETWORKS if one.convolutional}
PART = re.compile(r"(<!-- generated: coverage -->\n).*?(<!-- end: coverage -->)", re.DOTALL)


class Row(NamedTuple):
    """A judged file and the record of its export."""

    record: dict[str, Any]
    verdict: Verdict

    @property
    def group(self) -> str:
        package, network = self.record["package"], self.record["network"]
        other = package in ("torchvision", "timm") and (package, network) not in CONVOLUTIONAL
        return f"{package}, not convolutional" if other else package


def judged(folder: Path, only: list[str], exporters: list[str], results: Path | None, *, known_only: bool) -> list[Row]:
    """Judges the files of the folder that have a record, in the order of the list of networks."""
    known: dict[str, dict[str, Any]] = json.loads(results.read_text()) if results and results.exists() else {}
    order = {(one.package, one.name): place for place, one in enumerate(NETWORKS)}
    found = [(json.loads(path.read_text()), path.with_suffix(".onnx")) for path in folder.glob("*.*.json")]
    found.sort(key=lambda one: (order.get((one[0]["package"], one[0]["network"]), len(order)), one[1].name))
    rows = []
    for record, file in found:
        if (only and record["network"] not in only) or (exporters and record["exporter"] not in exporters):
            continue
        if known_only and file.name not in known:
            continue
        if file.name in known:
            verdict = Verdict(**known[file.name])
        else:
            verdict = judge(file)
            known[file.name] = asdict(verdict)
            if results:
                results.write_text(json.dumps(known, indent=1) + "\n")
        rows.append(Row(record, verdict))
        print(f"{file.name}: {'equal' if verdict.equal else verdict.error or 'differs'}", file=sys.stderr, flush=True)
    return rows


class Line(NamedTuple):
    """A network of the table, as it is written: the exporters whose files are equal, and a remark on each other one."""

    network: str
    group: str
    equal: tuple[str, ...]
    lines: str
    deviation: str
    remarks: tuple[str, ...]

    @property
    def files(self) -> int:
        return len(self.equal) + len(self.remarks)

    @property
    def unread(self) -> int:
        return sum(NOT_READ in remark for remark in self.remarks)

    def __str__(self) -> str:
        cells = (*self[:2], ", ".join(self.equal), *self[3:5], REMARKS.join(self.remarks))
        return f"| {' | '.join(cells)} |"


def written(page: str) -> tuple[list[Line], list[str]]:
    """The networks that the table of a page has, and what their files were made by."""
    part = PART.search(page)
    lines = []
    for row in part[0].partition("| network |")[2].splitlines() if part else []:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        if len(cells) == CELLS and cells[0] != "---":
            equal, remarks = (tuple(filter(None, cells[at].split(by))) for at, by in ((2, ", "), (5, REMARKS)))
            lines.append(Line(cells[0], cells[1], equal, cells[3], cells[4], remarks))
    made_by = re.search(r"^The files are of (.*)\.$", part[0], re.MULTILINE) if part else None
    return lines, made_by[1].split("; ") if made_by else []


def markdown(rows: list[Row], kept: list[Line], made_before: list[str]) -> str:
    """The totals by group, and a table of all networks: those of ``rows``, and others that were judged before.

    A network is equal if each of its files is.
    """
    networks: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        networks.setdefault((row.group, row.record["network"]), []).append(row)
    found = {key: _line(*key, members) for key, members in networks.items()}
    before = {(one.group, one.network): one for one in kept}
    table = list((before | found).values())
    table.sort(key=lambda one: GROUPS.index(one.group) if one.group in GROUPS else len(GROUPS))
    lines = ["| group | networks | files | files read | files equal | networks equal |", "|---|--:|--:|--:|--:|--:|"]
    for group in dict.fromkeys(one.group for one in table):
        members = [one for one in table if one.group == group]
        whole = _share(sum(not one.remarks for one in members), len(members))
        lines.append(f"| {group} | {len(members)} | {_totals(members)} | {whole} |")
    lines.append(f"| all | {len(table)} | {_totals(table)} | |")
    made_by = sorted({*made_before, *(row.record["made_by"] for row in rows)})
    lines += ["", f"The files are of {'; '.join(made_by)}.", ""]
    lines += ["| network | group | equal | lines | largest deviation | remarks |", "|---|---|---|--:|--:|---|"]
    lines += map(str, table)
    if any(exporter.endswith(MARK) for one in table for exporter in one.equal):
        lines += ["", f"{MARK} {CHANGED}"]
    return "\n".join(lines) + "\n"


def _totals(lines: list[Line]) -> str:
    files = sum(one.files for one in lines)
    read = _share(files - sum(one.unread for one in lines), files)
    return f"{files} | {read} | {_share(sum(len(one.equal) for one in lines), files)}"


def _share(some: int, count: int) -> str:
    return f"{some} ({100 * some / count:.0f}%)"


def _line(group: str, network: str, rows: list[Row]) -> Line:
    """One network: the exporters whose files are equal, and what became of the others."""
    verdicts = [row.verdict for row in rows]
    equal = tuple(row.record["exporter"] + _mark(row.verdict) for row in rows if row.verdict.equal)
    found = [one.deviation if one.unoptimized is None else one.unoptimized for one in verdicts]
    deviations = [one for one in found if one is not None]
    counts = sorted({one.lines for one in verdicts if one.lines is not None})
    remarks = [f"{row.record['exporter']}: {_why_not(row.verdict)}" for row in rows if not row.verdict.equal]
    return Line(
        network,
        group,
        equal,
        " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "",
        _number(max(deviations)) if deviations else "",
        tuple(one.replace("|", "\\|").replace(REMARKS, ", ") for one in remarks),
    )


def _number(deviation: float) -> str:
    return f"{deviation:.0e}" if deviation else "0"


def _mark(verdict: Verdict) -> str:
    return "" if verdict.unoptimized is None else MARK


def _why_not(verdict: Verdict) -> str:
    if verdict.opaque is None:
        return f"{NOT_READ} {verdict.error}"
    if verdict.opaque:
        counts = sorted(verdict.opaque.items(), key=lambda one: -one[1])
        more = ["others"] if len(counts) > MOST_NAMED else []
        return "not in the language: " + ", ".join([name for name, _ in counts[:MOST_NAMED]] + more)
    return verdict.error or "deviates"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", metavar="PATH", help="interpreter with torch, torchvision and timm")
    parser.add_argument("--keras-python", metavar="PATH", help="interpreter with keras, tensorflow and tf2onnx")
    parser.add_argument("--folder", type=Path, default=Path("corpus"), help="where the exports are kept (corpus)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these networks only")
    parser.add_argument("--exporters", nargs="+", default=[], metavar="NAME", help="files of these exporters only")
    parser.add_argument("--export", action="store_true", help="end after the exports")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep what was found, as JSON")
    parser.add_argument("--known", action="store_true", help="judge nothing that the results do not have")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="write the table into this page")
    parser.add_argument("--add", action="store_true", help="keep the networks of the page that this run has not judged")
    given = parser.parse_args()
    for library, python in (("torch", given.torch_python), ("keras", given.keras_python)):
        if python:
            export(library, python, given.folder, given.only, given.exporters)
    if given.export:
        return 0
    rows = judged(given.folder, given.only, given.exporters, given.results, known_only=given.known)
    if not rows:
        parser.error(f"{given.folder} has no exports; --torch-python makes them")
    if given.into is None:
        print(markdown(rows, [], []), end="")
        return 0
    page = given.into.read_text()
    if not PART.search(page):
        parser.error(f"{given.into} has no part <!-- generated: coverage -->")
    table = markdown(rows, *(written(page) if given.add else ([], [])))
    given.into.write_text(PART.sub(lambda part: f"{part[1]}{table}{part[2]}", page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
