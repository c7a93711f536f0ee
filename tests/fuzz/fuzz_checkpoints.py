"""Fuzz the readers of weights (both containers of ``.pth``, ``.npz``, ``.safetensors``, ONNX), guided by coverage.

    python -m tests.fuzz.fuzz_checkpoints WORK tests/fuzz/corpus/checkpoints tests/fuzz/corpus/seeds tests/weights/data

Needs atheris: the extra ``fuzz``. A zip archive is changed inside its members, as its checksums would stop most other
changes; so is the header of a ``.safetensors`` file, whose length has to fit. Numbers in headers and pickles become
values at and beyond the limits of 64 bits, of floats, and of what Python prints; pickles get keys and memo indices that
collide in a hash table. ``-timeout=10 -rss_limit_mb=2000`` makes libFuzzer report what takes long or much, and
``-max_len=2000000`` leaves room for enough keys.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import random
import re
import struct
import sys
import tempfile
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resdsl.weights", "resdsl.untrusted", "zipfile"]):
    # The readers are imported when a file needs them, and would then be left without instruments.
    import resdsl.weights.formats.npz
    import resdsl.weights.formats.onnx
    import resdsl.weights.formats.safetensors
    import resdsl.weights.formats.torch_legacy
    import resdsl.weights.formats.torch_zip  # noqa: F401
    from tests.fuzz.targets import check_checkpoint

FILE = Path(tempfile.mkdtemp(prefix="resdsl-fuzz-")) / "weights"


NUMBER = re.compile(rb"-?\d+|true|null")
NUMBERS = (0, -1, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 64, 10**400, -(10**400))
WORDS = (b"true", b"null", b"True", b"1.0", b"1e999", b"[]", b'"\\ud800"', b"1" + b"0" * 5000)
INTEGERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG")


def with_another_number(text: bytes, dice: random.Random) -> bytes:
    """A header, in JSON or Python, with one number at a limit, or a name that cannot be encoded."""
    if dice.random() < 0.1:
        return text.replace(b'"', b'"\\ud800', 1)
    numbers = list(NUMBER.finditer(text))
    if not numbers:
        return text
    match = dice.choice(numbers)
    number = dice.choice((*WORDS, *(b"%d" % number for number in NUMBERS)))
    return text[: match.start()] + number + text[match.end() :]


def integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG4 + struct.pack("<i", len(data)) + data


def with_another_integer(content: bytes, dice: random.Random) -> bytes:
    """A pickle with one integer at a limit, or with keys or memo indices that collide."""
    places: list[tuple[int, int]] = []
    try:
        operations = list(pickletools.genops(content))
    except Exception:  # whatever a broken pickle raises
        return content
    for (opcode, _, start), (_, _, end) in pairwise(operations):
        if opcode.name in INTEGERS and start is not None and end is not None:
            places.append((start, end))
    colliding = [((1 << 61) - 1) * (key + 1) + 7 for key in range(40_000 if dice.random() < 0.02 else 10)]
    match dice.randrange(4):
        case 0:
            keys = b"}(" + b"".join(integer(key) + b"N" for key in colliding) + b"u0"
            return content[:2] + keys + content[2:]
        case 1:
            return content[:2] + b"N" + b"".join(b"p%d\n" % key for key in colliding) + b"0" + content[2:]
    if not places:
        return content
    start, end = dice.choice(places)
    return content[:start] + integer(dice.choice((*NUMBERS, 10**5000))) + content[end:]


def changed_header(text: bytes, largest: int, dice: random.Random) -> bytes:
    if dice.random() < 0.5:
        return with_another_number(text, dice)
    return atheris.Mutate(text or b"{", min(len(text) + 64, largest))


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    dice = random.Random(seed)
    if dice.random() < 0.3:
        return atheris.Mutate(data, largest)
    if data.startswith(b"PK"):
        return _in_zip(data, largest, dice)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        header = changed_header(data[8 : 8 + length], largest, dice)
        return (len(header).to_bytes(8, "little") + header + data[8 + length :])[:largest]
    return atheris.Mutate(data, largest)


def _in_zip(data: bytes, largest: int, dice: random.Random) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(member.filename, archive.read(member)) for member in archive.infolist()]
    except Exception:  # whatever a broken archive raises
        return atheris.Mutate(data, largest)
    if not members:
        return atheris.Mutate(data, largest)
    # Few members have a structure; the others hold elements.
    structured = [place for place, (name, _) in enumerate(members) if name.endswith((".pkl", ".npy", "byteorder"))]
    at = dice.choice(structured or range(len(members)))
    name, content = members[at]
    if name.endswith(".pkl") and dice.random() < 0.5:
        content = with_another_integer(content, dice)
    elif name.endswith(".npy") and dice.random() < 0.5:
        # The length of the header stays, as spaces are at its end.
        text = with_another_number(content[10:127], dice)
        content = content[:10] + text.rstrip(b" \n").ljust(116)[:116] + b"\n" + content[127:]
    else:
        content = atheris.Mutate(content, len(content) + 64)
    members[at] = (name, content)
    if dice.random() < 0.1:
        members.pop(dice.randrange(len(members)))
    packed = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if dice.random() < 0.1 else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", how) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()[:largest]


def one_input(data: bytes) -> None:
    FILE.write_bytes(data)
    check_checkpoint(FILE)


if __name__ == "__main__":
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, one_input, custom_mutator=mutate)
    atheris.Fuzz()
