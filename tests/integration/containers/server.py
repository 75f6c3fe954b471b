"""The server in the tests' image: one tool, which evaluates an expression of Python where it runs. No dependencies."""

import json
import os  # noqa: F401 - for expressions
import socket  # noqa: F401
import sys
from typing import Any

TOOL = {"name": "eval", "inputSchema": {"type": "object", "properties": {"code": {"type": "string"}}}}


def answer(method: str, params: dict[str, Any]) -> Any:
    """The result of a request."""
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "in-a-container", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        try:
            text = repr(eval(params["arguments"]["code"]))
        except Exception as error:  # whatever it is, it is the answer
            text = f"{type(error).__name__}: {error}"
        return {"content": [{"type": "text", "text": text}]}
    return {}


if __name__ == "__main__":
    print("hello from inside", file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            result = answer(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
