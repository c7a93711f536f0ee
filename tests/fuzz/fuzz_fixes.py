"""Apply all fixes to thousands of texts with errors: ``python -m tests.fuzz.fuzz_fixes [COUNT] [SEED]``."""

from __future__ import annotations

import random
import sys
import traceback
from collections import Counter

from tests.fuzz.fixes import applied, mutant


def main(count: int, seed: int) -> int:
    """Report what became of the texts; 1 if a promise of ``--fix`` was broken."""
    outcomes: Counter[str] = Counter()
    for number in range(seed, seed + count):
        text = mutant(random.Random(number))
        try:
            outcome = applied(text)
        except Exception:
            outcomes["broken"] += 1
            print(f"--- {number}\n{text}\n{traceback.format_exc()}", flush=True)
            continue
        outcomes["texts"] += 1
        outcomes["fixes applied"] += outcome.fixes
        outcomes["with errors"] += bool(outcome.before)
        outcomes["of these, changed"] += bool(outcome.before and outcome.fixes)
        outcomes["of these, without errors now"] += bool(outcome.before and not outcome.after)
        outcomes["of these, with fewer errors now"] += 0 < len(outcome.after) < len(outcome.before)
        outcomes["of these, with more errors now, of later levels"] += len(outcome.after) > len(outcome.before)
    for what, times in outcomes.items():
        print(f"{times:>8,} {what}")
    return int(bool(outcomes["broken"]))


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*arguments, *(1000, 0)[len(arguments) :]))
