"""Hostile models: compiled ones with changes in their structure, their bytes and their metadata, and images for them.

What must hold: every reader of a model (``predict``, ``compare``, ``quantize``, ``weights``) gives a result, or an
error whose message can be printed.
"""

from __future__ import annotations

import io
import json
import random
import re
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

import resdsl
from resdsl.diagnostics.errors import ResdslError, RunError
from resdsl.diagnostics.render import render
from resdsl.ir.graph import Graph
from resdsl.onnx.outline import Outline, same_values
from resdsl.runtime.files import ModelFile
from resdsl.runtime.formats import CsvLines, JsonLines, TextLines
from resdsl.runtime.preprocess import invalid_reason
from resdsl.runtime.results import Failure, Result
from resdsl.runtime.session import Session, open_session
from resdsl.tools.compare.compare import compare
from resdsl.tools.predict.predict import predict
from resdsl.tools.quantize.float_model import can_be_folded, float_outline
from resdsl.untrusted import visible
from resdsl.weights.bundled_config import changes_to, read_bundled_config
from resdsl.weights.formats.open import open_checkpoint

NETWORK = """
model net(classes = 3) {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(9); crop(8); normalize(mean = [0.5, 0.5, 0.5], std = [0.2, 0.2, 0.2]) }
  labels ["red", "green", "blue"]
  conv1: conv(4, 3x3);  bn1: bn;  relu
  residual { conv2: conv(4, 3x3, bias = true) } shortcut identity
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
SECONDS = 10.0
"""Of CPU, for a model that takes milliseconds."""
MOST_PIXELS = 20_000
INTEGERS = (0, 1, -1, 2, 3, 7, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e39, float("nan"), float("inf"), -1e-320)
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b\u202e"
TEXTS = (
    "",
    EVIL,
    "a" * 5_000,
    "image",
    "logits",
    "fc",
    "Conv",
    "Loop",
    "ai.onnx.ml",
    "../../etc/passwd",
    "\r\n=1+1",
    "9" * 5_000,
)


@cache
def seeds() -> tuple[bytes, ...]:
    """Models of several kinds: plain, folded, of raw images, of symbolic size."""
    network = resdsl.loads(NETWORK)
    options: list[dict[str, Any]] = [{"optimize": 0}, {"optimize": 2}, {"embed_preprocess": True}, {"precision": "f16"}]
    made = []
    for one in options:
        stream = io.BytesIO()
        resdsl.compile(network, stream, **one)
        made.append(stream.getvalue())
    return tuple(made)


# --- models


def fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """All fields that are set in a message and those below it."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for below in value if _is_repeated(field) else (value,):
                yield from fields(below)


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def model(dice: random.Random) -> bytes:
    """The bytes of a model with one to three changes."""
    proto = onnx.ModelProto.FromString(dice.choice(seeds()))
    known = list(fields(proto))
    for _ in range(dice.choice((1, 1, 2, 3))):
        _change(*dice.choice(known), known, dice)
    content = proto.SerializeToString()
    if dice.random() < 0.3:
        content = _other_bytes(content, dice)
    return content


def _change(message: Any, field: Any, known: list[tuple[Any, Any]], dice: random.Random) -> None:
    value = getattr(message, field.name)
    if not _is_repeated(field):
        if field.message_type is not None:
            if dice.random() < 0.5:
                message.ClearField(field.name)
            return
        setattr(message, field.name, _scalar(field, value, dice))
        return
    if not len(value):
        return
    at = dice.randrange(len(value))
    kind = dice.randrange(4)
    if kind == 0:
        del value[at]
    elif kind == 1:
        if field.message_type is not None:
            value.add().CopyFrom(value[at])
        else:
            value.append(value[at])
    elif kind == 2 and field.message_type is not None:
        others = [getattr(one, other.name) for one, other in known if other is field and len(getattr(one, other.name))]
        value[at].CopyFrom(dice.choice(dice.choice(others)))
    elif field.message_type is None:
        value[at] = _scalar(field, value[at], dice)


def _scalar(field: Any, value: Any, dice: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        small = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32, field.CPPTYPE_ENUM)
        if field.enum_type is not None:
            return dice.choice([one.number for one in field.enum_type.values])
        number = dice.choice((*INTEGERS, value + 1))
        return number if not small or abs(number) < 2**31 else dice.choice((0, 99))
    if isinstance(value, float):
        return dice.choice(FLOATS)
    if isinstance(value, bytes):
        return dice.choice((b"", value[:-1], value + b"\0" * 4, bytes(len(value)), b"\xff" * len(value)))
    return dice.choice((*TEXTS, value[:-1], value + ":0"))


def _other_bytes(content: bytes, dice: random.Random) -> bytes:
    """Bytes changed, or a name that is not UTF-8 any more."""
    at = dice.randrange(len(content))
    match dice.randrange(4):
        case 0:
            names = list(re.finditer(rb"[a-z0-9.]{4,}", content))
            end = dice.choice(names).end()
            return content[: end - 1] + b"\xff" + content[end:]
        case 1:
            return content[:at]
        case 2:
            return content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
        case _:
            return content[:at] + content[at + dice.randrange(9) :]


def check_model(content: bytes, file: Path, photo: Path) -> list[str]:
    """Read a model as each command does; the codes of the errors."""
    file.write_bytes(content)
    codes = []
    start = time.process_time()
    # Four more sessions: not for each.
    readers = (_as_weights, _as_layers, _as_network, *((_beside_itself,) if zlib.crc32(content) % 8 == 0 else ()))
    for read in readers:
        try:
            read(file, photo)
        except ResdslError as error:
            codes.append(checked(error))
    assert time.process_time() - start < SECONDS
    return codes


def checked(error: ResdslError) -> str:
    text = render(error.diagnostics, width=100)
    text.encode()
    assert len(text) < 50_000
    assert text == visible(text)
    return error.diagnostics.errors[0].code.id


def _as_weights(file: Path, _photo: Path) -> None:
    with open_checkpoint(file) as checkpoint:
        for key, info in checkpoint.tensors.items():
            key.encode()
            if info.count < 1 << 20:
                assert checkpoint.read(key).shape == info.shape


def _as_layers(file: Path, _photo: Path) -> None:
    outline = float_outline(ModelFile(file.name, file))
    for value in outline.values.values():
        can_be_folded(value, outline)
        list(outline.before(value.node, stop=()))
    list(same_values(outline, outline))
    assert outline.beside >= 0
    Outline(file).exposing(outline.values)


def _as_network(file: Path, photo: Path) -> None:
    session = open_session(file, device="cpu", threads=1)
    check_rows(list(predict(session, str(photo), max_pixels=MOST_PIXELS, readers=1)))


def _beside_itself(file: Path, _photo: Path) -> None:
    compare(file, file, batch=2)


def check_rows(rows: list[Result]) -> None:
    """Every format of results has one line for a row, which reads back."""
    for row in rows:
        for lines in (TextLines(), JsonLines(), CsvLines(3)):
            line = lines.line(row)
            text = line.decode()
            assert isinstance(lines, TextLines) or (line.endswith(b"\n") and line.count(b"\n") == 1), line
            assert not isinstance(lines, TextLines) or text == visible(text)


# --- metadata and images

NUMBERS = (
    "0",
    "-1",
    "8",
    "9",
    "1.5",
    "true",
    "null",
    "1e999",
    "NaN",
    "1e308",
    str(2**31),
    str(2**63),
    "1" + "0" * 400,
    "1" + "0" * 5_000,
)
VALUES = (
    *NUMBERS,
    "[]",
    "{}",
    '""',
    '"exact"',
    '"\\ud800"',
    '"lanczos"',
    '"bgr"',
    "[0.5]",
    "[" * 2_000 + "]" * 2_000,
    json.dumps(EVIL),
    f'"{"a" * 1_001}"',
)
TOKEN = re.compile(r'"[^"]*"|-?[\d.]+(?:e[+-]?\d+)?|\w+|[][{},:]')
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "PCX", "ICO", "QOI", "JPEG2000")


CONFIG = json.dumps(
    {
        "architecture": "net",
        "num_classes": 3,
        "label_names": ["a", "b", "c"],
        "pretrained_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.2, 0.2, 0.2],
            "input_size": [3, 8, 8],
            "crop_pct": 0.9,
            "crop_mode": "center",
            "interpolation": "bicubic",
        },
    }
)


@dataclass(frozen=True)
class Case:
    """Entries of metadata, the ``config.json`` beside weights, an image, and how it is classified."""

    entries: dict[str, str]
    config: str
    image: bytes
    crops: int
    scales: tuple[int, ...]


@cache
def images() -> tuple[bytes, ...]:
    made = []
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 4), np.uint8)
    for mode in ("RGB", "L", "RGBA", "P", "1", "LA", "I;16", "CMYK"):
        for form in FORMATS:
            stream = io.BytesIO()
            try:
                Image.fromarray(noise).convert("L" if mode == "I;16" else mode).save(stream, form)
            except (OSError, KeyError, ValueError):
                continue  # the format has no such mode
            made.append(stream.getvalue())
    return tuple(made)


def metadata(dice: random.Random) -> Case:
    """The metadata of a model and an image, each with a few changes."""
    proto = onnx.ModelProto.FromString(seeds()[0])
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    for _ in range(dice.choice((1, 1, 2))):
        key = dice.choice(("resdsl.preprocess", "resdsl.preprocess", "resdsl.labels", "resdsl.name", "resdsl.macs"))
        entries[key] = _other_json(entries.get(key, "{}"), dice)
    config = _other_json(CONFIG, dice)
    return Case(
        entries, config, _other_image(dice), dice.choice((1, 1, 1, 10)), dice.choice(((), (), (9,), (2**20, 4)))
    )


def _other_json(text: str, dice: random.Random) -> str:
    tokens = TOKEN.findall(text)
    if not tokens or dice.random() < 0.1:
        return dice.choice(VALUES)
    at, other = dice.randrange(len(tokens)), dice.randrange(len(tokens))
    match dice.randrange(5):
        case 0:
            del tokens[at]
        case 1:
            tokens.insert(at, tokens[other])
        case 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case 3:
            return text[:at] + dice.choice(TEXTS) + text[at + 1 :]
        case _:
            tokens[at] = dice.choice(VALUES)
    return " ".join(tokens)


def _other_image(dice: random.Random) -> bytes:
    content = bytearray(dice.choice(images()))
    for _ in range(dice.choice((0, 0, 1, 1, 3, 10))):
        # What matters is in the first bytes, and the numbers in them.
        at = dice.randrange(min(len(content), 80) if dice.random() < 0.7 else len(content))
        content[at] = dice.choice((0, 1, 2, 127, 128, 255, dice.randrange(256)))
    if dice.random() < 0.1:
        del content[dice.randrange(len(content)) :]
    return bytes(content)


@cache
def graph() -> Graph:
    return resdsl.loads(NETWORK).graph


@cache
def session() -> Session:
    """One session for all: what it says of the model is replaced."""
    return open_session(seeds()[0], device="cpu", threads=1, name="m.onnx")


def check_metadata(case: Case, photo: Path) -> list[str]:
    """Classify an image with a model of this metadata; the codes of the errors."""
    photo.write_bytes(case.image)
    photo.with_name("config.json").write_text(case.config, encoding="utf-8", errors="surrogatepass")
    start = time.process_time()
    bundled = read_bundled_config(photo.with_name("w.safetensors"), graph())
    adopted = changes_to(bundled, graph())
    if adopted.preprocess is not None:
        json.dumps(adopted.preprocess.to_data(), allow_nan=False).encode()
        assert invalid_reason(adopted.preprocess) is None
    for label in adopted.labels or ():
        label.encode()
    shared = session()
    shared.metadata = case.entries
    try:
        options = {"crops": case.crops, "scales": case.scales, "max_pixels": MOST_PIXELS, "readers": 1}
        rows = list(predict(shared, str(photo), **options))
        check_rows(rows)
    except ResdslError as error:
        return [checked(error)]
    finally:
        assert time.process_time() - start < SECONDS
    return [checked(RunError(row.diagnostic)) for row in rows if isinstance(row, Failure)]


def fuzz(kind: str, runs: int, seed: int, show: Callable[[str], object] = lambda _: None) -> Counter[str]:
    """How many ``models`` or inputs of ``metadata`` gave each error, or none.

    Raises ``AssertionError`` with what broke something, by its seed.
    """
    outcomes: Counter[str] = Counter()
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, photo = Path(folder, "m.onnx"), Path(folder, f"{EVIL}\r=1.png")
        Image.new("RGB", (9, 9), "red").save(photo)
        for number in range(seed, seed + runs):
            dice = random.Random(number)
            try:
                codes = (
                    check_metadata(metadata(dice), photo)
                    if kind == "metadata"
                    else check_model(model(dice), file, photo)
                )
            except Exception:  # whatever a reader does not expect
                text = "".join(traceback.format_exc()[-3_000:])
                # One for each kind of failure.
                if failures.setdefault(text[-100:], text) is text:
                    show(f"--- {kind} {number}\n{text}")
            else:
                outcomes.update(codes or ["fine"])
            if number % 1_000 == 999:
                show(f"{number + 1 - seed:,} {kind}: {dict(outcomes.most_common())}")
    assert not failures, "\n\n".join(failures.values())
    return outcomes
