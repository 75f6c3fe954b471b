"""The HTTP error responses for connections that cannot be handed over. Pure.

Codes, statuses and wording are those that the front and the sidecar use (docs/errors.md; a test compares).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Literal, NamedTuple

SERVER_ERROR, INVALID_REQUEST = -32010, -32600
"""JSON-RPC error codes, as in sidecar/errors.py."""

Form = Literal["rpc", "api"]
"""The form of the body: a JSON-RPC error without an id (`rpc`, for endpoints), or an error object (`api`)."""


class Refusal(NamedTuple):
    """An error with its HTTP status and texts, after which the request can be sent again.

    `retry_after` is in seconds, 0 for no Retry-After header.
    """

    code: str
    status: int
    message: str
    hint: str
    retry_after: int = 0
    rpc: int = SERVER_ERROR


SIDECAR_AWAY = Refusal(
    "SIDECAR_AWAY",
    503,
    "The sidecar, which serves the endpoints, does not answer.",
    "Connect again in a few seconds: the hub restarts it. If it does not come back, see hubctl doctor.",
    retry_after=5,
)
FRONT_AWAY = Refusal(
    "FRONT_AWAY",
    503,
    "The front, which serves the hub's pages and API, does not answer.",
    "The hub restarts it. If it does not come back, see front.log in the logs directory.",
    retry_after=5,
)
CONNECTIONS_LIMIT = Refusal(
    "CONNECTIONS_LIMIT",
    503,
    "As many connections are open as may be.",
    "Close unused connections, or raise the limit of open files: ulimit -n, LimitNOFILE, --ulimit.",
    retry_after=5,
)
REQUEST_TIMEOUT = Refusal(
    "REQUEST_TIMEOUT",
    408,
    "The head of the request did not come in time.",
    "Send the head of a request within 15 s, and its body within 30 s or at 16 KiB/s.",
    rpc=INVALID_REQUEST,
)
ALL = (SIDECAR_AWAY, FRONT_AWAY, CONNECTIONS_LIMIT, REQUEST_TIMEOUT)


def response(refusal: Refusal, form: Form) -> bytes:
    """The bytes of the response, after which the connection is closed."""
    body = json.dumps(_body(refusal, form)).encode()
    retry = f"Retry-After: {refusal.retry_after}\r\n" if refusal.retry_after else ""
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
        f"Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        f"{retry}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _body(refusal: Refusal, form: Form) -> dict[str, object]:
    code, message, hint = refusal.code, refusal.message, refusal.hint
    data: dict[str, object] = {"retry_after": refusal.retry_after} if refusal.retry_after else {}
    if form == "api":
        return {"error": message, "code": code, "hint": hint, "retryable": True} | ({"data": data} if data else {})
    data = {"code": code, "hint": hint, "retryable": True, **data}
    error = {"code": refusal.rpc, "message": f"{message} {hint}", "data": data}
    return {"jsonrpc": "2.0", "id": None, "error": error}
