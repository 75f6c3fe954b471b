"""What a server offers: tools, resources, templates and prompts, and how they look on the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from demo_servers.toolkit.wire import INVALID_PARAMS, Json, RpcError

if TYPE_CHECKING:
    from demo_servers.toolkit.session import Call

Handler = Callable[["Call"], Any]
Complete = Callable[[str, str, dict[str, str]], Iterable[str]]
"""(argument, what was typed so far, the other arguments) -> suggestions."""

EMPTY_SCHEMA: Json = {"type": "object", "properties": {}}
STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def schema(required: str = "", **properties: Any) -> Json:
    """An object schema; `required` names properties, separated by spaces."""
    found: Json = {"type": "object", "properties": properties}
    if required:
        found["required"] = required.split()
    return found


class Tool:
    """A tool; `slow` ones run in a thread of their own, and only they may sleep or ask the client."""

    def __init__(self, spec: Json, handler: Handler, *, slow: bool = False, needs: str = "") -> None:
        self.spec = spec
        self.handler = handler
        self.slow = slow
        self.needs = needs
        """The client capability without which the tool is not listed."""


class Resource:
    """A resource; `read` is given its URI and returns text or bytes."""

    def __init__(self, spec: Json, read: Callable[[str], str | bytes]) -> None:
        self.spec = spec
        self.read = read


class Template:
    """A family of resources: `uriTemplate` with simple `{variables}`; `read` is given them and the URI."""

    def __init__(
        self, spec: Json, read: Callable[[str, dict[str, str]], str | bytes], complete: Complete | None
    ) -> None:
        self.spec = spec
        self.read = read
        self.complete = complete
        parts = re.split(r"\{(\w+)\}", spec["uriTemplate"])
        self._pattern = re.compile(
            "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        )

    def match(self, uri: str) -> dict[str, str] | None:
        """The variables in `uri`, or none when it is of another family."""
        found = self._pattern.fullmatch(uri)
        return {key: unquote(value) for key, value in found.groupdict().items()} if found else None


class Prompt:
    """A prompt; `handler` returns text (one message of the user) or a list of messages."""

    def __init__(self, spec: Json, handler: Callable[[dict[str, str]], Any], complete: Complete | None) -> None:
        self.spec = spec
        self.handler = handler
        self.complete = complete

    def result(self, args: dict[str, str]) -> Json:
        """The answer to `prompts/get`."""
        for argument in self.spec.get("arguments", ()):
            if argument.get("required") and argument["name"] not in args:
                raise RpcError(INVALID_PARAMS, f"The prompt {self.spec['name']} needs the argument {argument['name']}")
        messages = self.handler(args)
        if isinstance(messages, str):
            messages = [{"role": "user", "content": text(messages)}]
        return {"description": self.spec.get("description", ""), "messages": messages}


def page(key: str, items: list[Json], cursor: Any, size: int) -> Json:
    """One page of a list; `size` 0 is all in one."""
    if not size:
        return {key: items}
    try:
        start = int(cursor.removeprefix("page@")) if cursor is not None else 0
    except (AttributeError, ValueError):
        start = -1
    if not 0 <= start <= len(items):
        raise RpcError(INVALID_PARAMS, "This cursor is not one of mine")
    result: Json = {key: items[start : start + size]}
    if start + size < len(items):
        result["nextCursor"] = f"page@{start + size}"
    return result


# --- arguments -------------------------------------------------------------------------------------------------------

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def problem(schema: Json, args: Json) -> str | None:
    """What is wrong with the arguments: a missing one, or one of another type. Nested values are not looked at."""
    for name in schema.get("required", ()):
        if name not in args:
            return f"The argument {name} is missing"
    for name, value in args.items():
        expected = schema.get("properties", {}).get(name, {}).get("type")
        if isinstance(expected, str) and expected in _TYPES and not _is(value, expected):
            return f"The argument {name} must be of type {expected}"
    return None


def _is(value: Any, expected: str) -> bool:
    return isinstance(value, _TYPES[expected]) and (expected == "boolean") == isinstance(value, bool)


# --- content ---------------------------------------------------------------------------------------------------------


def text(value: str) -> Json:
    """A text block."""
    return {"type": "text", "text": value}


def contents(uri: str, mime_type: str, value: str | bytes) -> Json:
    """The contents of a resource, as `resources/read` and embedded resources have them."""
    if isinstance(value, bytes):
        import base64  # noqa: PLC0415 - only binary contents need it; the servers are to start fast

        return {"uri": uri, "mimeType": mime_type, "blob": base64.b64encode(value).decode()}
    return {"uri": uri, "mimeType": mime_type, "text": value}


def tool_result(value: Any) -> Json:
    """A handler's return value as `tools/call` answers it: text, blocks, a whole result, or structured data."""
    if isinstance(value, str):
        return {"content": [text(value)]}
    if isinstance(value, list):
        return {"content": value}
    if isinstance(value, dict) and "content" in value:
        return value
    return {"content": [text(json.dumps(value, ensure_ascii=False))], "structuredContent": value}


def uri_part(value: str) -> str:
    """A value as it stands in a URI."""
    return quote(value, safe="")
