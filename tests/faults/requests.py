"""Malformed and hostile HTTP requests, made by hand and by hypothesis."""

from __future__ import annotations

import json
import string

from hypothesis import strategies as st

from tests.faults.clients import INITIALIZE, body_of, post
from tests.support.framings import requests

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "hostile", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
RPC_METHODS = (
    *("initialize", "ping", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list"),
    *(
        "resources/read",
        "resources/templates/list",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
    ),
    *("logging/setLevel", "server/discover", "subscriptions/listen", "tasks/get", "tasks/result", "tasks/cancel"),
    *("notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/none"),
    *("notifications/roots/list_changed", "sampling/createMessage", "nothing", ""),
)
PATHS = (
    *("/mcp/w", "/mcp/w/sse", "/mcp/w/messages", "/mcp/", "/mcp", "/mcp/none", "/mcp/w/", "//mcp/w", "/mcp/../mcp/w"),
    *("/mcp/%77", "/mcp/w%00", "/mcp/w?x=" + "y" * 5000, "/mcp/" + "x" * 5000, "/mcp/w;a", "/healthz", "/status", "*"),
)
_names = st.sampled_from(["a_echo", "x_echo", "none", "", "a_echo\x00", "é" * 100])
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _names
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
_params = st.fixed_dictionaries(
    {},
    optional={
        "name": _names | _json,
        "arguments": _json,
        "uri": st.sampled_from(["x://1", "file:///etc/passwd", ""]) | _json,
        "cursor": _json,
        "level": _json,
        "_meta": st.just(MODERN_META) | _json,
        "ref": _json,
        "argument": _json,
        "taskId": _json,
        "requestId": _json,
        "progressToken": _json,
        "protocolVersion": _json,
        "capabilities": _json,
        "clientInfo": _json,
        "notifications": _json,
        "requestState": _json,
        "inputResponses": _json,
    },
)
_frames = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2])},
    optional={
        "id": st.integers(-(2**70), 2**70) | _scalars,
        "method": st.sampled_from(RPC_METHODS) | _json,
        "params": _params | _json,
        "result": _json,
        "error": _json,
    },
)
_bodies = (
    st.builds(lambda frame: json.dumps(frame).encode(), _frames)
    | st.builds(lambda frames: json.dumps(frames).encode(), st.lists(_frames, max_size=3))
    | st.builds(lambda found: json.dumps(found).encode(), _json)
    | st.binary(max_size=60)
    | st.builds(lambda depth: b"[" * depth + b"]" * depth, st.integers(1, 3000))
    | st.builds(lambda frame, cut: json.dumps(frame).encode()[:cut], _frames, st.integers(0, 40))
)
_header_text = st.text(string.ascii_letters + string.digits + " -_.;,=/\x7f\té", max_size=30)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "Mcp_Session_Id": st.sampled_from(["{session}", "", "x" * 4000]) | _header_text,
        "MCP_Protocol_Version": st.sampled_from(["2025-06-18", "2026-07-28", "2099-01-01", ""]) | _header_text,
        "Mcp_Method": st.sampled_from(RPC_METHODS) | _header_text,
        "Mcp_Name": _names.filter(str.isprintable) | _header_text,
        "Last_Event_ID": _header_text,
        "Origin": st.sampled_from(["http://evil.example", "null", "http://127.0.0.1"]),
        "Content_Encoding": st.sampled_from(["gzip", "identity", "br"]),
        "Authorization": _header_text,
    },
)


def _request(path: str, body: bytes, headers: dict[str, str], verb: str) -> bytes:
    sent = {name: value.encode("latin-1", "replace").decode("latin-1") for name, value in headers.items()}
    return _encoded(path, body, sent).replace(b"POST", verb.encode(), 1)


def _encoded(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    plain = post(path, body)
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
    return plain.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n", 1)


hostile: st.SearchStrategy[bytes] = st.builds(
    _request,
    st.sampled_from(PATHS[:3]) | st.sampled_from(PATHS),
    _bodies,
    _headers,
    st.sampled_from(["POST"] * 6 + ["GET", "DELETE", "PUT", "OPTIONS", "HEAD", "M"]),
)
"""One request; `{session}` in it stands for the id of a session that there is."""


def odd_heads() -> list[bytes]:
    """Requests that are hardly HTTP."""
    ping = body_of(1, "ping", {})
    good = post("/mcp/w", ping)
    return [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/0.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /mcp/w HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
        b"POST /mcp/w HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /mcp/w HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
        good.replace(b"application/json\r\n", b"text/plain\r\n", 1),
        good.replace(b"application/json, text/event-stream", b"image/png"),
        good.replace(b"\r\nHost: 127.0.0.1", b""),
        good + good + b"GARBAGE",
        post("/mcp/w", b"\xff\xfe" + ping.decode().encode("utf-16-le")),
        post("/mcp/w", b"\xef\xbb\xbf" + ping),
        post("/mcp/w", body_of(1, "initialize", {**INITIALIZE, "protocolVersion": "9" * 10_000})),
        post("/mcp/w", b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}'),
        post("/mcp/w", b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}'),
        post("/mcp/w", b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}'),
    ]


def framings() -> list[bytes]:
    """Every method with every way to frame a body."""
    return requests(b"127.0.0.1", b"/mcp/w")
