"""What must hold for any bytes: the properties that the fuzzers try to break, and that the corpus keeps."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zlib
from pathlib import Path

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.github import to_github
from resdsl.diagnostics.json import report_data
from resdsl.diagnostics.render import render
from resdsl.diagnostics.sarif import to_sarif
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.elaborate.program import standard_library
from resdsl.ir.print import print_graph
from resdsl.ir.verify import verify
from resdsl.onnx.model import encode_graph
from resdsl.syntax import parse
from resdsl.syntax.formatter import format_source
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.open import open_checkpoint
from resdsl.weights.remote import web
from resdsl.weights.remote.address import WebAddress
from resdsl.weights.remote.fetched import sha256_of

from ..weights.remote.answers import URL, serving

# Small, so that a fuzzer spends its time on the text and not on what the text expands to.
LIMITS = Limits(nodes=200, steps=1_500, depth=60, files=10, file_bytes=100_000)
DRAWN = 1
LAYOUTS = 8
SECONDS = 3.0
"""Of CPU for what the limits bound: a hundred times what an ordinary text takes."""

LARGEST_TENSOR = 1 << 22


def check_specification(text: str) -> Diagnostics:
    """Any text gives errors that every format can show, or valid graphs that can be written as ONNX."""
    diagnostics = Diagnostics()
    start = time.process_time()
    program = load_program(Source("fuzz.res", text), diagnostics, limits=LIMITS, read=_only_std)
    models = [None] if not program.main.models else [one.name for one in program.main.models[:4]]
    graphs = [elaborate(program, diagnostics, model=name, limits=LIMITS) for name in models]
    assert time.process_time() - start < SECONDS * (1 + len(text) / 50_000)
    if not diagnostics.errors:
        for graph in graphs:
            assert graph is not None, "no graph, and no error that says why"
            verify(graph)
            print_graph(graph)
            encode_graph(graph)
    # Four more readings of the text: not for each.
    if zlib.crc32(text.encode("utf-8", "replace")) % LAYOUTS == 0:
        check_layout(text)
    # Rendering takes longer than checking, and a random text has dozens of errors.
    some = list(diagnostics)[:DRAWN]
    assert bool(render(some, width=100)) == bool(some)
    report_data(some)
    to_sarif(some, version="0")
    to_github(some)
    return diagnostics


def check_layout(text: str) -> None:
    """A text that can be parsed has one layout, which reads as the same tree and is its own layout."""
    found = Diagnostics()
    formatted = format_source(Source("fuzz.res", text), found)
    assert (formatted is None) == bool(found.errors)
    if formatted is None:
        return
    again = Diagnostics()
    module = parse(Source("fuzz.res", formatted), again)
    assert not again.errors, f"the layout cannot be read: {formatted}"
    assert module.items == parse(Source("fuzz.res", text), Diagnostics()).items
    assert format_source(Source("fuzz.res", formatted), again) == formatted


BLOCKS = "block cell(n = 4) { c: conv(n, 1x1); bn; relu }\n"


def _only_std(path: Path) -> str:
    if path.name == "blocks.res":
        return BLOCKS
    if path.is_relative_to(standard_library()):
        return path.read_text(encoding="utf-8")
    raise FileNotFoundError(path)


def check_checkpoint(path: Path) -> CheckpointError | None:
    """Any file gives tensors of the shapes that it lists, or a diagnostic."""
    try:
        with open_checkpoint(path) as checkpoint:
            for key, info in checkpoint.tensors.items():
                key.encode()  # as printing it does
                if info.count <= LARGEST_TENSOR:
                    read = checkpoint.read(key)
                    assert read.shape == info.shape
    except CheckpointError as error:
        assert render([error.diagnostic], width=100)
        return error
    return None


ANSWER = b"\x00ANSWER\x00"
"""Between the answers of a server in one input."""

RECORD = b"\x00RECORD\x00"
"""Before what the record of the cache is replaced by, when the answers are given a second time."""


def check_answers(data: bytes) -> CheckpointError | None:
    """Any answers of a server give a file with the digest that is claimed for it, or a diagnostic, in few requests."""
    data, _, record = data.partition(RECORD)
    answers = data.split(ANSWER)
    folder = tempfile.mkdtemp(prefix="resdsl-fuzz-")
    os.environ["RESDSL_CACHE"] = folder
    # The last answer is given for ever. With resumes after every piece, and redirects, each attempt takes 11 requests.
    most = 11 * web.ATTEMPTS * (1 + len(data) // web.PROGRESS) + 11
    try:
        for _ in range(2):  # the second time with what the first one left in the cache
            with serving(lambda number, _: answers[min(number, len(answers) - 1)], most):
                fetched = web.fetch_from_web(WebAddress(URL, "w.bin"), None)
            assert fetched.origin.endswith(f"#sha256={sha256_of(fetched.path)}")
            assert fetched.path.stat().st_size <= len(data)
            for path in Path(folder).rglob("record.json") if record else ():
                path.write_bytes(record)
    except CheckpointError as error:
        assert error.diagnostic.message.isprintable()
        assert render([error.diagnostic], width=100)
        return error
    finally:
        shutil.rmtree(folder)
    return None
