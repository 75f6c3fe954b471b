"""bridge.server: what a server does with requests, over either transport."""

from __future__ import annotations

import asyncio
import logging
import stat
from typing import Any

import pytest

from bridge import codec
from bridge.client import BridgeClient
from bridge.codec import Envelope, decode, encode
from bridge.errors import AddressTaken, BadMessage, HubError, RemoteError
from bridge.models import Done, ListTools, LogRecords, Logs, Ping, ReadStatus, Restart, Snapshot, Tools
from bridge.runtime import socket_path
from bridge.server import BridgeServer
from bridge.sockets import ZMQ
from tests.unit.bridge.conversation import Gate, Place, refuse, running, snapshot


class Raw:
    """A client that sends whatever bytes it is given."""

    def __init__(self, place: Place) -> None:
        self.answers: asyncio.Queue[Envelope] = asyncio.Queue()
        self.connected = asyncio.Event()
        self._dealer = place.transport.dealer(place.address)

    def up(self) -> None:
        self.connected.set()

    def down(self) -> None:
        self.connected.clear()

    def message(self, data: bytes) -> None:
        self.answers.put_nowait(decode(data))

    async def ask(self, data: bytes) -> Envelope:
        """Send, and return the next answer."""
        async with asyncio.TaskGroup() as tasks:
            runner = tasks.create_task(self._dealer.run(self))
            await self.connected.wait()
            assert self._dealer.send(data)
            answer = await self.answers.get()
            runner.cancel()
        return answer


@pytest.mark.parametrize(
    ("data", "code", "message_id"),
    [
        (b"hello", "BRIDGE_BAD_MESSAGE", ""),
        (b'{"version":2,"id":"7","session":"s","kind":"ping"}', "BRIDGE_VERSION", "7"),
        (b'{"version":1,"id":"8","session":"s","kind":"ping","body":{"x":1}}', "BRIDGE_BAD_MESSAGE", "8"),
        (b'{"version":1,"id":"9","session":"s","kind":"dance"}', "BRIDGE_UNKNOWN_KIND", "9"),
        (b'{"version":1,"id":"9","session":"s","kind":"ping.ok"}', "BRIDGE_UNKNOWN_KIND", "9"),
        (b'{"version":1,"id":"9","session":"s","kind":"apply","body":{"id":1}}', "SNAPSHOT_INVALID", "9"),
    ],
)
async def test_what_is_no_request_is_answered_with_an_error(
    place: Place, data: bytes, code: str, message_id: str
) -> None:
    """Whatever arrives is answered, with the id where there was one, and the server lives on."""
    async with place.serving({Snapshot: Gate().apply}, session="me"):
        answer = await Raw(place).ask(data)
        assert (answer.kind, answer.body["code"], answer.id, answer.session) == ("error", code, message_id, "me")
        assert (await Raw(place).ask(encode(Envelope(id="1", session="s", kind="ping")))).kind == "ping.ok"


async def test_ping_tells_what_is_served(place: Place) -> None:
    """Every server answers pings by itself."""
    async with place.serving({Restart: refuse}), BridgeClient(place.address, transport=place.transport) as client:
        assert (await client.request(Ping())).serves == ("ping", "restart")


async def test_a_kind_without_a_handler_is_refused(place: Place) -> None:
    """The error names what the server does serve."""
    async with place.serving(), BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(RemoteError) as caught:
            await client.request(ReadStatus())
        assert caught.value.remote_code == "BRIDGE_UNKNOWN_KIND"
        assert caught.value.data == {"serves": ["ping"]}


async def test_an_error_of_a_handler_crosses_intact(place: Place) -> None:
    """Code, message, hint and data are those that the handler raised."""
    async with place.serving({Restart: refuse}), BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(RemoteError, match="Not now") as caught:
            await client.request(Restart(key="x"))
        body = caught.value.body()
        assert (body.code, body.hint) == ("BRIDGE_UNAVAILABLE", "Later.")
        assert body.data == {"in_force": {"epoch": 1, "revision": 2, "hash": "x"}}


@pytest.mark.parametrize("answer", [ValueError("hunter2"), Tools(tools=({"x": "hunter2"},)), None])
async def test_a_fault_of_a_handler_is_logged_and_not_told(
    place: Place, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception, or an answer of the wrong type, is HUB_INTERNAL without its text; the log has the traceback."""

    async def restart(_: Restart) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with place.serving({Restart: restart}), BridgeClient(place.address, transport=place.transport) as client:
        with caplog.at_level(logging.ERROR), pytest.raises(RemoteError) as caught:
            await client.request(Restart(key="x"))
        assert caught.value.remote_code == "HUB_INTERNAL"
        assert "hunter2" not in caught.value.body().model_dump_json()
        assert caplog.records[0].exc_info


async def test_an_answer_that_cannot_be_sent_is_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer over the limit, or that JSON cannot say, fails its request and no other."""

    async def tools(body: ListTools) -> Tools:
        return Tools(tools=({"x": "\ud800" if body.workspace == "surrogate" else "x" * 5000},))

    monkeypatch.setattr(codec, "MAX_BYTES", 4000)
    async with place.serving({ListTools: tools}), BridgeClient(place.address, transport=place.transport) as client:
        for workspace, code in (("long", "BRIDGE_TOO_LARGE"), ("surrogate", "BRIDGE_BAD_MESSAGE")):
            with pytest.raises(RemoteError) as caught:
                await client.request(ListTools(workspace=workspace))
            assert caught.value.remote_code == code


async def test_an_error_whose_data_cannot_be_sent_keeps_its_code(place: Place) -> None:
    """The data is left out then, and nothing else."""

    async def restart(_: Restart) -> Done:
        raise BadMessage("Odd.", data={"x": object()})

    async with place.serving({Restart: restart}), BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(RemoteError, match="Odd") as caught:
            await client.request(Restart(key="x"))
        assert (caught.value.remote_code, caught.value.data) == ("BRIDGE_BAD_MESSAGE", {})


async def test_requests_are_handled_side_by_side_up_to_the_limit(place: Place) -> None:
    """One over the limit is refused at once, and there is room again when one has been answered."""
    gate = Gate()
    async with (
        place.serving({Logs: gate.logs}, max_inflight=2),
        BridgeClient(place.address, transport=place.transport) as client,
        asyncio.TaskGroup() as tasks,
    ):
        await client.peer()
        asked = [tasks.create_task(client.request(Logs(limit=n))) for n in (1, 2)]
        await gate.wait_begun(2)
        with pytest.raises(RemoteError) as caught:
            await client.request(Logs(limit=3))
        assert caught.value.remote_code == "BRIDGE_OVERLOADED"
        gate.open.set()
        assert [await task for task in asked] == [LogRecords(records=({"n": n},)) for n in (1, 2)]
        assert await client.request(Logs(limit=4)) == LogRecords(records=({"n": 4},))


async def test_one_lane_is_handled_in_order_and_holds_up_nobody_else(place: Place) -> None:
    """A second `apply` waits for the first, while other kinds are answered."""
    gate = Gate()
    async with (
        place.serving({Snapshot: gate.apply}),
        BridgeClient(place.address, transport=place.transport) as client,
        asyncio.TaskGroup() as tasks,
    ):
        asked = [tasks.create_task(client.request(snapshot(n))) for n in range(20)]
        await gate.wait_begun(1)
        await client.request(Ping())
        assert gate.begun == [0]
        gate.open.set()
        assert [(await task).id.revision for task in asked] == list(range(20))
        assert gate.ended == list(range(20))


async def test_a_lane_goes_on_after_a_failure(place: Place) -> None:
    """What one `apply` raises does not concern the next."""

    async def apply(body: Any) -> Any:
        if body.id.revision == 1:
            raise ValueError
        return await opened.apply(body)

    opened = Gate()
    opened.open.set()
    async with place.serving({Snapshot: apply}), BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(RemoteError):
            await client.request(snapshot(1))
        assert (await client.request(snapshot(2))).id.revision == 2


async def test_a_server_may_serve_again(place: Place) -> None:
    """What was under way when it was cancelled does not count in its next life."""
    gate = Gate()
    handlers = {Restart: gate.restart, Snapshot: gate.apply}
    server = BridgeServer(place.address, handlers, max_inflight=2, transport=place.transport)
    async with BridgeClient(place.address, transport=place.transport) as client, asyncio.TaskGroup() as tasks:
        async with running(server):
            await client.request(Ping())
            lost = [tasks.create_task(failing(client.request(Restart(key=key)))) for key in "12"]
            await gate.wait_begun(2)
        assert [(await task).code for task in lost] == ["BRIDGE_UNAVAILABLE"] * 2
        gate.open.set()
        async with running(server):
            assert (await client.request(snapshot(3))).id.revision == 3


async def failing(request: Any) -> HubError:
    """The error that a request raises."""
    with pytest.raises(HubError) as caught:
        await request
    return caught.value


async def test_an_address_is_served_once(place: Place) -> None:
    """A second server at the address is refused, and the first one goes on."""
    async with place.serving(), BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(AddressTaken):
            await BridgeServer(place.address, {}, transport=place.transport).serve()
        await client.request(Ping())


async def test_the_socket_is_the_owners_alone(place: Place) -> None:
    """The file has mode 0600, its directory 0700."""
    if place.transport is not ZMQ:
        return
    async with place.serving():
        path = socket_path(place.address)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
