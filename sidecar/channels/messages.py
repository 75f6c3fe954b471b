"""From bytes of a server to JSON-RPC frames, and to an error in the place of an answer that cannot be read. Pure.

A request whose answer was unreadable must not wait until its time is up. So bytes that are no message, but look like an
answer to a request, become an error response to it: `Unread`, as if the server had answered with that.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sidecar.errors import AnswerInvalid, SidecarError
from sidecar.protocol import codec
from sidecar.protocol.channel import Frame, Unread

SCANNED = 64 * 1024
"""Bytes at the beginning that are looked through for an id; and `TAIL` at the end, where JavaScript writes it."""
TAIL = 1024
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?+)', re.DOTALL)
_ID_AT_END = re.compile(rb',\s*"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,64}")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_ANSWER = {"id", "result", "error"}


def read(data: bytes, *, strict: bool = True) -> list[Frame]:
    """The frames in a message: one, or those of a batch (revision 2025-03-26).

    `strict` is for streams where servers print other things too: there a message has `jsonrpc`, unless it is a response
    with nothing else in it (JSON-RPC 1.0 has no `jsonrpc`).

    Raises:
        ValueError: it is not JSON, or no JSON-RPC.
    """
    return frames_in(codec.loads(data, from_server=True), strict=strict)


def frames_in(found: Any, *, strict: bool) -> list[Frame]:
    """The same for a message whose JSON was read. Raises ValueError: it is no JSON-RPC."""
    if type(found) is dict and found.get("jsonrpc") == "2.0":  # as nearly all are
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


def instead(data: bytes, error: SidecarError | None = None) -> Unread | None:
    """The error response in the place of an answer that `read` refuses; None where `data` does not look like one.

    It looks like one if it begins as a JSON object that has `jsonrpc`, no `method`, and an `id`, a `result` or an
    `error` among its own members. The id is None where it has none, as when the bytes are cut before it.
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
    return Unread(found, error)


def _members(data: bytes) -> dict[str, bytes]:
    """The members of the object that `data` begins with, however it goes on; of a value the first token is enough."""
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
    """How many objects and arrays begin in these bytes of JSON and do not end; None where they end within a string."""
    rest = _STRING.sub(lambda match: b"" if match[1] else b'"', data)
    if b'"' in rest:
        return None
    return rest.count(b"{") + rest.count(b"[") - rest.count(b"}") - rest.count(b"]")
