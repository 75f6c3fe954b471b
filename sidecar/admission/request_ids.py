"""Ids that identify a client's request beyond this process: what the client sent, and what remote servers are sent."""

from __future__ import annotations

import re
from contextvars import ContextVar

HEADER = b"x-request-id"
META_KEY = "yamcp-hub/requestId"
"""The key in `_meta` of a request for an id of the client's own; it has precedence over the header."""
FORM = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""The form of an id that is used; others are ignored, since ids go into log lines and headers."""

FROM_HEADER: ContextVar[str] = ContextVar("request_id", default="")
"""The id in the header X-Request-Id of the HTTP request that is being served; empty if there is none."""
TO_SERVER: ContextVar[str] = ContextVar("outgoing_request_id", default="")
"""The id with which the current request is sent to a remote server; empty for requests of the hub's own."""


def valid(value: object) -> str:
    """Return an id of the right form; empty for anything else."""
    return value if isinstance(value, str) and FORM.fullmatch(value) else ""
