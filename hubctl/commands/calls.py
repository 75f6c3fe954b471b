"""`hubctl call`: call a tool of a workspace as a client does."""

from __future__ import annotations

import json
import sys
from typing import Any

from bridge.models import Call, ListTools, ReadStatus
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import find_status
from hubctl.render import clean


async def call(context: Context, workspace: str, tool: str, words: list[str], timeout: float) -> int:
    """Run `hubctl call`; return 1 if the tool's result says that it failed."""
    async with context.actual() as hub:
        found = find_status(await hub.request(ReadStatus()), workspace)
        schema: dict[str, Any] = {}
        if words and not _is_json(words[0]):
            listed = await hub.request(ListTools(workspace=found.name), timeout=30)
            schema = next((entry.get("inputSchema", {}) for entry in listed.tools if entry["name"] == tool), {})
        body = Call(workspace=found.name, tool=tool, arguments=parse_arguments(words, schema), timeout=timeout)
        answer = await hub.request(body, timeout=timeout + 5)
    if context.json:
        context.emit(answer.result)
    else:
        context.say(*result_lines(answer.result))
    return 1 if answer.result.get("isError") else 0


def parse_arguments(words: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    """Parse the arguments of a tool: one JSON object, `-` for a JSON object on stdin, or `key=value` words.

    A value that is valid JSON is used as JSON, unless the tool's schema expects a string there.

    Raises:
        ArgumentsInvalid: the words are none of these.
    """
    if len(words) == 1 and _is_json(words[0]):
        return _json_object(sys.stdin.read() if words[0] == "-" else words[0])
    properties = schema.get("properties", {})
    arguments = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ArgumentsInvalid(f"{word!r} is neither key=value nor a JSON object.")
        kind = properties.get(key, {}).get("type")
        arguments[key] = text if kind == "string" else _value(text)
    return arguments


def _is_json(word: str) -> bool:
    return word == "-" or word.startswith("{")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentsInvalid(f"The arguments are not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ArgumentsInvalid("The arguments are JSON, but not an object.")
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def result_lines(result: dict[str, Any]) -> list[str]:
    """Format a tool's result for people: text content as it is, all other content as JSON."""
    lines = []
    for item in result.get("content", []):
        if item.get("type") == "text":
            lines += [clean(line) for line in str(item.get("text", "")).split("\n")]
        else:
            lines.append(json.dumps(_short(item), ensure_ascii=False))
    if not lines and "structuredContent" in result:
        lines += json.dumps(result["structuredContent"], ensure_ascii=False, indent=2).split("\n")
    return lines


def _short(item: dict[str, Any]) -> dict[str, Any]:
    data = item.get("data")
    return {**item, "data": f"({len(data)} characters of base64)"} if isinstance(data, str) else item
