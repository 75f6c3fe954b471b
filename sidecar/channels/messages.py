"""Parses servers' messages, and replaces answers that cannot be parsed by error responses. Pure.

A request whose answer cannot be parsed must not wait for its timeout. Therefore bytes that are not a valid message but
look like an answer to a request become an error response to it, an `UnreadableAnswer`.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sidecar.errors import AnswerInvalid, SidecarError
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, UnreadableAnswer

SCANNED = 64 * 1024
"""Bytes at the beginning that are searched for an id; and `TAIL` bytes at the end, where JavaScript puts it."""
TAIL = 1024
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?+)', re.DOTALL)
_ID_AT_END = re.compile(rb',\s*"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,64}")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_ANSWER = {"id", "result", "error"}


def read(data: bytes, *, strict: bool = True) -> list[Frame]:
    """Parse a message: returns one frame, or those of a batch (revision 2025-03-26).

    `strict` is for stdout, where servers may print other output too: a message must have `jsonrpc`, unless it is a
    response with no further members (JSON-RPC 1.0 has no `jsonrpc`).

    Raises:
        ValueError: the data is not JSON, or not JSON-RPC.
    """
    return frames_in(codec.loads(data, from_server=True), strict=strict)


def frames_in(found: Any, *, strict: bool) -> list[Frame]:
    """As `read`, for parsed JSON. Raises ValueError if it is not JSON-RPC."""
    if type(found) is dict and found.get("jsonrpc") == "2.0":  # the usual case
        return [found]
    frames = [each for each in (found if isinstance(found, list) else (found,)) if _is_frame(each, strict)]
    if not frames:
        raise ValueError("not JSON-RPC")
    return frames


def _is_frame(message: object, strict: bool) -> bool:
    if not isinstance(message, dict):
        return False
    version = message.get("jsonrpc")
    if version == "2.0" or (version is None and _is_bare_answer(message)):
        return True
    named = isinstance(message.get("method"), str) or "result" in message or isinstance(message.get("error"), dict)
    return named and version is None and not strict


def _is_bare_answer(message: dict[str, Any]) -> bool:
    return "id" in message and len(message) > 1 and message.keys() <= _ANSWER


def instead(data: bytes, error: SidecarError | None = None) -> UnreadableAnswer | None:
    """The error response for an answer that `read` rejects; None if `data` does not look like an answer.

    It looks like one if it begins as a JSON object with `jsonrpc`, without `method`, and with an `id`, `result` or
    `error` among its own members. The id is None if none is found, as when the bytes are truncated before it.
    """
    start = max(data.find(b'{"'), data.find(b"{") if b'{"' not in data else -1)
    members = _members(data[start : start + SCANNED]) if start >= 0 else {}
    if len(data) - start > SCANNED and "id" not in members and (match := _ID_AT_END.search(data[-TAIL:])):
        members["id"] = match[1]
    if "method" in members or members.keys().isdisjoint(_ANSWER):
        return None
    if "jsonrpc" not in members and not ("id" in members and len(members) > 1 and members.keys() <= _ANSWER):
        return None
    found = _value(members["id"]) if "id" in members else None
    if "id" in members and not isinstance(found, int | str):
        return None
    error = error or AnswerInvalid("The server's answer cannot be read: it is not one JSON-RPC message.")
    return UnreadableAnswer(found, error)


def _members(data: bytes) -> dict[str, bytes]:
    """The members of the JSON object at the beginning of `data`, which may be truncated; of values the first token."""
    members: dict[str, bytes] = {}
    depth, key, before = 0, b"", b""
    for match in _TOKEN.finditer(data):
        token = match[0]
        if depth == 1 and before == b":" and key:
            members[key.decode(errors="replace")], key = token, b""
        elif depth == 1 and token == b":" and before.startswith(b'"'):
            key = before[1:-1]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if not depth:
                break
        before = token
    return members


def _value(token: bytes) -> Any:
    try:
        return orjson.loads(token)
    except orjson.JSONDecodeError:
        return None


def left_open(data: bytes) -> int | None:
    """The number of unclosed objects and arrays in these bytes of JSON; None if they end within a string."""
    rest = _STRING.sub(lambda match: b"" if match[1] else b'"', data)
    if b'"' in rest:
        return None
    return rest.count(b"{") + rest.count(b"[") - rest.count(b"}") - rest.count(b"]")
