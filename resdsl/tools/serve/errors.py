"""Why a request is refused, for both protocols."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A kind of refusal: its status in HTTP, and the name of that in gRPC."""

    INVALID = (400, "INVALID_ARGUMENT")
    UNAUTHENTICATED = (401, "UNAUTHENTICATED")
    NOT_FOUND = (404, "NOT_FOUND")
    SLOW = (408, "DEADLINE_EXCEEDED")
    TOO_LARGE = (413, "RESOURCE_EXHAUSTED")
    MEDIA_TYPE = (415, "INVALID_ARGUMENT")
    OVERLOADED = (429, "RESOURCE_EXHAUSTED")
    BUG = (500, "INTERNAL")
    UNSUPPORTED = (501, "UNIMPLEMENTED")
    UNAVAILABLE = (503, "UNAVAILABLE")
    TIMEOUT = (504, "DEADLINE_EXCEEDED")

    def __init__(self, http: int, grpc: str) -> None:
        self.http = http
        self.grpc = grpc


class Refusal(Exception):
    """A request that is not answered with a result. ``code`` is that of a diagnostic, ``helps`` its advice."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        code: str | None = None,
        helps: tuple[str, ...] = (),
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.code = code
        self.helps = helps
        self.retry_after = retry_after
        """Seconds after which a request may be accepted."""
