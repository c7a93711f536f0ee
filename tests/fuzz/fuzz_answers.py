"""Fuzz downloads: what a web server answers, guided by coverage. Needs atheris: the extra ``fuzz``.

    python -m tests.fuzz.fuzz_answers WORK tests/fuzz/corpus/answers -runs=100000

An input is one answer or several, each for one connection, between ``targets.ANSWER``.
"""

from __future__ import annotations

import random
import sys
import warnings

import atheris

with atheris.instrument_imports(include=["resdsl.weights.remote", "resdsl.untrusted"]):
    import resdsl.weights.remote.web  # noqa: F401
    from tests.fuzz.targets import ANSWER, RECORD, check_answers

HEADERS = (b"Content-Length", b"Content-Range", b"ETag", b"Location", b"Transfer-Encoding", b"Content-Encoding")
VALUES = (
    *(
        b"",
        b"abc",
        b"-1",
        b"0",
        b"5",
        b"411, 411",
        b"9" * 30,
        b"9" * 5000,
        b"\xb2",
        b"bytes 5-9/10",
        b"bytes \xb2-",
        b"chunked",
    ),
    *(
        b'"1"',
        b'"2"',
        b'W/"1"',
        b'"1"\r\n x',
        b"http://[::1/x",
        b"ftp://127.0.0.1/x",
        b"http://127.0.0.1/x",
        b"https://a/x",
    ),
    *(b"http://127.0.0.1:x/", b"//x", b"file:///x", b"https://" + b"a" * 70 + b"/", b"\x1b[31m"),
)
STATUSES = (
    b"200 OK",
    b"206 Partial Content",
    b"416 Range",
    b"302 Found",
    b"304 Not",
    b"404 No",
    b"500 \x1b[1m",
    b"999",
    b"x",
)


FIELDS = (
    b'"5"',
    b"-1",
    b"1e999",
    b"null",
    b"[]",
    b"true",
    b'"\\ud800"',
    b'"\\r\\nHost: x"',
    b"1" + b"0" * 400,
    b'"' + b"0" * 64 + b'"',
)


def with_record(data: bytes, dice: random.Random) -> bytes:
    """Answers, and a record of the cache with values of other kinds."""
    fields = [
        b'"%s": %s' % (name, dice.choice(FIELDS)) for name in (b"size", b"sha256", b"etag") if dice.random() < 0.9
    ]
    record = b"{" + b", ".join(fields) + b"}"
    return (
        data.partition(RECORD)[0]
        + RECORD
        + record[: len(record) if dice.random() < 0.9 else dice.randrange(len(record))]
    )


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """One change of a header, a status or the order of answers more often than one of the bytes."""
    dice = random.Random(seed)
    if dice.random() < 0.3:
        return atheris.Mutate(data, largest)
    if dice.random() < 0.1:
        return with_record(data, dice)[:largest]
    answers = data.split(ANSWER)
    at = dice.randrange(len(answers))
    head, blank, body = answers[at].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    match dice.randrange(5):
        case 0:
            lines[0] = b"HTTP/1.1 " + dice.choice(STATUSES)
        case 1:
            lines.insert(1, dice.choice(HEADERS) + b": " + dice.choice(VALUES))
        case 2:
            del lines[dice.randrange(len(lines))]
        case 3:
            body = body[: dice.randrange(len(body) + 1)]
        case 4:
            answers.insert(dice.randrange(len(answers) + 1), dice.choice(answers))
    answers[at] = b"\r\n".join(lines) + (blank or b"\r\n\r\n") + body
    return ANSWER.join(answers)[:largest]


def one_input(data: bytes) -> None:
    check_answers(data)


if __name__ == "__main__":
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, one_input, custom_mutator=mutate)
    atheris.Fuzz()
