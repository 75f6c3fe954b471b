"""The mock's tools: each kind of content, each kind of trouble, and questions to the client."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from demo_servers.mock import questions as mock_questions
from demo_servers.mock.lists import NESTED_SCHEMA, PIXEL, SILENCE, Counter, base64_of
from demo_servers.toolkit.catalogue import INTEGER, NUMBER, STRING, contents, schema, text, uri_part
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import INTERNAL_ERROR, Json, RpcError, ToolError


def add(server: Server, *, shy: bool, anyway: bool) -> None:
    """Register all of them."""
    _add_plain(server)
    _add_contents(server)
    _add_trouble(server)
    _add_slow(server)
    _add_changes(server)
    mock_questions.add(server, shy=shy, anyway=anyway)
    _add_insight(server)


def _add_plain(server: Server) -> None:
    @server.tool("Give the text back", schema("text", text=STRING))
    def echo(call: Call) -> str:
        return str(call.args["text"])

    @server.tool(
        "Add two numbers",
        schema("a b", a={**NUMBER, "description": "first"}, b={**NUMBER, "description": "second", "default": 1}),
        output=schema("sum", sum=NUMBER),
        title="Addition",
        annotations={"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
        _meta={"example.com/kind": "arithmetic"},
    )
    def add(call: Call) -> Json:
        return {"sum": call.args["a"] + call.args["b"]}

    @server.tool("Give the arguments back as structured content; its schema has everything", NESTED_SCHEMA)
    def nested(call: Call) -> Json:
        return {"arguments": call.args}

    @server.tool("A text of so many bytes", schema("bytes", bytes={**INTEGER, "minimum": 0}))
    def big(call: Call) -> str:
        return "x" * int(call.args["bytes"])

    @server.tool("The value of an environment variable", schema("name", name=STRING))
    def env(call: Call) -> str:
        value = os.environ.get(call.args["name"])
        if value is None:
            raise ToolError(f"{call.args['name']} is not set")
        return value

    @server.tool("The process id")
    def pid(call: Call) -> str:
        return str(os.getpid())


def _add_contents(server: Server) -> None:
    @server.tool("An image")
    def image(call: Call) -> list[Json]:
        return [text("one pixel"), {"type": "image", "data": base64_of(PIXEL), "mimeType": "image/png"}]

    @server.tool("A sound")
    def audio(call: Call) -> list[Json]:
        return [{"type": "audio", "data": base64_of(SILENCE), "mimeType": "audio/wav"}]

    @server.tool("A resource, embedded", schema(blob={"type": "boolean", "default": False}))
    def embedded(call: Call) -> list[Json]:
        if call.args.get("blob"):
            return [{"type": "resource", "resource": contents("mock://pixel", "image/png", PIXEL)}]
        return [{"type": "resource", "resource": contents("mock://hello", "text/plain", "hello")}]

    @server.tool("A link to a resource", schema(uri=STRING))
    def resource_link(call: Call) -> list[Json]:
        uri = call.args.get("uri", "mock://hello")
        return [{"type": "resource_link", "uri": uri, "name": "hello", "mimeType": "text/plain"}]

    @server.tool("Content, structured content, and _meta at once", output=schema("items", items={"type": "array"}))
    def structured(call: Call) -> Json:
        block = {**text("two items"), "annotations": {"audience": ["user"], "priority": 0.5}}
        return {"content": [block], "structuredContent": {"items": [1, {"b": None}]}, "_meta": {"example.com/x": 1}}


def _add_trouble(server: Server) -> None:
    @server.tool("Answer with a JSON-RPC error", schema(code=INTEGER, message=STRING))
    def fail(call: Call) -> Json:
        code = call.args.get("code", INTERNAL_ERROR)
        raise RpcError(code, call.args.get("message", "failed as asked for"), {"tool": "fail"})

    @server.tool("Answer with isError", schema(message=STRING))
    def tool_error(call: Call) -> Json:
        raise ToolError(call.args.get("message", "failed as asked for"))

    @server.tool("Exit without an answer", schema(code={**INTEGER, "default": 1}))
    def crash(call: Call) -> Json:
        print("mock: crashing as asked for", file=sys.stderr, flush=True)
        os._exit(call.args.get("code", 1))

    @server.tool("Write lines that are not JSON to stdout, then answer", schema(lines={**INTEGER, "default": 3}))
    def garbage(call: Call) -> str:
        for number in range(call.args.get("lines", 3)):
            call.session.pipe.send_raw(f"debug print {number}: {{'not': json}}")
        return "done"

    @server.tool("Write to stderr, then answer", schema("text", text=STRING, times={**INTEGER, "default": 1}))
    def stderr(call: Call) -> str:
        for _ in range(call.args.get("times", 1)):
            print(call.args["text"], file=sys.stderr)
        sys.stderr.flush()
        return "done"


def _add_slow(server: Server) -> None:
    @server.tool("Answer after so many seconds; can be cancelled", schema("seconds", seconds=NUMBER), slow=True)
    def slow(call: Call) -> str:
        call.sleep(float(call.args["seconds"]))
        return f"slept {call.args['seconds']} s"

    @server.tool("Never answer, cancelled or not", slow=True)
    def never(call: Call) -> str:
        threading.Event().wait()
        return ""

    @server.tool("So many log messages and progress reports", schema(count=INTEGER, delay=NUMBER), slow=True)
    def chatty(call: Call) -> str:
        count = call.args.get("count", 3)
        for number in range(1, count + 1):
            call.log("info", {"number": number}, "chatty")
            call.progress(number, count, f"{number} of {count}")
            call.sleep(call.args.get("delay", 0))
        return f"said {count} things"


def _add_changes(server: Server) -> None:
    def extra(call: Call) -> str:
        return "extra"

    def toggle(kind: str, known: dict[str, Any], key: str, register: Any) -> str:
        if known.pop(key, None) is None:
            register(key)
        server.changed(kind)
        return f"{'added' if key in known else 'removed'} {key}"

    @server.tool("Add a tool, or remove it when it is there, and tell the client", schema(name=STRING))
    def change_tools(call: Call) -> str:
        name = call.args.get("name", "extra")
        return toggle("tools", server.tools, name, lambda name: server.tool("An extra tool", name=name)(extra))

    @server.tool("Add a resource, or remove it, and tell the client", schema(name=STRING))
    def change_resources(call: Call) -> str:
        uri = f"mock://{uri_part(call.args.get('name', 'extra'))}"
        return toggle(
            "resources", server.resources, uri, lambda uri: server.resource(uri, "extra", lambda uri: "extra")
        )

    @server.tool("Add a prompt, or remove it, and tell the client", schema(name=STRING))
    def change_prompts(call: Call) -> str:
        name = call.args.get("name", "extra")
        return toggle("prompts", server.prompts, name, lambda name: server.prompt(name, "Extra", lambda args: "extra"))

    @server.tool("Add so many tools, one after the other, and tell of each", schema("count", count=INTEGER))
    def burst(call: Call) -> str:
        for _ in range(int(call.args["count"])):
            server.tool("An extra tool", name=f"extra_{len(server.tools)}")(extra)
            server.changed("tools")
        return "told"

    @server.tool("Change mock://counter (or say that another changed) and tell subscribers", schema(uri=STRING))
    def update_resource(call: Call) -> str:
        uri = call.args.get("uri", Counter.uri)
        if uri == Counter.uri:
            Counter.value += 1
        server.updated(uri)
        return f"updated {uri}"


def _add_insight(server: Server) -> None:
    @server.tool("How this process was started")
    def process(call: Call) -> Json:
        where = {"pid": os.getpid(), "ppid": os.getppid(), "sid": os.getsid(0)}
        return {**where, "cwd": os.getcwd(), "argv": sys.argv, "env_names": sorted(os.environ)}  # noqa: PTH109

    @server.tool("What the server knows of its connection")
    def connection(call: Call) -> Json:
        session = call.session
        return {
            "era": session.era,
            "version": session.version,
            "client": session.client,
            "capabilities": call.capabilities,
            "log_level": session.log_level,
            "subscriptions": sorted(session.subscriptions),
            "listeners": list(session.listeners.values()),
            "in_flight": sum(other is not call and not other.cancelled.is_set() for other in [*session.calls.values()]),
            "cancelled": session.cancelled,
            "requests": dict(session.requests),
            "meta": call.meta,
        }
