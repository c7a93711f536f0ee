from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from resdsl.ir.operator import Operator
from resdsl.ir.types import Sides, Size, Word
from resdsl.ir.values import ArgumentMismatch
from resdsl.ops import operators
from resdsl.ops.signature import REQUIRED, Argument, arg, signature


@dataclass(frozen=True, slots=True)
class Everything(Operator):
    """An operator with an argument of every kind."""

    name: ClassVar[str] = "everything"

    count: int = arg(doc="a count")
    from_zero: int = arg(0, doc="a count that may be zero", at_least=0)
    size: Size = arg(Size(1, 1), doc="a size")
    sides: Sides | Word = arg(Word("half"), doc="sides", words=("half", "valid"))
    window: Size | Word = arg(Size(2, 2), doc="a size or a word", words=("global",))
    ratio: float = arg(0.5, doc="a ratio", within=(0, 1))
    factor: float = arg(1.0, doc="a factor")
    positive: float = arg(1.0, doc="no less than zero", within=(0, float("inf")))
    flag: bool = arg(False, doc="a flag")
    mode: Word = arg(Word("one"), doc="a choice", words=("one", "two", "three"))
    hidden: int = 3


def argument(name: str) -> Argument:
    return signature(Everything)[name]


def test_arguments_are_the_documented_fields_in_order() -> None:
    assert list(signature(Everything)) == [
        "count", "from_zero", "size", "sides", "window", "ratio", "factor", "positive", "flag", "mode",
    ]  # fmt: skip
    assert argument("count").required
    assert argument("count").default is REQUIRED
    assert not argument("flag").required
    assert argument("mode").words == ("one", "two", "three")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("count", "integer, at least 1"),
        ("from_zero", "integer, at least 0"),
        ("size", "size"),
        ("sides", "number, size or [top, left, bottom, right] or half or valid"),
        ("window", "size or global"),
        ("ratio", "number from 0 to 1"),
        ("factor", "number"),
        ("positive", "number from 0"),
        ("flag", "true or false"),
        ("mode", "one, two or three"),
    ],
)
def test_the_reference_names_the_kind_of_an_argument(name: str, kind: str) -> None:
    assert argument(name).kind == kind


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("count", 1, 1),
        ("count", 1_000_000, 1_000_000),
        ("from_zero", 0, 0),
        ("size", 3, Size(3, 3)),
        ("size", Size(1, 7), Size(1, 7)),
        ("sides", 2, Sides(2, 2, 2, 2)),
        ("sides", 0, Sides(0, 0, 0, 0)),
        ("sides", Size(1, 3), Sides(1, 3, 1, 3)),
        ("sides", (0, 1, 2, 3), Sides(0, 1, 2, 3)),
        ("sides", Word("valid"), Word("valid")),
        ("window", Word("global"), Word("global")),
        ("window", 3, Size(3, 3)),
        ("ratio", 0, 0.0),
        ("ratio", 1, 1.0),
        ("factor", -2, -2.0),
        ("factor", 0.17, 0.17),
        ("flag", True, True),
        ("mode", Word("three"), Word("three")),
    ],
)
def test_values_become_what_the_field_holds(name: str, given: object, taken: object) -> None:
    found = argument(name).coerce(given)
    assert found == taken
    assert type(found) is type(taken)


WRONG_TYPE = [
    ("count", 1.0),
    ("count", True),
    ("count", "3"),
    ("count", Size(3, 3)),
    ("count", Word("half")),
    ("count", None),
    ("size", 3.0),
    ("size", True),
    ("size", (3, 3)),
    ("size", Word("half")),
    ("sides", (1, 2)),
    ("sides", (1, 2, 3, 4, 5)),
    ("sides", (1, 2, 3, 0.5)),
    ("sides", (1, 2, 3, True)),
    ("sides", 1.5),
    ("sides", Word("same")),
    ("sides", "half"),
    ("window", Word("globall")),
    ("ratio", True),
    ("ratio", "0.5"),
    ("factor", Word("half")),
    ("flag", 1),
    ("flag", Word("yes")),
    ("mode", Word("four")),
    ("mode", "one"),
    ("mode", 1),
]


@pytest.mark.parametrize(("name", "given"), WRONG_TYPE)
def test_another_type_is_a_mismatch(name: str, given: object) -> None:
    with pytest.raises(ArgumentMismatch) as caught:
        argument(name).coerce(given)
    assert not caught.value.out_of_range


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("count", 0),
        ("count", -1),
        ("from_zero", -1),
        ("size", 0),
        ("size", Size(3, 0)),
        ("sides", -1),
        ("sides", (0, 0, 0, -1)),
        ("window", 0),
        ("ratio", 1.001),
        ("ratio", -1e-9),
        ("positive", -1),
        ("factor", float("inf")),
        ("factor", float("nan")),
        ("positive", float("inf")),
        ("factor", 10**400),
    ],
)
def test_a_value_beyond_the_limits_is_out_of_range(name: str, given: object) -> None:
    with pytest.raises(ArgumentMismatch) as caught:
        argument(name).coerce(given)
    assert caught.value.out_of_range


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("count", "an integer of at least 1"),
        ("size", "a size such as 3x3, or an integer of at least 1"),
        ("window", "a size such as 3x3, an integer of at least 1, or global"),
        ("sides", "an integer of at least 0, a size such as 1x3, [top, left, bottom, right], or half or valid"),
        ("ratio", "a number from 0 to 1"),
        ("flag", "true or false"),
        ("mode", "one, two or three"),
    ],
)
def test_a_mismatch_names_the_expected_kind(name: str, expected: str) -> None:
    with pytest.raises(ArgumentMismatch) as caught:
        argument(name).coerce(None)
    assert caught.value.expected == expected


@pytest.mark.parametrize("name", operators())
def test_every_operator_describes_itself_and_takes_its_own_defaults(name: str) -> None:
    operator = operators()[name]
    assert operator.__doc__
    for found in signature(operator).values():
        assert found.doc
        assert found.kind
        if not found.required:
            assert found.coerce(found.default) == found.default


def test_a_field_of_an_unknown_type_is_a_bug() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd(Operator):
        text: bytes = arg(b"", doc="bytes")

    with pytest.raises(TypeError, match="bytes"):
        signature(Odd)
