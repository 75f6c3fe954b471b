"""Requests multiplexed over one channel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.errors import AnswerInvalid, AnswerTooLarge, CallTimeout, ConnectionLost, ServerExited, SidecarError
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame, UnreadableAnswer
from sidecar.upstream import mux
from sidecar.upstream.mux import CallbackRequest, Mux
from tests.support.fake_server import settle, until, within


class Wire:
    """What the mux sends; `stuck` holds it up."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.headers: list[Mapping[str, str] | None] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[Frame] = []
        self.stuck: asyncio.Event | None = None
        self.mux = Mux(
            self.send,
            self.send_now,
            asyncio.ensure_future,
            lambda method, params: self.notes.append((method, params)),
            self.on_request,
        )

    def on_request(self, frame: Frame) -> bool:
        self.requests.append(frame)
        return True

    def send_now(self, frame: Frame, _: bool) -> bool:
        if self.stuck is not None:
            return False
        self.sent.append(frame)
        return True

    async def send(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        if self.stuck is not None:
            await self.stuck.wait()
        self.sent.append(frame)
        self.headers.append(headers)


@pytest.fixture
def wire() -> Wire:
    """A mux on a wire."""
    return Wire()


async def test_ids(wire: Wire) -> None:
    """Each request has an id of its own, and gets its own answer, in whatever order they come."""
    first = asyncio.create_task(wire.mux.request("a", {"x": 1}, timeout=None, headers={"h": "1"}))
    second = asyncio.create_task(wire.mux.request("b", None, timeout=None))
    await settle()
    assert wire.sent == [jsonrpc.request(1, "a", {"x": 1}), jsonrpc.request(2, "b")]
    assert wire.headers == [{"h": "1"}, None]
    wire.mux.on_frame(jsonrpc.result(2, {"second": 1}))
    wire.mux.on_frame(jsonrpc.error(1, {"code": 5, "message": "m"}))
    assert await second == jsonrpc.result(2, {"second": 1})
    assert await first == jsonrpc.error(1, {"code": 5, "message": "m"})


@pytest.mark.parametrize("echoed", ["1", 1.0])
async def test_id_echoed_in_another_type(wire: Wire, echoed: Any) -> None:
    """Servers that echo the id as a string or float are understood."""
    call = asyncio.create_task(wire.mux.request("a", None, timeout=None))
    await settle()
    wire.mux.on_frame(jsonrpc.result(echoed, {}))
    assert (await within(call))["result"] == {}


@pytest.mark.parametrize(
    "frame",
    [
        {"id": 99, "result": {}},
        {"id": None, "error": {}},
        {"id": [1], "result": {}},
        {"id": float("inf"), "result": {}},
        {"result": {}},
        {"method": "notifications/progress", "params": [1]},
        {"method": "notifications/progress", "params": {"progressToken": {}}},
        {"method": "notifications/progress", "params": {"progressToken": float("inf")}},
        {"method": "notifications/message", "params": "text"},
        {"method": ["not", "text"]},
        {"method": 5, "id": 1},
        {"id": True, "result": {}},
        {"id": 1.5, "result": {}},
        {"id": "0_1", "result": {}},
        {"id": "1" * 5000, "result": {}},
    ],
)
async def test_strange_frames(wire: Wire, frame: Frame) -> None:
    """No frame of a server makes `on_frame` raise, nor answers a request that it does not name."""
    call = asyncio.create_task(wire.mux.request("a", None, timeout=None))
    await settle()
    wire.mux.on_frame({"jsonrpc": "2.0", **frame})
    assert all(isinstance(method, str) and isinstance(params, dict) for method, params in wire.notes)
    assert all(isinstance(request["method"], str) for request in wire.requests)
    wire.mux.on_frame(jsonrpc.result(1, {}))
    await within(call)


async def test_progress(wire: Wire) -> None:
    """Progress goes by token to the request that it belongs to, as long as that runs."""
    seen: list[dict[str, Any]] = []
    params = {"name": "t", "_meta": {"progressToken": "client's", "own": 1}}
    call = asyncio.create_task(wire.mux.request("tools/call", params, timeout=None, on_progress=seen.append))
    await settle()
    assert wire.sent[0]["params"]["_meta"] == {"progressToken": 1, "own": 1}
    assert params["_meta"]["progressToken"] == "client's"
    progress = jsonrpc.notification("notifications/progress", {"progressToken": 1, "progress": 5})
    wire.mux.on_frame(progress)
    wire.mux.on_frame(jsonrpc.notification("notifications/progress", {"progressToken": 2, "progress": 6}))
    wire.mux.on_frame(jsonrpc.result(1, {"content": []}))
    await call
    wire.mux.on_frame(progress)
    assert seen == [{"progressToken": 1, "progress": 5}]


async def test_what_comes_unasked(wire: Wire) -> None:
    """Notifications and requests of the server go to their handlers."""
    wire.mux.on_frame(jsonrpc.notification("notifications/x"))
    wire.mux.on_frame(jsonrpc.notification("notifications/y", {"a": 1}))
    wire.mux.on_frame(jsonrpc.request("s1", "ping"))
    assert wire.notes == [("notifications/x", {}), ("notifications/y", {"a": 1})]
    assert wire.requests == [jsonrpc.request("s1", "ping")]


async def test_timeout(wire: Wire) -> None:
    """A late request is cancelled at the server, and a later answer is dropped."""
    with pytest.raises(CallTimeout, match=r"tools/call within 0.01 s"):
        await wire.mux.request("tools/call", {}, timeout=0.01)
    assert wire.sent[1] == jsonrpc.notification("notifications/cancelled", {"requestId": 1, "reason": "timed out"})
    wire.mux.on_frame(jsonrpc.result(1, {}))


async def test_cancel(wire: Wire) -> None:
    """A cancelled request is cancelled at the server under the hub's id."""
    call = asyncio.create_task(wire.mux.request("tools/call", {}, timeout=60))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert wire.sent[1]["params"]["requestId"] == 1


async def test_initialize_is_not_cancelled(wire: Wire) -> None:
    """The specification forbids to cancel `initialize`."""
    with pytest.raises(CallTimeout):
        await wire.mux.request("initialize", {}, timeout=0.01)
    assert len(wire.sent) == 1


async def test_timeout_covers_sending(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that reads nothing does not hold up its caller beyond the deadline."""
    monkeypatch.setattr(mux, "CANCEL_SEND_TIMEOUT", 0.01)
    wire.stuck = asyncio.Event()
    with pytest.raises(CallTimeout):
        await within(wire.mux.request("tools/call", {}, timeout=0.01))
    assert wire.sent == []


async def test_fail_all(wire: Wire) -> None:
    """When the channel closes, every request under way fails with the reason; a cancelled one leaves no trace."""
    call = asyncio.create_task(wire.mux.request("a", None, timeout=None))
    gone = asyncio.create_task(wire.mux.request("b", None, timeout=None))
    await settle()
    wire.mux.fail_all(ServerExited("It exited with code 3."))
    gone.cancel()
    with pytest.raises(ConnectionLost, match="exited with code 3"):
        await call
    await until(gone.done)


async def test_what_was_not_carried_out(wire: Wire) -> None:
    """Where the channel knows that of some requests under way, these may be asked again, the others not."""
    calls = [asyncio.create_task(wire.mux.request(name, None, timeout=None)) for name in "ab"]
    await settle()
    lost = ConnectionLost("It ended the session.")
    lost.untaken = frozenset({2})
    wire.mux.fail_all(lost)
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [(type(error), getattr(error, "sent", None)) for error in errors] == [
        (ConnectionLost, True),
        (ConnectionLost, False),
    ]


@pytest.mark.parametrize("count", [1, 2])
async def test_an_answer_that_is_too_large(wire: Wire, count: int) -> None:
    """The only request under way is told so; of several, it cannot be known which one it was."""
    calls = [asyncio.create_task(wire.mux.request(name, None, timeout=None)) for name in "ab"[:count]]
    await settle()
    wire.mux.fail_all(AnswerTooLarge("It sent a message of more than 64 MiB."))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {AnswerTooLarge if count == 1 else ConnectionLost}
    assert all("64 MiB" in str(error) for error in errors)


async def test_unsent(wire: Wire) -> None:
    """A request that the channel did not take can be told from one that was under way; so can one that comes late."""

    async def refuse(frame: Frame, headers: Mapping[str, str] | None) -> None:
        raise ConnectionLost("The server closed its input.")

    closed = Mux(refuse, lambda *_: False, asyncio.ensure_future, lambda method, params: None, wire.requests.append)
    with pytest.raises(ConnectionLost, match="closed its input") as lost:
        await closed.request("a", None, timeout=None)
    assert not lost.value.sent

    call = asyncio.create_task(wire.mux.request("a", None, timeout=None))
    await settle()
    wire.mux.fail_all(ServerExited("It exited with code 3."))
    with pytest.raises(ConnectionLost) as lost:
        await call
    assert lost.value.sent
    with pytest.raises(ConnectionLost, match="exited with code 3") as lost:
        await wire.mux.request("late", None, timeout=None)
    assert not lost.value.sent
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    "wrong", [{}, {"result": None}, {"result": "text"}, {"result": [1]}, {"error": None}, {"result": {}, "error": "x"}]
)
async def test_answers_that_are_none(wire: Wire, wrong: Frame) -> None:
    """The caller has a coded error at once, with and without a task; nothing is kept."""
    told = Noted()
    call = asyncio.create_task(wire.mux.request("ping", None, timeout=None))
    await settle()
    assert wire.mux.try_request(told, "tools/call", {}, timeout=60)
    for number in (1, 2):
        wire.mux.on_frame({"jsonrpc": "2.0", "id": number, **wrong})
    with pytest.raises(AnswerInvalid):
        await within(call)
    assert [type(end) for end in told.ends] == [AnswerInvalid]
    assert (wire.mux._pending, wire.mux._progress) == ({}, {})


UNREADABLE = AnswerInvalid("It cannot be read.")


async def test_unreadable_answer(wire: Wire) -> None:
    """It is the answer to the request of its id; without one, to the only request that may be answered."""
    one, listen, two = Noted(), Noted(mux.LISTEN_METHOD), Noted()
    wire.mux.try_request(listen, mux.LISTEN_METHOD, {}, timeout=60)
    wire.mux.try_request(one, "tools/call", {}, timeout=60)
    wire.mux.try_request(two, "tools/call", {}, timeout=60)
    for unread in (UnreadableAnswer(99, UNREADABLE), UnreadableAnswer(3, UNREADABLE), UnreadableAnswer(3, UNREADABLE)):
        wire.mux.on_frame(unread)
    assert (one.ends, two.ends) == ([], [UNREADABLE])
    wire.mux.on_frame(UnreadableAnswer(None, UNREADABLE))
    assert (one.ends, listen.ends, list(wire.mux._pending)) == ([UNREADABLE], [], [1])
    wire.mux.on_frame(UnreadableAnswer(None, UNREADABLE))
    assert (listen.ends, wire.mux._unmatched) == ([], [])


async def test_unreadable_answer_of_several(wire: Wire) -> None:
    """It was for the one that is left when the others are answered; requests of later on have nothing to do with it."""
    asked = [Noted("ping") for _ in range(4)]
    for told in asked[:3]:
        wire.mux.try_request(told, "ping", {}, timeout=60)
    wire.mux.on_frame(UnreadableAnswer(None, UNREADABLE))
    wire.mux.try_request(asked[3], "ping", {}, timeout=60)
    for number in (1, 4, 3):
        wire.mux.on_frame(jsonrpc.result(number, {}))
    assert [told.ends for told in asked] == [
        [jsonrpc.result(1, {})], [UNREADABLE], [jsonrpc.result(3, {})], [jsonrpc.result(4, {})]
    ]  # fmt: skip
    assert (wire.mux._unmatched, wire.mux._pending) == ([], {})


async def test_unreadable_answer_to_what_was_given_up(wire: Wire) -> None:
    """Where one of several was given up, it may have been for that: the other goes on."""
    asked = [Noted("ping") for _ in range(2)]
    for told in asked:
        wire.mux.try_request(told, "ping", {}, timeout=60)
    wire.mux.on_frame(UnreadableAnswer(None, UNREADABLE))
    asked[0].give_up("no more")
    assert asked[1].ends == []
    wire.mux.on_frame(jsonrpc.result(2, {}))
    assert (asked[1].ends, wire.mux._unmatched) == ([jsonrpc.result(2, {})], [])


async def test_error_null_beside_a_result(wire: Wire) -> None:
    """It is a result."""
    told = Noted()
    wire.mux.try_request(told, "tools/call", {}, timeout=60)
    wire.mux.on_frame({"jsonrpc": "2.0", "id": 1, "result": {"content": []}, "error": None})
    assert told.ends == [jsonrpc.result(1, {"content": []})]


class Noted(CallbackRequest):
    """Remembers what it ended with."""

    def __init__(self, method: str = "tools/call") -> None:
        self.method = method
        self.ends: list[Frame | SidecarError] = []

    def ended(self, outcome: Frame | SidecarError) -> None:
        self.ends.append(outcome)


async def test_asked_without_a_task(wire: Wire) -> None:
    """Each is told its own answer, and the next ones do not disturb it; progress goes by token."""
    one, two, seen = Noted(), Noted(), list[dict[str, Any]]()
    assert wire.mux.try_request(one, "tools/call", {"name": "t"}, timeout=60)
    assert wire.mux.try_request(two, "tools/call", {"_meta": {"x": 1}}, timeout=60, on_progress=seen.append)
    assert wire.sent[1]["params"] == {"_meta": {"x": 1, "progressToken": 2}}
    progress = jsonrpc.notification("notifications/progress", {"progressToken": 2, "progress": 5})
    wire.mux.on_frame(progress)
    for number in (2, 1, 1):
        wire.mux.on_frame(jsonrpc.result(number, {"content": []}))
    wire.mux.on_frame(progress)
    assert (one.ends, two.ends) == ([jsonrpc.result(1, {"content": []})], [jsonrpc.result(2, {"content": []})])
    assert seen == [{"progressToken": 2, "progress": 5}]
    assert (wire.mux._pending, wire.mux._progress) == ({}, {})


async def test_asked_where_one_has_to_wait(wire: Wire) -> None:
    """Nothing is sent, nothing is kept; nor is it when the channel has ended."""
    told = Noted()
    wire.stuck = asyncio.Event()
    assert not wire.mux.try_request(told, "tools/call", {}, timeout=60, on_progress=lambda _: None)
    wire.stuck = None
    wire.mux.fail_all(ServerExited("It exited."))
    assert not wire.mux.try_request(told, "tools/call", {}, timeout=60)
    assert (wire.sent, told.ends, wire.mux._pending, wire.mux._progress) == ([], [], {}, {})


async def test_asked_and_late(wire: Wire) -> None:
    """It is told so, as is the other side; a later answer is dropped."""
    told = Noted()
    wire.mux.try_request(told, "tools/call", {}, timeout=0.01)
    await until(lambda: told.ends)
    assert str(told.ends) == str([CallTimeout("No answer to tools/call within 0.01 s.")])
    assert wire.sent[1] == jsonrpc.notification("notifications/cancelled", {"requestId": 1, "reason": "timed out"})
    wire.mux.on_frame(jsonrpc.result(1, {}))
    assert len(told.ends) == 1


async def test_asked_and_given_up(wire: Wire) -> None:
    """The other side is told so, now or when it reads again."""
    told = Noted()
    for stuck in (False, True):
        wire.mux.try_request(told, "tools/call", {}, timeout=60)
        wire.stuck = asyncio.Event() if stuck else None
        told.give_up("no more")
        if wire.stuck:
            wire.stuck.set()
        await until(lambda: "requestId" in wire.sent[-1]["params"])
        assert wire.sent[-1]["params"]["reason"] == "no more"
        wire.stuck = None
    wire.mux.on_frame(jsonrpc.result(1, {}))
    assert told.ends == []


async def test_asked_when_the_channel_ends(wire: Wire) -> None:
    """It is told the reason."""
    told = Noted()
    wire.mux.try_request(told, "tools/call", {}, timeout=60)
    wire.mux.fail_all(ServerExited("It exited with code 3."))
    [error] = told.ends
    assert isinstance(error, ConnectionLost)
    assert "exited with code 3" in error.message


async def test_what_comes_after_a_request_waits_for_its_task() -> None:
    """Requests are handled by tasks, all else at once: in one burst each still comes in its turn."""
    seen: list[Any] = []
    tasks: set[asyncio.Task[None]] = set()

    async def handle(frame: Frame) -> None:
        seen.append(frame["id"])

    def start(frame: Frame) -> bool:
        tasks.add(asyncio.get_running_loop().create_task(handle(frame)))
        return True

    async def send(frame: Frame, headers: Mapping[str, str] | None) -> None:
        return None

    made = Mux(send, lambda *_: True, asyncio.ensure_future, lambda method, _: seen.append(method), start)
    asked = asyncio.create_task(made.request("call", {}, timeout=None, on_progress=lambda params: seen.append("p")))
    await settle()
    burst = [
        jsonrpc.notification("n1"),
        jsonrpc.request("q1", "ask"),
        jsonrpc.notification("n2"),
        jsonrpc.request("q2", "ask"),
        jsonrpc.request("q3", "ask"),
        jsonrpc.notification("notifications/progress", {"progressToken": 1, "progress": 1}),
        jsonrpc.notification("n3"),
        jsonrpc.result(1, {}),
    ]
    for frame in burst:
        made.on_frame(frame)
    assert seen == ["n1"]
    await within(asked)
    assert seen == ["n1", "q1", "n2", "q2", "q3", "p", "n3"]
    made.on_frame(jsonrpc.notification("n4"))
    assert seen[-1] == "n4", "nothing is held any more"


async def test_an_answer_that_is_held_when_the_channel_closes(wire: Wire) -> None:
    """It came before the end, so it is the answer."""
    asked = asyncio.create_task(wire.mux.request("call", {}, timeout=None))
    await settle()
    wire.mux.on_frame(jsonrpc.request("q", "ask"))
    wire.mux.on_frame(jsonrpc.result(1, {"x": 1}))
    wire.mux.fail_all(ServerExited("gone"))
    assert (await within(asked))["result"] == {"x": 1}


async def test_a_handler_that_raises_holds_nothing_up(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """What was held behind the notification that a handler failed on is handled all the same."""
    wire.mux._on_notification = lambda method, _: 1 / 0 if method == "bad" else wire.notes.append((method, {}))  # type: ignore[assignment,func-returns-value]
    for frame in (jsonrpc.request("q", "ask"), jsonrpc.notification("bad"), jsonrpc.notification("good")):
        wire.mux.on_frame(frame)
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    await until(lambda: wire.notes == [("good", {})])
    assert [type(error) for error in errors] == [ZeroDivisionError]


async def test_a_flood_of_requests_that_nothing_waits_for(wire: Wire) -> None:
    """What the hub answers by itself holds nothing up: neither answers, nor memory for what would wait."""
    wire.mux._on_request = lambda frame: False
    asked = asyncio.create_task(wire.mux.request("call", {}, timeout=None))
    await settle()
    for number in range(1000):
        wire.mux.on_frame(jsonrpc.request(number, "ping"))
        assert wire.mux._held_back is None
    wire.mux.on_frame(jsonrpc.result(1, {}))
    assert "result" in await within(asked)
