"""The mock's lists: schemas, generated tools, odd names, resources and prompts."""

from __future__ import annotations

import base64
from typing import Any

from demo_servers.toolkit.catalogue import contents, text
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import Json

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SILENCE = (
    b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00"
    b"data\x08\x00\x00\x00" + b"\x80" * 8
)

NESTED_SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["filter"],
    "properties": {
        "filter": {"$ref": "#/$defs/filter"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "sort": {"type": "array", "items": {"$ref": "#/$defs/sort"}, "default": [{"by": "name"}], "uniqueItems": True},
        "when": {"oneOf": [{"type": "string", "format": "date"}, {"type": "integer"}, {"type": "null"}]},
        "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "items": False},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[a-zé]+$"}},
        "mode": {"enum": ["fast", "exact", 3, None], "default": "fast"},
    },
    "$defs": {
        "sort": {
            "type": "object",
            "properties": {"by": {"type": "string"}, "descending": {"type": "boolean", "default": False}},
            "required": ["by"],
        },
        "filter": {
            "description": "A condition, or several joined",
            "anyOf": [
                {"type": "object", "properties": {"field": {"type": "string"}, "equals": {}}, "required": ["field"]},
                {"type": "object", "properties": {"all": {"type": "array", "items": {"$ref": "#/$defs/filter"}}}},
            ],
        },
    },
}

_VARIED: tuple[Json, ...] = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"text": {"type": "string", "default": "hello"}}},
    {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "number"}}}, "required": ["items"]},
    {"type": "object", "properties": {"value": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}},
    NESTED_SCHEMA,
)

ODD_NAMES = (
    "with-dash",
    "with_dash",
    "with.dot",
    "with/slash",
    "with space",
    "UPPER",
    "größe_名前",
    "_leading",
    "9digits",
    "long_" + "x" * 75,
    "long_" + "x" * 74 + "y",
)


class Counter:
    """The resource that changes."""

    uri = "mock://counter"
    value = 0


def base64_of(data: bytes) -> str:
    """Data as content blocks have it."""
    return base64.b64encode(data).decode()


def add_generated(server: Server, count: int) -> None:
    """Tools tool_0001 … that give their name and arguments back."""
    for number in range(1, count + 1):
        _add_named(server, f"tool_{number:04}", _VARIED[number % len(_VARIED)])


def add_odd_names(server: Server) -> None:
    """Tools whose names need care."""
    for name in ODD_NAMES:
        _add_named(server, name, _VARIED[1])


def _add_named(server: Server, name: str, schema: Json) -> None:
    def handler(call: Call) -> Json:
        return {"tool": name, "arguments": call.args}

    server.tool(f"Gives back its name, {name}, and its arguments", schema, name=name)(handler)


def add_prefix(server: Server, prefix: str) -> None:
    """Put the prefix before every tool and prompt name."""
    for items in (server.tools, server.prompts):
        known: dict[str, Any] = dict(items)
        items.clear()
        for name, item in known.items():
            item.spec["name"] = prefix + name
            items[prefix + name] = item


def add_resources(server: Server) -> None:
    """Text, binary, one that changes, and a template with completions."""
    server.resource("mock://hello", "hello", lambda uri: "hello", title="A greeting", size=5)
    server.resource("mock://pixel", "pixel", lambda uri: PIXEL, "image/png", description="One pixel")
    server.resource(Counter.uri, "counter", lambda uri: str(Counter.value), annotations={"priority": 1.0})
    server.template("mock://item/{id}", "item", _item, complete=_complete_id, description="Items 1 to 200")


def _item(uri: str, values: dict[str, str]) -> str:
    number = values["id"]
    if not (number.isdecimal() and 1 <= int(number) <= 200):
        raise LookupError(uri)
    return f"item {number}"


def _complete_id(argument: str, typed: str, others: dict[str, str]) -> list[str]:
    return [str(number) for number in range(1, 201) if str(number).startswith(typed)]


def add_prompts(server: Server) -> None:
    """Without and with arguments, with completions, and with other content than text."""
    server.prompt("plain", "A prompt without arguments", lambda args: "Say hello.")
    server.prompt(
        "greet",
        "A greeting",
        lambda args: f"Greet {args['name']} in a {args.get('tone', 'friendly')} tone.",
        [
            {"name": "name", "description": "Who", "required": True},
            {"name": "tone", "description": "How", "required": False},
        ],
        _complete_greet,
        title="Greeting",
    )
    server.prompt("pictures", "An image, a resource, a link and an answer", lambda args: _pictures())


def _complete_greet(argument: str, typed: str, others: dict[str, str]) -> list[str]:
    known = {"name": ["Ada", "Alan", "Barbara"], "tone": ["friendly", "formal"]}.get(argument, [])
    if others.get("name") == "Ada":
        known = ["formal"]
    return [value for value in known if value.lower().startswith(typed.lower())]


def _pictures() -> list[Json]:
    return [
        {"role": "user", "content": {"type": "image", "data": base64_of(PIXEL), "mimeType": "image/png"}},
        {"role": "user", "content": {"type": "resource", "resource": contents("mock://hello", "text/plain", "hello")}},
        {"role": "user", "content": {"type": "resource_link", "uri": Counter.uri, "name": "counter"}},
        {"role": "assistant", "content": text("A pixel, a greeting and a counter.")},
    ]
