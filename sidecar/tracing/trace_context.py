"""The `traceparent` of W3C Trace Context (section 3.2), which MCP carries in `_meta` (SEP-414). Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
SAMPLED = 1
"""The bit of the flags that says that the caller records this trace (section 3.2.2.5.1)."""
KEY = "traceparent"


class TraceContext(NamedTuple):
    """Where a span belongs: its trace, its parent span, and whether the trace is recorded."""

    trace_id: int
    span_id: int
    sampled: bool


def parse(value: object) -> TraceContext | None:
    """The context that a client sent; None if there is none, or it is invalid and so to be ignored (section 3.2.1)."""
    found = _TRACEPARENT.fullmatch(value) if isinstance(value, str) and len(value) <= 128 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    invalid = version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16)
    return None if invalid else TraceContext(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & SAMPLED))


def render(context: TraceContext) -> str:
    """The `traceparent` of a context, of version 00."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.sampled):02x}"
