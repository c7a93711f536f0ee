"""Addresses of weights: a repository of the model hub or a URL; anything else is a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that may be reached without encryption: the connection does not leave this machine."""

_HUB = re.compile(
    r"(?:hf|hf-hub):(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[^@]+))?", re.ASCII
)
_REPOSITORY = re.compile(r"(?!.*(?:--|\.\.))(?!.*\.git$)\b[\w.-]+\b/\b[\w.-]{1,96}\b", re.ASCII)
"""What the hub allows; its library raises an error of its own for other names."""

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+-]+):(?://)?", re.IGNORECASE)
_DIGEST = re.compile(r"sha256[=:](?P<digest>[0-9a-f]{64})")
_DIGEST_IN_NAME = re.compile(r"-(?P<digest>[0-9a-f]{8,64})\.[a-z]+$")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """``hf:OWNER/NAME[@REVISION][/FILE]``: a file of a repository on the hub; without FILE, its weights."""

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf:{self.repository}{revision}{f'/{self.file}' if self.file else ''}"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """``https://...[#sha256=HEX]``. ``digest`` is the start of the file's SHA-256, if the address has one.

    It may also be in the name, as in ``resnet50-0676ba61.pth`` and PyTorch's other published weights.
    """

    url: str
    name: str
    digest: str | None = None

    def __str__(self) -> str:
        return self.url


def parse_address(text: str) -> HubAddress | WebAddress | None:
    """The address in ``text``, or ``None`` for a path. Raises ``CheckpointError`` for an invalid address."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    match scheme["scheme"].lower():
        case "hf" | "hf-hub":
            return _hub(text)
        case "https" | "http":
            return _web(text)
        case other if "://" in text:
            raise _invalid(
                text, f"`{other}` addresses are not supported", "pass a file, `https://...` or `hf:OWNER/NAME`"
            )
    return None


def _hub(text: str) -> HubAddress:
    match = _HUB.fullmatch(text)
    if (
        match is None
        or _REPOSITORY.fullmatch(match["repository"]) is None
        or ".." in PurePosixPath(match["file"] or "").parts
    ):
        raise _invalid(
            text,
            "it does not name a repository of the hub",
            "write `hf:OWNER/NAME`, such as `hf:timm/resnet50.a1_in1k`, optionally with `@REVISION` and `/FILE`",
        )
    return HubAddress(match["repository"], match["revision"], match["file"])


def _web(text: str) -> WebAddress:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise _invalid(text, str(error).lower(), "copy the address again") from None
    name = PurePosixPath(unquote(parts.path)).name
    if not host or not name or set("\\\0:") & set(name):
        raise _invalid(text, "it does not name a file", "use the address of the file itself, which ends with its name")
    if parts.scheme.lower() == "http" and host not in LOOPBACK:
        raise _invalid(
            text,
            "data sent over `http` can be altered in transit",
            f"use `https{text[4:]}`",
        )
    named = _DIGEST_IN_NAME.search(name)
    digest = named["digest"] if named else None
    if parts.fragment:
        stated = _DIGEST.fullmatch(parts.fragment.lower())
        if stated is None:
            raise _invalid(text, f"`#{parts.fragment}` is not a SHA-256", "write `#sha256=` and 64 hexadecimal digits")
        digest = stated["digest"]
    return WebAddress(parts._replace(fragment="").geturl(), name, digest)


def _invalid(text: str, fact: str, fix: str) -> CheckpointError:
    return CheckpointError.of(catalogue.WEIGHTS_ADDRESS, f"`{text}` is not an address of weights: {fact}", helps=(fix,))
