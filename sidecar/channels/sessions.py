"""How servers say that they do not know a session (any more), and what asks them whether that is so. Pure.

The specification wants HTTP 404 (MCP, Transports, Session Management). Servers and gateways that were restarted also
answer 400, 410, 401 or 500, or a JSON-RPC error, with words that name the session.
"""

from __future__ import annotations

from typing import Any

from sidecar.channel import Frame
from sidecar.era import VERSION_KEY

CHECK_ID = "yamcp-hub-check"
"""The id of the request that asks whether the server still serves the connection; the hub's others are numbers."""
GONE = (404, 410)
_DOUBTFUL = (400, 401, 403, 407, *GONE)
_LOOKED_AT = 4096


def doubtful(status: int) -> bool:
    """Whether this HTTP status, in a session that worked, may be about the session rather than about the request."""
    return status in _DOUBTFUL or status >= 500


def names_session(text: bytes | str) -> bool:
    """Whether an error's text speaks of a session."""
    start = text[:_LOOKED_AT]
    return "session" in (start.decode(errors="replace") if isinstance(start, bytes) else start).lower()


def denies_session(frame: Frame) -> bool:
    """Whether a response is an error that speaks of a session."""
    error = frame.get("error")
    return isinstance(error, dict) and names_session(str(error.get("message", "")))


def check_of(frame: Frame) -> tuple[Frame, dict[str, str]]:
    """A request that changes nothing, in the era of `frame`, and the headers that go with it over Streamable HTTP.

    `ping`, which every legacy server has to answer; `server/discover` in the modern era, which has no ping.
    """
    check: Frame = {"jsonrpc": "2.0", "id": CHECK_ID, "method": "ping"}
    params = frame.get("params")
    meta: dict[str, Any] = (params.get("_meta") or {}) if isinstance(params, dict) else {}
    if VERSION_KEY not in meta:
        return check, {}
    meta = {name: value for name, value in meta.items() if name != "progressToken"}
    check |= {"method": "server/discover", "params": {"_meta": meta}}
    return check, {"mcp-protocol-version": str(meta[VERSION_KEY]), "mcp-method": "server/discover"}
