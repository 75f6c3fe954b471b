"""The rows of a batch for the spool (bridge/history/spool.py), from what the observer noted of each request. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from sidecar.admission.context import Client

CALL_FIELDS = (
    *("at", "seconds", "waited", "workspace", "session", "principal", "address", "transport", "era", "method"),
    *("server", "tool", "outcome", "code", "correlation", "trace", "arguments_size", "result_size"),
    *("arguments", "result", "cut"),
)
"""The fields of a row, in order; a batch names them, so that another version of the hub can read it."""
SHOWN_ID_CHARACTERS = 12
"""Characters of a session's id that are recorded, as in lists of sessions (hub/session_list.py)."""
LONGEST_NAME = 200
"""Characters that are kept of a name that a client chose: a method, a tool, the URI of a resource, a client's name."""


class Bodies(NamedTuple):
    """What is kept of the arguments and the result of a call: sizes in bytes, and JSON text."""

    arguments_size: int | None = None
    result_size: int | None = None
    arguments: str | None = None
    result: str | None = None
    cut: bool = False


NO_BODIES = Bodies()

Noted = tuple[float, float, float, Client, str, str, str, str, int, str, str, str, str, str, Bodies]
"""A request as the observer notes it: when it ended, its duration, its wait, client, workspace, method, server, tool,
number, era, outcome, code, traceparent, address, bodies."""


def call_row(noted: Noted) -> tuple[Any, ...]:
    """The row of a request, in the order of CALL_FIELDS."""
    ended, seconds, waited, client, workspace, method, server, tool, number = noted[:9]
    era, outcome, code, trace, address, bodies = noted[9:]
    return (
        round(ended - seconds, 6),
        round(seconds, 6),
        round(waited, 6),
        workspace[:LONGEST_NAME],
        client.id[:SHOWN_ID_CHARACTERS] if _has_session(client, era) else "",
        client.principal.name,
        address,
        client.transport,
        era,
        method[:LONGEST_NAME],
        server,
        tool[:LONGEST_NAME],
        outcome,
        code,
        client.correlation(number),
        trace_id(trace) if trace else "",
        *bodies,
    )


def _has_session(client: Client, era: str) -> bool:
    """Whether the client has a session, and not an object in the place of one."""
    return client.transport == "sse" or (client.transport == "http" and era == "legacy")


def trace_id(traceparent: str) -> str:
    """The trace id in a `traceparent` (W3C Trace Context, section 3.2); empty if it is malformed."""
    parts = traceparent.split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or not set(parts[1]) <= set("0123456789abcdef"):
        return ""
    return parts[1]
