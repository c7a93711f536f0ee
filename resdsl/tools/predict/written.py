"""What a run has written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resdsl.untrusted import printable


@dataclass(frozen=True, slots=True)
class Written:
    """A file of results, or a folder of partitions: one for each of ``images``, ``failed`` of them with an error.

    ``path`` is the address of a folder in a store. ``resumed`` of the results were there from an earlier run.
    """

    path: Path | str
    format: str
    images: int
    failed: int
    resumed: int = 0


def summary(written: Written, seconds: float) -> str:
    """One line: images, failures, and images per second."""
    failed = f", {written.failed:,} failed" if written.failed else ""
    facts = f"{printable(str(written.path), most=500)}: {written.images:,} images{failed}"
    if written.resumed and written.resumed == written.images:
        return f"{facts}; all were complete from an earlier run"
    before = f", {written.resumed:,} of them from an earlier run" if written.resumed else ""
    return f"{facts}{before}; {(written.images - written.resumed) / seconds:,.1f} images/s"
