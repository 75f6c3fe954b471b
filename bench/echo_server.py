"""A stdio MCP server that only echoes, so that what is measured before it is what stands before it.

python -m bench.echo_server [--tools N]    the tools `echo` and `blob`, and N more that nobody calls

A plain loop over lines: read what there is, answer each line, write once. Standard library and orjson only.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson


def _tool(name: str, description: str, argument: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {argument: {"type": kind}}, "required": [argument]}
    return {"name": name, "description": description, "inputSchema": schema}


TOOLS = [
    _tool("echo", "Return the text.", "text", "string"),
    _tool("blob", "Return a text of that many characters.", "size", "integer"),
]
PIECE = 1 << 16


def result_of(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None for a method that this server does not have."""
    if method == "tools/call":
        arguments = params["arguments"]
        text = arguments["text"] if params["name"] == "echo" else "x" * arguments["size"]
        return {"content": [{"type": "text", "text": text}]}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        }
    return {} if method == "ping" else None


def answer(line: bytes) -> bytes:
    """The line that answers a line; empty for what needs no answer."""
    frame = orjson.loads(line)
    if "id" not in frame or "method" not in frame:
        return b""
    result = result_of(frame["method"], frame.get("params") or {})
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": frame["id"]}
    if result is None:
        reply["error"] = {"code": -32601, "message": "Method not found"}
    else:
        reply["result"] = result
    return orjson.dumps(reply) + b"\n"


def main() -> None:
    """Answer until the end of input."""
    if "--tools" in sys.argv:
        count = int(sys.argv[sys.argv.index("--tools") + 1])
        TOOLS.extend(
            _tool(f"tool_{n}", f"Does the thing number {n} to a text.", "text", "string") for n in range(count)
        )
    rest = b""
    while piece := os.read(0, PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        if answers := b"".join(answer(line) for line in lines if line):
            sys.stdout.buffer.write(answers)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
