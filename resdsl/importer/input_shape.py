"""Another shape for the input of a file, which fixes the sizes that the file leaves open."""

from __future__ import annotations

from dataclasses import replace

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.channels_last import TO_CHANNELS_LAST, is_transposed
from resdsl.importer.draft import Draft
from resdsl.importer.records import ValueRecord
from resdsl.untrusted import printable


def with_given_shape(draft: Draft, stated: ValueRecord) -> ValueRecord:
    """The first input in the shape that the user has given for it, which has channels first.

    Raises ``CompileError`` where the file states another number of sizes, or fixes one to another number.
    """
    given = draft.file.given_shape
    if given is None or draft.values:
        return stated
    if len(given) == 4 and is_transposed(draft, stated.name):
        given = tuple(given[axis] for axis in TO_CHANNELS_LAST)
    if stated.shape is not None:
        fixed = zip(stated.shape, given, strict=False)
        if len(stated.shape) != len(given) or any(isinstance(size, int) and size != own for size, own in fixed):
            raise _misfit(draft, stated.name, stated.shape, given)
    record = replace(stated, shape=given)
    draft.given_inputs[stated.name] = record
    return record


def _misfit(
    draft: Draft, name: str, stated: tuple[int | str | None, ...], given: tuple[int | str, ...]
) -> CompileError:
    sizes = ", ".join(printable(str(size or "?")) for size in stated)
    return CompileError.of(
        catalogue.COMMAND_LINE,
        f"the input `{printable(name)}` of `{printable(draft.file.name)}` is [{sizes}], which cannot be "
        f"[{', '.join(map(str, given))}]",
        helps=("only sizes that the file leaves open can be given",),
    )
