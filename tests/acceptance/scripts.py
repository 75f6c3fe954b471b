"""What is asked of each server, directly and through the hub: every tool with an answer that is the same each time."""

from __future__ import annotations

import base64
import re
from typing import Any

from demo_servers.mock.lists import ODD_NAMES

Json = dict[str, Any]
Step = tuple[str, Json]
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
CLOCK = re.compile(r"\d{1,2}:\d{2}:\d{2} [AP]M")


def call(name: str, token: str | int | None = None, /, **arguments: Any) -> Step:
    """A tool call; with a token it asks for progress."""
    params: Json = {"name": name, "arguments": arguments}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return "tools/call", params


def prompt(name: str, /, **arguments: str) -> Step:
    """A prompt."""
    return "prompts/get", {"name": name, "arguments": arguments}


def read(uri: str) -> Step:
    """A resource."""
    return "resources/read", {"uri": uri}


def complete(kind: str, ref: str, argument: str, value: str, /, **context: str) -> Step:
    """A completion for an argument of a `prompt` or of a `resource` template."""
    key = "name" if kind == "prompt" else "uri"
    params: Json = {"ref": {"type": f"ref/{kind}", key: ref}, "argument": {"name": argument, "value": value}}
    if context:
        params["context"] = {"arguments": context}
    return "completion/complete", params


RICH: Json = {
    "filter": {"all": [{"field": "größe", "equals": None}, {"field": "x", "equals": [1, 1.0, 1e300, -0.0]}]},
    "limit": 9007199254740993,
    "labels": {"é": '\u2028 \u0000 \\ " 😀'},
    "tuple": ["a", 0.1],
    "mode": None,
    "when": "",
}

MOCK: list[Step] = [
    call("echo", text="hello"),
    call("echo", text="\u2028\u2029 größe 😀 \r\n\r\ndata: x\n\nevent: y"),
    call("echo"),
    call("echo", text=1),
    call("add", a=1, b=2),
    call("add", a=0.1, b=1e300),
    call("add", a=1.0, b=0),
    call("nested", **RICH),
    call("nested"),
    call("big", bytes=300_000),
    call("env", name="THERE_IS_NO_SUCH_VARIABLE"),
    call("image"),
    call("audio"),
    call("embedded"),
    call("embedded", blob=True),
    call("resource_link"),
    call("resource_link", uri="https://example.com/a b"),
    call("structured"),
    call("fail"),
    call("fail", code=-32000, message="größe"),
    call("fail", code=12345),
    call("fail", code=-32602),
    call("tool_error", message="no"),
    call("garbage"),
    call("stderr", text="to stderr"),
    call("slow", seconds=0.01),
    call("slow", 7, seconds=0.01),
    call("chatty", "token", count=3),
    call("chatty", 0, count=2),
    call("chatty", count=2),
    call("update_resource", uri="mock://hello"),
    call("sampling"),
    call("elicit"),
    call("roots"),
    call("elicit_url"),
    call("elicit_often"),
    call("ask_all"),
    call("nope"),
    ("tools/call", {}),
    ("tools/call", {"name": "structured"}),
    ("tools/call", {"name": "connection", "_meta": {"example.com/trace": {"id": 1}, "traceparent": "00-1-2-01"}}),
    *(call(name, text=name) for name in ODD_NAMES),
    *(call(f"tool_000{number}", items=[number], filter={}, value="x") for number in range(1, 6)),
    read("mock://hello"),
    read("mock://pixel"),
    read("mock://counter"),
    read("mock://item/7"),
    read("mock://item/0"),
    read("nope://x"),
    ("resources/read", {}),
    prompt("plain"),
    prompt("greet", name="Ada"),
    prompt("greet", name="Ada", tone="größe"),
    prompt("greet"),
    prompt("pictures"),
    prompt("nope"),
    complete("prompt", "greet", "name", "A"),
    complete("prompt", "greet", "tone", "f", name="Ada"),
    complete("prompt", "plain", "x", ""),
    complete("prompt", "nope", "x", ""),
    complete("resource", "mock://item/{id}", "id", "1"),
    complete("resource", "mock://nope/{id}", "id", "1"),
    ("tools/list", {"cursor": "nope"}),
    ("nope/nope", {}),
]
MOCK_LEGACY: list[Step] = [
    ("ping", {}),
    ("logging/setLevel", {"level": "warning"}),
    call("chatty", "quiet", count=2),
    ("resources/subscribe", {"uri": "mock://hello"}),
    call("update_resource", uri="mock://hello"),
    ("resources/unsubscribe", {"uri": "mock://hello"}),
    call("update_resource", uri="mock://hello"),
]
MOCK_OTHERS = {
    "pid": "differs by process",
    "process": "differs by process",
    "crash": "ends the server",
    "never": "has no answer",
    "change_tools": "test_list_changes",
    "change_resources": "test_list_changes",
    "change_prompts": "test_list_changes",
    "sign_in": "test_eras.py",
    "burst": "test_proxy_losses",
}

GZIP = "data:text/plain;base64,aGVsbG8="
EVERYTHING: list[Step] = [
    call("echo", message="hello 😀"),
    call("echo"),
    *(
        call("get-annotated-message", messageType=kind, includeImage=image)
        for kind in ("error", "success", "debug")
        for image in (True, False)
    ),
    call("get-resource-links", count=4),
    call("get-resource-links", count=99),
    call("get-resource-reference", resourceType="Text", resourceId=1),
    call("get-resource-reference", resourceType="Blob", resourceId=2),
    call("get-resource-reference", resourceType="Text", resourceId=-1),
    call("get-structured-content", location="Chicago"),
    call("get-structured-content", location="Nowhere"),
    call("get-sum", a=1, b=2.5),
    call("get-sum", a=1),
    call("get-tiny-image"),
    call("gzip-file-as-resource", name="a.gz", data=GZIP, outputType="resource"),
    call("gzip-file-as-resource", name="b.gz", data=GZIP, outputType="resourceLink"),
    read("demo://resource/session/b.gz"),
    call("trigger-long-running-operation", "token", duration=0.2, steps=2),
    call("trigger-long-running-operation", duration=0.01, steps=1),
    call("simulate-research-query", topic="x"),
    *(
        read(f"demo://resource/static/document/{name}.md")
        for name in ("architecture", "extension", "features", "how-it-works", "instructions", "startup", "structure")
    ),
    read("demo://resource/dynamic/text/1"),
    read("demo://resource/dynamic/blob/2"),
    read("demo://resource/dynamic/text/nope"),
    read("demo://nope"),
    prompt("simple-prompt"),
    prompt("args-prompt", city="Paris", state="x"),
    prompt("args-prompt"),
    prompt("completable-prompt", department="Sales", name="David"),
    prompt("resource-prompt", resourceType="Text", resourceId="1"),
    complete("prompt", "completable-prompt", "department", "E"),
    complete("prompt", "completable-prompt", "name", "", department="Sales"),
    complete("resource", "demo://resource/dynamic/text/{resourceId}", "resourceId", "5"),
    call("nope"),
    prompt("nope"),
    ("nope/nope", {}),
]
EVERYTHING_LEGACY: list[Step] = [
    ("ping", {}),
    ("logging/setLevel", {"level": "warning"}),
    ("resources/subscribe", {"uri": "demo://resource/dynamic/text/1"}),
    ("resources/unsubscribe", {"uri": "demo://resource/dynamic/text/1"}),
    ("tasks/list", {}),
    ("tasks/get", {"taskId": "nope"}),
]
EVERYTHING_OTHERS = {
    "get-env": "differs by process",
    "toggle-simulated-logging": "says what it likes when it likes",
    "toggle-subscriber-updates": "says what it likes when it likes",
}


def without_clock(value: Any) -> Any:
    """The value with times of the day left out, in base64 too: some resources tell when they were made."""
    if isinstance(value, list):
        return [without_clock(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _decoded(item) if key == "blob" and isinstance(item, str) else without_clock(item)
            for key, item in value.items()
        }
    return CLOCK.sub("(now)", value) if isinstance(value, str) else value


def _decoded(blob: str) -> str:
    text = base64.b64decode(blob).decode("latin-1")
    return CLOCK.sub("(now)", text) if CLOCK.search(text) else blob
