"""Diagnostics as SARIF 2.1.0, which code scanning services and editors read (OASIS, 27 March 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from resdsl.diagnostics.diagnostic import Code, Diagnostic, Fix
from resdsl.diagnostics.options import Spelling, in_python, with_spelling
from resdsl.diagnostics.source import Source, Span

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Data = dict[str, Any]


def to_sarif(diagnostics: Iterable[Diagnostic], *, version: str, spelling: Spelling = in_python) -> Data:
    """One run of resdsl ``version`` as a SARIF log, ready for ``json.dump``. Options are in ``spelling``."""
    found = [with_spelling(diagnostic, spelling) for diagnostic in diagnostics]
    rules = {diagnostic.code.id: diagnostic.code for diagnostic in found}
    order = list(rules)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "resdsl",
                        "semanticVersion": version,
                        "rules": [_rule(code) for code in rules.values()],
                    }
                },
                # The default of SARIF is UTF-16 units.
                "columnKind": "unicodeCodePoints",
                "results": [_result(diagnostic, order.index(diagnostic.code.id)) for diagnostic in found],
            }
        ],
    }


def _rule(code: Code) -> Data:
    return {
        "id": code.id,
        "shortDescription": {"text": code.title},
        "help": {"text": f"resdsl explain {code.id}"},
        "defaultConfiguration": {"level": code.severity.value},
    }


def _result(diagnostic: Diagnostic, rule: int) -> Data:
    text = "\n".join([diagnostic.message, *diagnostic.notes, *(f"help: {text}" for text in diagnostic.helps)])
    result: Data = {
        "ruleId": diagnostic.code.id,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": text},
        "locations": [],
    }
    if diagnostic.primary:
        result["locations"] = [_location(diagnostic.primary.span, diagnostic.primary.text)]
    related = [(label.span, label.text) for label in diagnostic.secondary]
    related += [(call.span, f"in {call.path}: {call.text}" if call.path else call.text) for call in diagnostic.chain]
    if related:
        result["relatedLocations"] = [_location(span, text) for span, text in related]
    if diagnostic.fix:
        result["fixes"] = [_fix(diagnostic.fix)]
    return result


def _location(span: Span, text: str) -> Data:
    location: Data = {"physicalLocation": {"artifactLocation": _artifact(span.source), "region": _region(span)}}
    if text:
        location["message"] = {"text": text}
    return location


def _artifact(source: Source) -> Data:
    return {"uri": quote(source.name.replace("\\", "/"))}


def _region(span: Span) -> Data:
    first = span.source.position(span.start)
    last = span.source.position(span.end)
    return {"startLine": first.line, "startColumn": first.column, "endLine": last.line, "endColumn": last.column}


def _fix(fix: Fix) -> Data:
    sources = {id(edit.span.source): edit.span.source for edit in fix.edits}
    return {
        "description": {"text": fix.title},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(source),
                "replacements": [
                    {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}}
                    for edit in fix.edits
                    if edit.span.source is source
                ],
            }
            for source in sources.values()
        ],
    }
