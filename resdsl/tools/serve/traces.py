"""Spans of OpenTelemetry, one for each request, below that of the client if it sends one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from resdsl.diagnostics import UnavailableError, catalogue
from resdsl.tools.serve.observe import Record

Span = Callable[[Mapping[str, str], Record], AbstractContextManager[None]]
"""Traces the block that answers a request, whose headers may name the span of the client."""


def no_spans(_headers: Mapping[str, str], _record: Record) -> AbstractContextManager[None]:
    """For a server without traces."""
    return nullcontext()


def exported_spans() -> tuple[Span, Callable[[], None]]:
    """Spans that are exported as the variables ``OTEL_*`` of the environment say, and what sends the last of them.

    Raises ``UnavailableError`` without ``resdsl[traces]``.
    """
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            f"traces need OpenTelemetry: {error}",
            helps=("run `pip install 'resdsl[serve,traces]'`",),
        ) from None
    # The environment's name comes last, so that it is the one that counts.
    resource = Resource({SERVICE_NAME: "resdsl"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return spans_of(provider), provider.shutdown


def spans_of(provider: object) -> Span:
    """Spans of a provider of OpenTelemetry."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert isinstance(provider, trace.TracerProvider)
    tracer, propagator = provider.get_tracer("resdsl.serve"), TraceContextTextMapPropagator()

    @contextmanager
    def span(headers: Mapping[str, str], record: Record) -> Iterator[None]:
        context = propagator.extract({name.lower(): value for name, value in headers.items()})
        with tracer.start_as_current_span("infer", context=context, kind=trace.SpanKind.SERVER) as made:
            try:
                yield
            finally:
                made.set_attribute("resdsl.model", record.model)
                if record.version is not None:
                    made.set_attribute("resdsl.version", record.version)
                if record.rows is not None:
                    made.set_attribute("resdsl.rows", record.rows)

    return span
