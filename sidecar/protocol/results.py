"""What a server's answer must be so that clients can read it (MCP, schemas 2025-11-25 and 2026-07-28). Pure.

An answer that clients refuse does not pass as a success. What is checked is what the models of the SDKs (Python mcp
2.3, TypeScript 1.x) require of the answer as a whole. The items of its lists are for the client to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.errors import INTERNAL_ERROR, AnswerInvalid
from sidecar.protocol.channel import Frame, Unread

HANDSHAKE = frozenset({"initialize", "server/discover"})
"""Their results are judged by the handshake itself, which knows what each era answers."""
NEEDED: Mapping[str, tuple[str, type]] = {
    "tools/call": ("content", list),
    "tasks/result": ("content", list),
    "prompts/get": ("messages", list),
    "resources/read": ("contents", list),
    "completion/complete": ("completion", dict),
}
"""The member that a method's result must have, and its type."""
OPTIONAL: Mapping[str, type] = {"_meta": dict, "isError": bool}
"""Members of any result that clients refuse with another type; `null` is taken for absent."""
DEFAULTED = frozenset({"tools/call", "tasks/result"})
"""Methods whose results get an empty list where they have no `content`, as the TypeScript SDK reads them."""
NO_MESSAGE = "The server gave no message."
LONGEST_SHOWN = 200
LARGEST_CODE = 2**53 - 1
"""The largest integer that JavaScript clients take."""

_ANY: tuple[str, type] = ("", object)
_NONE: dict[str, Any] = {}
_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def checked(method: str, frame: Frame) -> Frame:
    """The response to a request: with an object as `result`, or with an `error` that has a code and a message.

    Nulls of optional members are dropped, a missing `content` of a call is an empty list.

    Raises:
        AnswerInvalid: it is neither, both, or a result that no client takes for one of this method.
        SidecarError: it could not be read (`Unread`), and why.
    """
    result = frame.get("result")
    if type(result) is dict and "error" not in frame:
        field, kind = NEEDED.get(method, _ANY)
        if (
            isinstance(result.get(field), kind)
            and type(result.get("_meta", _NONE)) is dict
            and type(result.get("isError", False)) is bool
        ):
            return frame
    return _examined(method, frame, result)


def _examined(method: str, frame: Frame, result: Any) -> Frame:
    """The same for an answer that is not as nearly all are."""
    if isinstance(frame, Unread):
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
    """A result that clients can read. Raises AnswerInvalid."""
    if not isinstance(result, dict):
        raise AnswerInvalid(f"The result of {method} is {_named(result)}, not an object.")
    field, kind = NEEDED.get(method, _ANY)
    kept = {key: value for key, value in result.items() if value is not None or key not in (field, *OPTIONAL)}
    if method in DEFAULTED and field not in kept and _final(kept):
        kept[field] = []
    for name, wanted in OPTIONAL.items():
        if not isinstance(kept.get(name, wanted()), wanted):
            raise _wrong(method, name, kept[name], wanted)
    if field and _final(kept) and not isinstance(kept.get(field), kind):
        raise _wrong(method, field, kept.get(field), kind)
    return kept


def _final(result: dict[str, Any]) -> bool:
    """Whether this is the method's own result, and not a question to the client or a task (SEP-2663, SEP-1686)."""
    return result.get("resultType", "complete") == "complete" and not isinstance(result.get("task"), dict)


def _wrong(method: str, field: str, value: Any, wanted: type) -> AnswerInvalid:
    found = "missing" if value is None else _named(value)
    return AnswerInvalid(f"`{field}` of the result of {method} is {found}, not {_NAMES[wanted]}.")


def _named(value: Any) -> str:
    return _NAMES.get(type(value), "a number")


def repaired(error: Any) -> dict[str, Any]:
    """An error that clients can read: with an integer as `code` and a string as `message` (JSON-RPC 2.0, 5.1)."""
    if not isinstance(error, dict):
        return {
            "code": INTERNAL_ERROR,
            "message": f"The server answered with an error of no known form: {_shown(error)}",
        }
    code, message = error.get("code"), error.get("message")
    if type(code) is int and isinstance(message, str) and abs(code) <= LARGEST_CODE:
        return error
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    usable = type(code) is int and abs(code) <= LARGEST_CODE
    return {
        **error,
        "code": code if usable else INTERNAL_ERROR,
        "message": message if isinstance(message, str) else NO_MESSAGE,
    }


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
