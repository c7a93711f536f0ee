"""What an editor is told of each statement: shapes before and after it, in each call, errors or not."""

from __future__ import annotations

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate.network import elaborate
from resdsl.elaborate.program import load_program
from resdsl.elaborate.trace import MOST_VISITS, Cancellation, Cancelled, Trace

TEXT = """\
block unit(width, stride = 1) { a: conv(width, 3x3, stride = stride); bn; relu }
model net {
  input x: f32[N, 3, 32, 32]
  unit(8)
  30 x unit(16)
  b: unit(24, stride = 2)
  output y
}
"""


def trace_of(text: str) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    diagnostics, trace = Diagnostics(), Trace()
    elaborate(load_program(Source("net.res", text), diagnostics), diagnostics, trace=trace)
    return {
        span.text: [
            (str(visit.before), str(visit.after), tuple(call.path for call in visit.chain)) for visit in visits.kept
        ]
        for span, visits in trace.visits.items()
    }


def test_each_call_of_a_block_is_a_visit_of_its_statements() -> None:
    visits = trace_of(TEXT)
    convolution = visits["a: conv(width, 3x3, stride = stride)"]
    assert convolution[0] == ("[N, 3, 32, 32]", "[N, 8, 32, 32]", ("unit",))
    assert convolution[1] == ("[N, 8, 32, 32]", "[N, 16, 32, 32]", ("unit_2",))
    assert len(convolution) == MOST_VISITS
    assert visits["b: unit(24, stride = 2)"] == [("[N, 16, 32, 32]", "[N, 24, 16, 16]", ())]


def test_visits_beyond_those_that_are_kept_are_counted() -> None:
    diagnostics, trace = Diagnostics(), Trace()
    elaborate(load_program(Source("net.res", TEXT), diagnostics), diagnostics, trace=trace)
    counts = {span.text: visits.count for span, visits in trace.visits.items()}
    assert counts["relu"] == 32 and counts["30 x unit(16)"] == 1


def test_shapes_are_known_before_an_error_and_behind_a_stated_shape() -> None:
    visits = trace_of(TEXT.replace("30 x unit(16)", "cnov(3)\n  relu -> [N, 5, 8, 8]"))
    assert visits["unit(8)"][0][1] == "[N, 8, 32, 32]"
    assert visits["cnov(3)"] == [("[N, 8, 32, 32]", "None", ())]
    assert visits["b: unit(24, stride = 2)"] == [("[N, 5, 8, 8]", "[N, 24, 4, 4]", ())]


def test_the_tensors_of_a_statement_are_its_own() -> None:
    diagnostics, trace = Diagnostics(), Trace()
    elaborate(load_program(Source("net.res", TEXT), diagnostics), diagnostics, trace=trace)
    visits = next(visits for span, visits in trace.visits.items() if span.text.startswith("b: unit"))
    assert next((one.name, one.shape) for one in visits.kept[0].parameters) == ("b.a.weight", (24, 16, 3, 3))


def test_an_elaboration_that_nobody_needs_ends() -> None:
    diagnostics, trace = Diagnostics(), Trace(cancellation=Cancellation(requested=True))
    with pytest.raises(Cancelled):
        elaborate(load_program(Source("net.res", TEXT), diagnostics), diagnostics, trace=trace)
