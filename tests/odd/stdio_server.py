"""An MCP server on stdio that is right but for one habit, for real clients behind a real hub.

    stdio_server.py HABIT

HABITS names them. Each server has the tool `fine`, which answers `fine`, and what its habit adds.
Standard library only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Json = dict[str, Any]
FINE: Json = {"name": "fine", "description": "Answers `fine`.", "inputSchema": {"type": "object", "properties": {}}}

ODD_TOOLS: dict[str, list[Json]] = {
    "schema-null": [
        {"name": "null", "inputSchema": None},
        {"name": "missing"},
        {"name": "text", "inputSchema": "none"},
        {"name": 5, "inputSchema": {"type": "object"}},
        {
            "name": "described",
            "description": None,
            "annotations": None,
            "_meta": None,
            "inputSchema": {"type": "object"},
        },
    ],
    "schema-odd": [
        {"name": "empty", "inputSchema": {}},
        {"name": "bare", "inputSchema": {"anyOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]}},
        {"name": "required", "inputSchema": {"type": "object", "properties": {}, "required": None}},
        {"name": "untyped", "inputSchema": {"type": "object"}, "outputSchema": {"properties": {"a": {}}}},
        {"name": "icons", "inputSchema": {"type": "object"}, "icons": "none"},
    ],
    "no-properties": [{"name": "plain", "inputSchema": {"type": "object"}}],
    "scalar-output": [
        {"name": "scalar", "inputSchema": {"type": "object", "properties": {}}, "outputSchema": {"type": "string"}}
    ],
}
HABITS = (
    *("list-error", "list-silent", *ODD_TOOLS),
    *("noise", "undeclared", "exits", "null-error", "not-utf8", "announces"),
)


def write(frame: Json, habit: str) -> None:
    """Write one message, in the way of the habit."""
    if habit == "null-error" and "result" in frame:
        frame = {**frame, "error": None}
    data = json.dumps(frame).encode()
    if habit == "not-utf8":
        data = data.replace(b'"text": "fine"', b'"text": "fine \xff"')
    if habit == "noise":
        sys.stdout.buffer.write(b"Listening on stdio {ready}\n[info] a request\n")
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def listed(method: str, habit: str) -> Json | None:
    """The result or error of a list method; none where the habit is not to answer."""
    if method == "tools/list":
        return {"result": {"tools": [FINE, *ODD_TOOLS.get(habit, [])]}}
    if habit == "list-error" and method in ("resources/list", "prompts/list", "resources/templates/list"):
        return {"error": {"code": -32603, "message": "the database is down"}}
    if habit == "list-silent" and method == "prompts/list":
        return None
    keys = {"prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates"}
    if method in keys and habit in ("list-error", "list-silent"):
        return {"result": {keys[method]: []}}
    return {"error": {"code": -32601, "message": "Method not found"}}


def called(name: Any) -> Json:
    """The result of a call."""
    result: Json = {"content": [{"type": "text", "text": "fine" if name == "fine" else str(name)}]}
    if name == "scalar":
        result["structuredContent"] = "scalar"
    return {"result": result}


def greeting(habit: str) -> Json:
    """The result of `initialize`."""
    capabilities: Json = {} if habit == "undeclared" else {"tools": {"listChanged": True}}
    if habit.startswith("list-"):
        capabilities |= {"resources": {}, "prompts": {}}
    return {
        "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": capabilities,
            "serverInfo": {"name": f"odd-{habit}", "version": "1"},
        }
    }


def main(habit: str) -> None:
    """Serve until stdin ends."""
    if habit not in HABITS:
        raise SystemExit(f"HABIT is one of {', '.join(HABITS)}")
    for line in sys.stdin:
        frame = json.loads(line)
        method = frame.get("method")
        if "id" not in frame or method is None:
            continue
        if method == "initialize":
            answer: Json | None = greeting(habit)
        elif method == "ping":
            answer = {"result": {}}
        elif method == "tools/call":
            answer = called(frame["params"].get("name"))
        else:
            answer = listed(method, habit)
        if answer is not None:
            write({"jsonrpc": "2.0", "id": frame["id"], **answer}, habit)
        if habit == "announces" and method == "tools/list":
            write({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, habit)
        if habit == "exits" and method == "tools/call":
            return


if __name__ == "__main__":
    main(sys.argv[1])
