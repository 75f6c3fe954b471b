"""Whatever a server sends, each caller has a right answer or a coded error at once, and nothing is left that waits."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import ServerSettings
from sidecar.channels.output import Output
from sidecar.channels.web import parse
from sidecar.errors import SidecarError
from sidecar.protocol import jsonrpc
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Frame
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.upstream.connection import Connection
from sidecar.upstream.list_reader import UndeclaredLists
from sidecar.upstream.mux import CallbackRequest, Mux
from tests.support.fake_server import FakeServer, settle, until, within
from tests.support.properties import examples

GOOD: dict[str, Any] = {
    "tools/call": {"content": [{"type": "text", "text": "t"}], "structuredContent": {"a": 1}, "isError": False},
    "prompts/get": {"messages": [{"role": "user", "content": {"type": "text", "text": "t"}}], "description": "d"},
    "resources/read": {"contents": [{"uri": "a://b", "text": "t"}]},
    "completion/complete": {"completion": {"values": ["a"], "total": 1}},
    "ping": {"_meta": {"a": 1}},
}
TASK_NOTIFICATIONS = [
    ("notifications/progress", {"progressToken": 1, "progress": 1, "total": 2, "message": "m"}),
    ("notifications/message", {"level": "info", "data": {"a": [1]}, "logger": "l"}),
    ("notifications/cancelled", {"requestId": 1, "reason": "r"}),
    ("notifications/tools/list_changed", {"_meta": {}}),
    ("notifications/resources/updated", {"uri": "a://b"}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
GONE = object()
QUICK = examples(60)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every member and item of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in ((*path, key), *places(inner, (*path, key)))]


@st.composite
def odd(draw: st.DrawFn, frame: Frame) -> Frame:
    """The frame with something else in one or two places, or nothing there; its id stays."""
    made = copy.deepcopy(frame)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([path for path in places(made) if path != ("id",)] or [("x",)]))
        holder = made
        for key in way:
            holder = holder[key]
        value = draw(JSON | st.just(GONE))
        if value is not GONE:
            holder[last] = value
        else:
            del holder[last]
    if draw(st.booleans()) and "method" not in made:
        made["error"] = draw(JSON)
    return made


class Caller(CallbackRequest):
    """One that no task waits for."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.ends: list[Frame | SidecarError] = []

    def ended(self, outcome: Frame | SidecarError) -> None:
        self.ends.append(outcome)


def asked(method: str) -> tuple[Mux, Caller]:
    """A mux with one request under way."""
    mux = Mux(lambda *_: asyncio.sleep(0), lambda *_: True, asyncio.ensure_future, lambda *_: None, lambda *_: None)
    caller = Caller(method)
    assert mux.try_request(caller, method, {}, timeout=60)
    return mux, caller


def check(mux: Mux, caller: Caller, method: str) -> None:
    """The request has ended, once, as it must; nothing is left."""
    [end] = caller.ends
    if isinstance(end, SidecarError):
        assert end.code in ("SERVER_ANSWER_INVALID", "SERVER_OUTPUT_TOO_LARGE")
    elif "error" in end:
        assert type(end["error"]["code"]) is int
        assert isinstance(end["error"]["message"], str)
    else:
        assert isinstance(end["result"], dict)
        for name in {"tools/call": ["content"], "prompts/get": ["messages"]}.get(method, []):
            final = end["result"].get("resultType", "complete") == "complete" and "task" not in end["result"]
            assert not final or isinstance(end["result"][name], list)
    assert (mux._pending, mux._unmatched, mux._progress) == ({}, [], {})


@pytest.mark.parametrize("way", ["stdio", "remote"])
@QUICK
@given(data=st.data())
async def test_answers(way: str, data: st.DataObject) -> None:
    """Any value in any place of a response, over a stream that is printed to and over one of messages."""
    method = data.draw(st.sampled_from(list(GOOD)))
    frame = data.draw(odd(jsonrpc.result(1, GOOD[method])))
    text = json.dumps(frame, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    sent = text.encode(errors="surrogatepass")
    mux, caller = asked(method)
    if way == "remote":
        for found in parse(sent):
            mux.on_frame(found)
    else:
        output = Output(mux.on_frame, lambda _: None, lambda: None, 1 << 20)
        output.feed(sent + b"\n")
        output.end()
    bare = "result" in frame and frame.keys() <= {"id", "result", "error"}
    if caller.ends or bare or frame.get("jsonrpc") == "2.0":
        check(mux, caller, method)


@QUICK
@given(noise=st.binary(max_size=12), at=st.integers(0, 70), cut=st.booleans())
async def test_noise(noise: bytes, at: int, cut: bool) -> None:
    """Bytes anywhere in an answer, or in the place of its rest: one that still says whose it is ends its request."""
    whole = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"t"}]}}'
    at = min(at, len(whole))
    sent = whole[:at] + noise + (b"" if cut else whole[at:])
    mux, caller = asked("tools/call")
    output = Output(mux.on_frame, lambda _: None, lambda: None, 1 << 20)
    output.feed(sent + b"\n")
    output.end()
    if at > whole.index(b',"result"') and b"\n" not in noise and sent.startswith(whole[:24]):
        check(mux, caller, "tools/call")
    assert len(caller.ends) <= 1
    for found in parse(sent):
        mux.on_frame(found)
    mux.on_frame(jsonrpc.result(1, {"content": []}))
    check(mux, caller, "tools/call")


class ConnectionOwner:
    """Takes what it is told."""

    log_level = None
    rename = str
    owned = tuple

    def __init__(self) -> None:
        self.undeclared = UndeclaredLists()
        self.expected = ExpectedTools()
        self.in_flight = 0
        self.catalog = asyncio.Event()

    def catalog_read(self, connection: Connection) -> None:
        assert isinstance(connection.catalog, Catalog)
        self.catalog.set()

    def subscribed(self) -> tuple[str, ...]:
        return ()

    def notified(self, method: str, params: dict[str, Any]) -> None:
        assert isinstance(params, dict)

    def feature_refused(self, method: str) -> None:
        pass


class Anything(dict[Any, Any]):
    """What the fake asked: whatever it is answered."""

    def pop(self, *_: Any) -> Any:
        return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("speaks", ["legacy", "modern"])
@examples(12)
@given(data=st.data())
async def test_connection(speaks: Any, data: st.DataObject) -> None:
    """Any value in any place of what a server sends on its own: the connection lives, and answers are right."""
    server, owner = FakeServer(era=speaks), ConnectionOwner()
    connection, end = Connection(ServerSettings(era=speaks), owner, None), asyncio.Event()
    async with server.connect(connection.on_frame):
        channel = server.channel
        channel._asked = Anything()
        life = asyncio.create_task(connection.run(channel, end))
        await within(owner.catalog.wait())
        call = asyncio.create_task(connection.request("tools/call", {"name": "echo"}, on_progress=lambda _: None))
        for _ in range(6):
            method, params = data.draw(st.sampled_from(TASK_NOTIFICATIONS))
            more = {"id": 7} if data.draw(st.booleans()) else {}
            channel.push(data.draw(odd(jsonrpc.notification(method, params) | more)))
        assert (await within(call))["result"]["content"]
        assert (await within(connection.request("tools/call", {"name": "echo"})))["result"]["content"]
        assert not life.done()
        await settle()
        end.set()
        await within(life)
    assert connection._mux._pending == {}
    await until(lambda: not connection._background_tasks)
