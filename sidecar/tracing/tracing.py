"""Spans of requests: one for the client's request, and one for what the hub asks a server because of it.

Names and attributes are those of OpenTelemetry's semantic conventions for MCP (semantic-conventions-genai, mcp.md).
The spans' parents: the client's span, if it sent one in `_meta.traceparent` (SEP-414), is that of the first, and the
first that of the second, which the server gets as its own `_meta.traceparent`.

FastMCP and the SDK make spans of their own with OpenTelemetry's global provider. The hub does not set that provider,
as these spans repeat the hub's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from sidecar.admission.context import CallContext, RequestContext
from sidecar.audit.rows import shown_id
from sidecar.errors import SidecarError
from sidecar.protocol.jsonrpc import as_dict
from sidecar.tracing import trace_context
from sidecar.tracing.sampler import Sampler, parent_of
from sidecar.tracing.trace_context import TraceContext

TRACE_ID: ContextVar[str] = ContextVar("trace_id", default="")
"""The trace of the request that the current task serves, for the log; empty if it is not traced."""
LONGEST_URI = 1024
CLIENT_ENDED = ("cancelled", "disconnected")
"""Outcomes that are no errors of the hub or a server."""


class RequestSpans:
    """The spans of one request; `RequestContext.span` while it is served."""

    __slots__ = ("request", "server", "server_id")

    def __init__(self, request: Span, server_id: int) -> None:
        self.request = request
        self.server: Span | None = None
        """The span of what is asked of a server; None until then."""
        self.server_id = server_id
        """Its id, which the server is told. It is chosen before the server is known, as `params` are not changed later.
        """


class SpanIds(RandomIdGenerator):
    """Ids of spans: random ones, but for the next span if its id was chosen before."""

    next_id = 0

    def generate_span_id(self) -> int:
        """A 64-bit id other than 0."""
        chosen, self.next_id = self.next_id, 0
        return chosen or super().generate_span_id()


class Tracing:
    """Gate and observer of all requests: begins and ends spans. Registered where traces are configured (`app.py`)."""

    def __init__(
        self, provider: TracerProvider, ids: SpanIds, sampler: Sampler, redact: Callable[[str], str] = str
    ) -> None:
        """`ids` is the id generator of `provider`. `redact` masks secrets in the URIs of resources."""
        self._redact = redact
        self._tracer: Tracer = provider.get_tracer("yamcp-hub")
        self._ids = ids
        self._sampler = sampler

    # --- Gate ----------------------------------------------------------------------------------------------------

    def try_enter(self, call: CallContext) -> bool:
        """Begin the spans of a request that is traced. False for one on the direct way: it takes the waiting way."""
        parent = parent_of(call)
        if not self._sampler.chooses(call, parent):
            return True
        if not isinstance(call, RequestContext):
            return False
        if call.span is None:
            self._begin(call, parent)
        return True

    async def enter(self, call: CallContext) -> None:
        """Admit the request: nothing has to be waited for."""

    def leave(self, call: CallContext, outcome: str) -> None:
        """Nothing to give back."""

    def _begin(self, call: RequestContext, parent: TraceContext | None) -> None:
        span = self._tracer.start_span(_name(call), _context_of(parent), SpanKind.SERVER, self._attributes(call))
        spans = call.span = RequestSpans(span, self._ids.generate_span_id())
        trace_id = span.get_span_context().trace_id
        trace = trace_context.render(TraceContext(trace_id, spans.server_id, True))
        call.params = {**call.params, "_meta": {**as_dict(call.params.get("_meta")), trace_context.KEY: trace}}
        TRACE_ID.set(f"{trace_id:032x}")

    def _attributes(self, call: RequestContext) -> dict[str, Any]:
        known = _request_attributes(call)
        if uri := known.get("mcp.resource.uri"):
            known["mcp.resource.uri"] = self._redact(uri[:LONGEST_URI])
        return known

    # --- Observer ------------------------------------------------------------------------------------------------

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """End the spans of a request."""
        self._end(call, outcome)

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """End the span of a request that no server got."""
        self._end(call, error.code)

    def _end(self, call: CallContext, outcome: str) -> None:
        if not isinstance(call, RequestContext) or not isinstance(spans := call.span, RequestSpans):
            return
        call.span = None
        TRACE_ID.set("")
        if spans.server is not None:
            _finish(spans.server, outcome)
        if call.tool:
            spans.request.set_attribute("yamcp.tool", call.tool)
        if call.server:
            spans.request.set_attribute("yamcp.server", call.server)
        _finish(spans.request, outcome)


class ServerTracing:
    """Gate of the requests to servers: begins the span of what a traced request asks of its server."""

    def __init__(self, provider: TracerProvider, ids: SpanIds) -> None:
        self._tracer: Tracer = provider.get_tracer("yamcp-hub")
        self._ids = ids

    def try_enter(self, call: CallContext) -> bool:
        """Begin the span, unless the request asked a server before: the span lasts over all it asks."""
        if isinstance(spans := call.span, RequestSpans) and spans.server is None:
            known = {"mcp.method.name": call.method, "yamcp.server": call.server}
            if call.tool and call.method == "tools/call":
                known |= {"gen_ai.tool.name": call.tool, "gen_ai.operation.name": "execute_tool"}
            self._ids.next_id = spans.server_id
            context = set_span_in_context(spans.request, Context())
            spans.server = self._tracer.start_span(_name(call, call.tool), context, SpanKind.CLIENT, known)
        return True

    async def enter(self, call: CallContext) -> None:
        """Admit the request: nothing has to be waited for."""

    def leave(self, call: CallContext, outcome: str) -> None:
        """Nothing to give back: `Tracing` ends the span with the client's request."""


def _context_of(parent: TraceContext | None) -> Context:
    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED)
    context = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), Context())


def _name(call: CallContext, tool: str = "") -> str:
    """The span's name: the method, with the tool or prompt, which have few values (the conventions' rule)."""
    subject = tool or call.params.get("name")
    named = call.method in ("tools/call", "prompts/get") and isinstance(subject, str)
    return f"{call.method} {subject}" if named else call.method


def _request_attributes(call: RequestContext) -> dict[str, Any]:
    meta = as_dict(call.params.get("_meta"))
    known = {
        "mcp.method.name": call.method,
        "mcp.session.id": shown_id(call.session),  # the whole id opens the session
        "mcp.protocol.version": meta.get("io.modelcontextprotocol/protocolVersion", ""),
        "network.transport": "tcp" if call.transport in ("sse", "http") else "",
        "yamcp.transport": call.transport,
        "yamcp.workspace": call.workspace,
        "yamcp.correlation": call.correlation,
        "enduser.id": call.principal.name,
        "mcp.resource.uri": call.params.get("uri", "") if call.method.startswith("resources/") else "",
    }
    if call.method == "tools/call":
        known |= {"gen_ai.tool.name": call.params.get("name", ""), "gen_ai.operation.name": "execute_tool"}
    if call.method == "prompts/get":
        known["gen_ai.prompt.name"] = call.params.get("name", "")
    return {name: value for name, value in known.items() if isinstance(value, str) and value}


def _finish(span: Span, outcome: str) -> None:
    if outcome != "ok":
        span.set_attribute("error.type", outcome)
        if outcome not in CLIENT_ENDED:
            span.set_status(Status(StatusCode.ERROR))
    span.end()
