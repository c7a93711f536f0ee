"""What the author meant, or else what could have come."""

from __future__ import annotations

from resdsl.syntax.mistakes import keywords, repeats, statements, values
from resdsl.syntax.mistakes.explanation import Explanation, error
from resdsl.syntax.place import Place
from resdsl.syntax.tables import END
from resdsl.syntax.wording import expected, found, shown

_RECOGNIZERS = (*keywords.RECOGNIZERS, *values.RECOGNIZERS, *repeats.RECOGNIZERS, *statements.RECOGNIZERS)


def explain(place: Place) -> Explanation:
    """The best explanation of the error at a place."""
    for recognizer in _RECOGNIZERS:
        explanation = recognizer(place)
        if explanation is not None:
            return explanation
    return _anything_else(place)


def _anything_else(place: Place) -> Explanation:
    """What could have come, and what did."""
    wanted = _wanted(place)
    what = "the end of the label's braces" if place.in_hole and place.kind in {"NEWLINE", END} else found(place.token)
    previous = place.previous
    where = f" behind `{shown(previous)}`" if previous and previous.kind != "NEWLINE" else ""
    message = f"expected {wanted}{where}, found {what}" if wanted else f"{what} does not belong here"
    return Explanation(error(message, place.here), is_certain=False)


def _wanted(place: Place) -> str:
    kinds = [kind for kind in place.automaton.choices if place.accepts(kind)]
    names = {kind: word for word, kind in place.keywords.items()}
    return expected(kinds, names.get)
