"""How servers say that they do not know a session (any more), and what asks them whether that is so.

The specification wants HTTP 404 (MCP, Transports, Session Management). Servers and gateways that were restarted also
answer 400, 410, 401 or 500, or a JSON-RPC error, with words that name the session.
"""

from __future__ import annotations

from typing import Any, Literal

from sidecar.channels.web import parse
from sidecar.errors import METHOD_NOT_FOUND
from sidecar.protocol.channel import Frame
from sidecar.protocol.eras import VERSION_KEY

CHECK_ID = "yamcp-hub-check"
"""The id of the request that asks whether the server still serves the connection; the hub's others are numbers."""
GONE = (404, 410)
_DOUBTFUL = (400, 401, 403, 407, *GONE)
_LOOKED_AT = 4096


def doubtful(status: int) -> bool:
    """Whether this HTTP status, in a session that worked, may be about the session rather than about the request."""
    return status in _DOUBTFUL or status >= 500


Verdict = Literal["serves", "denies", "fails"]
"""What a check tells: the server answers it; it does not know the session; or it cannot answer."""


def untaken(status: int, named: bool) -> bool:
    """Whether a request that was refused so was certainly not carried out, where the session turns out to be gone.

    `named`: the text of the refusal speaks of a session.
    """
    return status in (400, *GONE) or (named and status in (401, 403))


def verdict_of(status: int, text: bytes) -> Verdict:
    """What an HTTP answer to a check means; that it knows no such method is an answer as good as any."""
    errors = [frame["error"] for frame in parse(text) if isinstance(frame.get("error"), dict)]
    error: dict[str, Any] = errors[0] if errors else {}
    if status < 300:
        return "denies" if names_session(str(error.get("message", ""))) else "serves"
    if error.get("code") == METHOD_NOT_FOUND or status in (405, 501):
        return "serves"
    return "denies" if status in (400, *GONE) or names_session(text) else "fails"


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
