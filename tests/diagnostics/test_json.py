"""Diagnostics as JSON, SARIF and GitHub workflow commands."""

from __future__ import annotations

import json

from resdsl.diagnostics import Call, Code, Diagnostic, Diagnostics, Edit, Fix, Label, Source
from resdsl.diagnostics.github import to_github
from resdsl.diagnostics.json import report_data, to_data
from resdsl.diagnostics.sarif import to_sarif

SPEC = Source("specs/a b.res", "model m {\n  漢: conv(64, strde = 2)\n}\n")
CODE = Code("E0203", "unknown argument")
STRDE = SPEC.span(SPEC.text.index("strde"), SPEC.text.index("strde") + 5)
CONV = SPEC.span(SPEC.text.index("conv"), SPEC.text.index("conv") + 4)
DIAGNOSTIC = Diagnostic(
    CODE,
    "unknown argument `strde`",
    Label(STRDE, "no such argument, 100%"),
    (Label(CONV, "of this op"),),
    (Call("layer1", "m()", SPEC.span(0, 5)),),
    ("a note",),
    ("a suggestion",),
    Fix("write `stride`", (Edit(STRDE, "stride"),)),
)
STRDE_PLACE = {
    "file": "specs/a b.res",
    "line": 2,
    "column": 15,
    "end_line": 2,
    "end_column": 20,
    "start": 24,
    "end": 29,
}


def test_json_holds_everything() -> None:
    data = to_data(DIAGNOSTIC, repeats=3)
    conv = {"file": "specs/a b.res", "line": 2, "column": 6, "end_line": 2, "end_column": 10, "start": 15, "end": 19}
    model = {"file": "specs/a b.res", "line": 1, "column": 1, "end_line": 1, "end_column": 6, "start": 0, "end": 5}
    assert data == {
        "code": "E0203",
        "severity": "error",
        "title": "unknown argument",
        "message": "unknown argument `strde`",
        "place": STRDE_PLACE,
        "label": "no such argument, 100%",
        "secondary": [{"place": conv, "label": "of this op"}],
        "chain": [{"path": "layer1", "call": "m()", "place": model}],
        "repeats": 3,
        "notes": ["a note"],
        "helps": ["a suggestion"],
        "fix": {"title": "write `stride`", "edits": [{"place": STRDE_PLACE, "replacement": "stride"}]},
    }
    assert json.loads(json.dumps(data)) == data


def test_a_fix_applied_by_its_offsets_corrects_the_text() -> None:
    edit = to_data(DIAGNOSTIC)["fix"]["edits"][0]
    place = edit["place"]
    fixed = SPEC.text[: place["start"]] + edit["replacement"] + SPEC.text[place["end"] :]
    assert fixed == "model m {\n  漢: conv(64, stride = 2)\n}\n"


def test_a_report_counts() -> None:
    found = Diagnostics()
    found.report(DIAGNOSTIC)
    found.report(DIAGNOSTIC)
    found.report(Diagnostic(Code("W0503", "a tap is never used"), "tap `x` is never used"))
    data = report_data(found)
    assert (data["version"], data["errors"], data["warnings"]) == (1, 1, 1)
    assert [one["repeats"] for one in data["diagnostics"]] == [1, 0]
    assert [one["place"] is None for one in data["diagnostics"]] == [False, True]


def test_sarif_has_what_the_standard_requires() -> None:
    log = to_sarif([DIAGNOSTIC, DIAGNOSTIC], version="0.1.0")
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0203"]
    result = run["results"][1]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("E0203", 0, "error")
    assert result["message"]["text"].startswith("unknown argument `strde`")
    region = {"startLine": 2, "startColumn": 15, "endLine": 2, "endColumn": 20}
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {"artifactLocation": {"uri": "specs/a%20b.res"}, "region": region}
    assert [place["message"]["text"] for place in result["relatedLocations"]] == ["of this op", "in layer1: m()"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "stride"}}]


def test_github_gets_one_escaped_line() -> None:
    assert to_github([DIAGNOSTIC]) == (
        "::error file=specs/a b.res,line=2,endLine=2,col=15,endColumn=20,title=resdsl E0203::"
        "unknown argument `strde`%0Ano such argument, 100%25%0Aa note%0Ahelp: a suggestion\n"
    )


def test_github_escapes_what_would_end_a_property() -> None:
    spec = Source("C:\\a,b.res", "x\ny")
    text = to_github([Diagnostic(Code("W0503", "t"), "m", Label(spec.span(0, 3)))])
    assert text == "::warning file=C%3A\\a%2Cb.res,line=1,endLine=2,title=resdsl W0503::m\n"
