"""Detects that a server no longer knows a session, and makes the request that checks it.

The specification requires HTTP 404 (MCP, Transports, Session Management). Restarted servers and gateways also answer
with 400, 410, 401 or 500, or with a JSON-RPC error whose text mentions the session.
"""

from __future__ import annotations

from typing import Any, Literal

from sidecar.channels.web import parse
from sidecar.errors import METHOD_NOT_FOUND
from sidecar.protocol.channel import Frame
from sidecar.protocol.eras import VERSION_KEY

CHECK_ID = "yamcp-hub-check"
"""The id of the request that checks a connection; all other ids of the hub are numbers."""
GONE = (404, 410)
_DOUBTFUL = (400, 401, 403, 407, *GONE)
_MAX_SEARCHED = 4096
"""Bytes or characters of an error's text that are searched."""


def doubtful(status: int) -> bool:
    """Whether this HTTP status may concern the session, which has worked before, rather than the request."""
    return status in _DOUBTFUL or status >= 500


Verdict = Literal["serves", "denies", "fails"]
"""The result of a check: the server serves the session, does not know it, or could not be asked."""


def untaken(status: int, named: bool) -> bool:
    """Whether a request refused with this status was certainly not executed, given that the session is gone.

    `named`: the text of the refusal mentions a session.
    """
    return status in (400, *GONE) or (named and status in (401, 403))


def verdict_of(status: int, text: bytes) -> Verdict:
    """Interpret the HTTP response to a check. `Method not found` shows as well that the session is served."""
    errors = [frame["error"] for frame in parse(text) if isinstance(frame.get("error"), dict)]
    error: dict[str, Any] = errors[0] if errors else {}
    if status < 300:
        return "denies" if names_session(str(error.get("message", ""))) else "serves"
    if error.get("code") == METHOD_NOT_FOUND or status in (405, 501):
        return "serves"
    return "denies" if status in (400, *GONE) or names_session(text) else "fails"


def names_session(text: bytes | str) -> bool:
    """Whether an error's text mentions a session."""
    start = text[:_MAX_SEARCHED]
    return "session" in (start.decode(errors="replace") if isinstance(start, bytes) else start).lower()


def denies_session(frame: Frame) -> bool:
    """Whether a response is an error that mentions a session."""
    error = frame.get("error")
    return isinstance(error, dict) and names_session(str(error.get("message", "")))


def check_of(frame: Frame) -> tuple[Frame, dict[str, str]]:
    """A request without side effects in the era of `frame`, and its headers for Streamable HTTP.

    It is `ping` in the legacy era, and `server/discover` in the modern era, which has no ping.
    """
    check: Frame = {"jsonrpc": "2.0", "id": CHECK_ID, "method": "ping"}
    params = frame.get("params")
    meta: dict[str, Any] = (params.get("_meta") or {}) if isinstance(params, dict) else {}
    if VERSION_KEY not in meta:
        return check, {}
    meta = {name: value for name, value in meta.items() if name != "progressToken"}
    check |= {"method": "server/discover", "params": {"_meta": meta}}
    return check, {"mcp-protocol-version": str(meta[VERSION_KEY]), "mcp-method": "server/discover"}
