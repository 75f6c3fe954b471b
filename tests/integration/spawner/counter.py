"""A stdio server with a state in memory: `counter.py TOKEN`. It fails on a line that is no JSON.

`count`: answers its argument and how often it was called; with `until`, not before that file exists, and says that it
waits by creating the file `<until>.waits`. `hold`: never answers. `state`: all that it knows.
"""

import json
import os
import sys
import time
from pathlib import Path

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("count", "hold", "state")]
known = {"pid": os.getpid(), "count": 0, "initialized": 0, "cancelled": 0, "held": 0}


def say(request, result):
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


def wait(path):
    if path:
        Path(f"{path}.waits").touch()
    while path and not Path(path).exists():
        time.sleep(0.005)


def call(message):
    name, arguments = message["params"]["name"], message["params"].get("arguments", {})
    if name == "hold":
        known["held"] += 1
        return
    if name == "count":
        known["count"] += 1
        wait(arguments.get("until"))
    told = f"{arguments.get('n')} {known['count']}" if name == "count" else json.dumps(known)
    say(message, {"content": [{"type": "text", "text": told + " " * arguments.get("pad", 0)}]})


for line in sys.stdin:
    message = json.loads(line)
    method = message["method"]
    if method == "initialize":
        known["initialized"] += 1
        version = message["params"]["protocolVersion"]
        info = {"name": "counter", "version": "1"}
        say(message, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/list":
        say(message, {"tools": TOOLS})
    elif method == "tools/call":
        call(message)
    elif method == "notifications/cancelled":
        known["cancelled"] += 1
    elif "id" in message:
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
