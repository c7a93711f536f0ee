"""A call that is copied is what its text says, in specifications made at random and in such as are spoilt."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from resdsl.elaborate import Limits

from ..elaborate.reuse import agree
from .budget import examples
from .generate import Specification, specifications


def repeated(text: str, count: int) -> str:
    """With every repetition longer: few at random are as long as a copy needs."""
    return re.sub(r"\b\d+ x (?=[a-z])", f"{count} x ", text)


@examples()
@given(specifications(), st.integers(3, 6))
def test_copies_make_no_difference(specification: Specification, count: int) -> None:
    agree(repeated(specification.text, count))


@examples()
@given(specifications(), st.data())
def test_copies_make_no_difference_to_mistakes(specification: Specification, data: st.DataObject) -> None:
    text = repeated(specification.text, 5)
    words = sorted(set(re.findall(r"\w+", text)))
    old, new = (data.draw(st.sampled_from(words)) for _ in range(2))
    limits = Limits(nodes=data.draw(st.integers(1, 200)), steps=data.draw(st.integers(1, 1_000)))
    agree(re.sub(rf"\b{old}\b", new, text, count=1), limits=limits)
