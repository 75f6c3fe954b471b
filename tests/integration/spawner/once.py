"""A server that ends after each answer to a call, as `once.py FILE [HABIT]`; it notes each call that it carries out.

`slow`: it ends a while after the answer. `before`: it ends without one. `leak`: it takes memory instead of answering.
"""

import json
import os
import sys
import time

FILE, HABITS = sys.argv[1], sys.argv[2:]
TOOL = {"inputSchema": {"type": "object"}}
TOOLS = [{"name": "t", **TOOL}, {"name": "reads", **TOOL, "annotations": {"readOnlyHint": True}}]


def say(request, result):
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


for line in iter(sys.stdin.buffer.raw.readline, b""):
    message = json.loads(line)
    method = message["method"]
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        say(
            message,
            {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "o", "version": "1"}},
        )
    elif method == "tools/list":
        say(message, {"tools": TOOLS})
    elif method == "tools/call":
        with open(FILE, "a") as notes:  # noqa: PTH123
            notes.write(message["params"]["arguments"]["n"] + "\n")
        if "before" in HABITS:
            os._exit(3)
        while "leak" in HABITS:
            FILE += "x" * (1 << 20)
        say(message, {"content": [{"type": "text", "text": message["params"]["arguments"]["n"]}]})
        if "slow" in HABITS:
            time.sleep(0.05)
        os._exit(0)
