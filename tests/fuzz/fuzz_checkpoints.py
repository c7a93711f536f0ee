"""Fuzz the readers of weights (both containers of ``.pth``, ``.npz``, ``.safetensors``, ONNX), guided by coverage.

    python -m tests.fuzz.fuzz_checkpoints WORK tests/fuzz/corpus/checkpoints tests/fuzz/corpus/seeds tests/weights/data

Needs atheris: the extra ``fuzz``. A zip archive is changed inside its members, as its checksums would stop most other
changes; so is the header of a ``.safetensors`` file, whose length has to fit.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resdsl", "zipfile"]):
    # The readers are imported when a file needs them, and would then be left without instruments.
    import resdsl.weights.formats.npz
    import resdsl.weights.formats.onnx
    import resdsl.weights.formats.safetensors
    import resdsl.weights.formats.torch_legacy
    import resdsl.weights.formats.torch_zip  # noqa: F401
    from tests.fuzz.targets import check_checkpoint

FILE = Path(tempfile.mkdtemp(prefix="resdsl-fuzz-")) / "weights"


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    dice = random.Random(seed)
    if dice.random() < 0.3:
        return atheris.Mutate(data, largest)
    if data.startswith(b"PK"):
        return _in_zip(data, largest, dice)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        header = atheris.Mutate(data[8 : 8 + length] or b"{", min(length + 64, largest))
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
    # The members that say something are few beside those that hold numbers.
    speaking = [place for place, (name, _) in enumerate(members) if name.endswith((".pkl", ".npy", "byteorder"))]
    at = dice.choice(speaking or range(len(members)))
    name, content = members[at]
    members[at] = (name, atheris.Mutate(content, len(content) + 64))
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
