"""Validation of servers' responses (MCP, schemas 2025-11-25 and 2026-07-28). Pure.

A response that clients would reject must not count as a success. Checked are the members that the models of the SDKs
(Python mcp 2.3, TypeScript 1.x) require of a result; the items of its lists are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.errors import INTERNAL_ERROR, AnswerInvalid
from sidecar.protocol.channel import Frame, UnreadableAnswer

HANDSHAKE = frozenset({"initialize", "server/discover"})
"""Methods whose results are checked elsewhere (greetings.py)."""
REQUIRED: Mapping[str, tuple[str, type]] = {
    "tools/call": ("content", list),
    "tasks/result": ("content", list),
    "prompts/get": ("messages", list),
    "resources/read": ("contents", list),
    "completion/complete": ("completion", dict),
}
"""The member that a method's result must have, with its type."""
OPTIONAL: Mapping[str, type] = {"_meta": dict, "isError": bool}
"""Optional members of every result, with the type that clients require; null counts as absent."""
DEFAULTED = frozenset({"tools/call", "tasks/result"})
"""Methods whose results get an empty `content` where it is missing, as in the TypeScript SDK, but only if they say
something else: with neither `content` nor `structuredContent`, it is unknown whether the call succeeded."""
NO_MESSAGE = "The server gave no message."
MAX_SHOWN = 200
"""Characters of a malformed error that are repeated in the message."""
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that JavaScript clients represent exactly."""

_ANY: tuple[str, type] = ("", object)
_NONE: dict[str, Any] = {}
_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def checked(method: str, frame: Frame) -> Frame:
    """Validate the response to a request of `method`; returns it, repaired where that is certain.

    A result is an object; an error has an integer code and a string message. Optional members that are null are
    removed, and a missing `content` of a tool's result becomes an empty list if it has `structuredContent` or reports
    an error.

    Raises:
        AnswerInvalid: the response has neither or both of result and error, or a result that clients would reject.
        SidecarError: the response could not be parsed (`UnreadableAnswer`); this is the reason.
    """
    result = frame.get("result")
    if type(result) is dict and "error" not in frame:
        field, kind = REQUIRED.get(method, _ANY)
        if (
            isinstance(result.get(field), kind)
            and type(result.get("_meta", _NONE)) is dict
            and type(result.get("isError", False)) is bool
        ):
            return frame
    return _examined(method, frame, result)


def _examined(method: str, frame: Frame, result: Any) -> Frame:
    """The slow path of `checked`, for responses that are not plainly valid."""
    if isinstance(frame, UnreadableAnswer):
        raise frame.reason
    if (error := frame.get("error")) is not None:
        if result is not None and method not in HANDSHAKE:
            raise AnswerInvalid(f"The answer to {method} has both a result and an error.")
        return {"jsonrpc": "2.0", "id": frame.get("id"), "error": repaired(error)}
    if "result" not in frame and method not in HANDSHAKE:
        raise AnswerInvalid(f"The answer to {method} has neither a result nor an error.")
    if method not in HANDSHAKE:
        result = _result(method, result)
    return {"jsonrpc": "2.0", "id": frame.get("id"), "result": result}


def _result(method: str, result: Any) -> dict[str, Any]:
    """Validate and repair a result. Raises AnswerInvalid."""
    if not isinstance(result, dict):
        raise AnswerInvalid(f"The result of {method} is {_named(result)}, not an object.")
    field, kind = REQUIRED.get(method, _ANY)
    kept = {key: value for key, value in result.items() if value is not None or key not in (field, *OPTIONAL)}
    if method in DEFAULTED and field not in kept and _final(kept) and _says_something(kept):
        kept[field] = []
    for name, wanted in OPTIONAL.items():
        if not isinstance(kept.get(name, wanted()), wanted):
            raise _wrong(method, name, kept[name], wanted)
    if field and _final(kept) and not isinstance(kept.get(field), kind):
        raise _wrong(method, field, kept.get(field), kind)
    return kept


def _final(result: dict[str, Any]) -> bool:
    """Whether this is the method's own result, rather than an input request or a task (SEP-2663, SEP-1686)."""
    return result.get("resultType", "complete") == "complete" and not isinstance(result.get("task"), dict)


def _says_something(result: dict[str, Any]) -> bool:
    """Whether a result without `content` tells what came of the call."""
    return result.get("structuredContent") is not None or result.get("isError") is True


def _wrong(method: str, field: str, value: Any, wanted: type) -> AnswerInvalid:
    found = "missing" if value is None else _named(value)
    return AnswerInvalid(f"`{field}` of the result of {method} is {found}, not {_NAMES[wanted]}.")


def _named(value: Any) -> str:
    return _NAMES.get(type(value), "a number")


def repaired(error: Any) -> dict[str, Any]:
    """Repair an error so that it has an integer `code` and a string `message` (JSON-RPC 2.0, 5.1)."""
    if not isinstance(error, dict):
        return {
            "code": INTERNAL_ERROR,
            "message": f"The server answered with a malformed error: {_shown(error)}",
        }
    code, message = error.get("code"), error.get("message")
    if type(code) is int and isinstance(message, str) and abs(code) <= MAX_SAFE_INTEGER:
        return error
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    usable = type(code) is int and abs(code) <= MAX_SAFE_INTEGER
    return {
        **error,
        "code": code if usable else INTERNAL_ERROR,
        "message": message if isinstance(message, str) else NO_MESSAGE,
    }


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
