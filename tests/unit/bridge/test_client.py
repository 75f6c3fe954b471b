"""bridge.client: requests over a connection that comes and goes, over either transport."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge import client as client_module
from bridge.client import BridgeClient
from bridge.codec import Envelope, decode, encode
from bridge.errors import AddressInvalid, BadMessage, HubError, PeerUnavailable, UnknownKind, VersionMismatch
from bridge.models import Done, LogRecords, Logs, Ping, Restart
from tests.unit.bridge.conversation import Gate, Place


async def test_many_requests_at_once_get_their_own_answers(place: Place) -> None:
    """Each of 1,500 requests, more than may be unanswered at a time, gets the answer that is its own."""
    gate = Gate()
    gate.open.set()
    async with place.serving({Logs: gate.logs}), BridgeClient(place.address, transport=place.transport) as client:
        answers = await asyncio.gather(*(client.request(Logs(limit=n)) for n in range(1, 1501)))
        assert answers == [LogRecords(records=({"n": n},)) for n in range(1, 1501)]
        assert gate.begun == list(range(1, 1501))


async def test_without_a_server_the_deadline_tells(place: Place) -> None:
    """A request that could not be sent says so: it was not carried out."""
    async with BridgeClient(place.address, transport=place.transport) as client:
        with pytest.raises(PeerUnavailable, match=r"could not be reached within 0\.05 s") as caught:
            await client.request(Ping(), timeout=0.05)
        assert caught.value.data == {"sent": False}


async def test_requests_wait_for_the_server_in_their_order(place: Place) -> None:
    """What is asked while the server is away is sent when it comes, in order; what was given up is not."""
    gate = Gate()
    gate.open.set()
    async with BridgeClient(place.address, transport=place.transport) as client, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.request(Logs(limit=n))) for n in (1, 2)]
        with pytest.raises(PeerUnavailable):
            await client.request(Logs(limit=3), timeout=0.01)
        asked.append(tasks.create_task(client.request(Logs(limit=4))))
        async with place.serving({Logs: gate.logs}):
            for task in asked:
                await task
            await client.request(Ping())
        assert gate.begun == [1, 2, 4]


async def test_a_late_answer_is_ignored(place: Place) -> None:
    """A request that timed out was sent, says so, and its answer does no harm when it comes."""
    gate = Gate()
    async with place.serving({Logs: gate.logs}), BridgeClient(place.address, transport=place.transport) as client:
        await client.peer()
        with pytest.raises(PeerUnavailable, match="did not answer") as caught:
            await client.request(Logs(limit=1), timeout=0.05)
        assert caught.value.data == {"sent": True}
        gate.open.set()
        assert await client.request(Logs(limit=2)) == LogRecords(records=({"n": 2},))


async def test_a_request_given_up_counts_until_the_server_is_done_with_it(place: Place) -> None:
    """With one place, the next request leaves when the answer to a cancelled one came: a server is not swamped so."""
    gate = Gate()
    async with (
        place.serving({Logs: gate.logs}),
        BridgeClient(place.address, max_pending=1, transport=place.transport) as client,
    ):
        asked = asyncio.create_task(client.request(Logs(limit=1)))
        await gate.wait_begun(1)
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()
        with pytest.raises(PeerUnavailable) as caught:
            await client.request(Ping(), timeout=0.05)
        assert caught.value.data == {"sent": False}
        gate.open.set()
        await client.request(Ping())
        assert not client._pending


async def test_requests_over_the_limit_wait_their_turn(place: Place) -> None:
    """With one place, the second request leaves when the first was answered, or fails on its own deadline, unsent."""
    gate = Gate()
    async with (
        place.serving({Logs: gate.logs}),
        BridgeClient(place.address, max_pending=1, transport=place.transport) as client,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(client.request(Logs(limit=1)))
        await gate.wait_begun(1)
        with pytest.raises(PeerUnavailable) as caught:
            await client.request(Logs(limit=2), timeout=0.05)
        assert caught.value.data == {"sent": False}
        third = tasks.create_task(client.request(Logs(limit=3)))
        gate.open.set()
        await first
        await third
        assert gate.begun == [1, 3]


async def test_what_must_not_be_done_twice_fails_with_the_connection(place: Place) -> None:
    """A `restart` that the server took with it fails long before its deadline, and tells that it had been sent."""
    gate = Gate()
    async with BridgeClient(place.address, transport=place.transport) as client, asyncio.timeout(100):
        async with place.serving({Restart: gate.restart}):
            asked = asyncio.create_task(client.request(Restart(key="1"), timeout=60))
            await gate.wait_begun(1)
        with pytest.raises(PeerUnavailable, match="connection ended") as caught:
            await asked
        assert caught.value.data == {"sent": True}


async def test_what_a_caller_was_told_is_lost_is_not_sent_later(place: Place) -> None:
    """The next server never sees a `restart` that failed with the connection before."""
    gate, later = Gate(), Gate()
    later.open.set()
    async with BridgeClient(place.address, transport=place.transport) as client:
        async with place.serving({Restart: gate.restart}):
            asked = asyncio.create_task(client.request(Restart(key="1"), timeout=60))
            await gate.wait_begun(1)
        with pytest.raises(PeerUnavailable):
            await asked
        async with place.serving({Restart: later.restart}):
            await client.request(Restart(key="2"))
        assert later.begun == [2]


async def test_a_last_answer_counts_though_the_connection_has_ended(place: Place) -> None:
    """An answer that arrived before the end of its connection is read before the end is told."""
    for _ in range(10):
        async with BridgeClient(place.address, transport=place.transport) as client:
            asked = asyncio.create_task(client.request(Restart(key="x")))
            async with place.transport.router(place.address) as router:
                while (envelope := decode((message := await router.receive())[1])).kind != "restart":
                    pass
                router.send(message[0], encode(Envelope(id=envelope.id, session="s", kind="restart.ok")))
            assert await asked == Done()


async def test_what_may_be_done_twice_is_sent_again_in_order(place: Place) -> None:
    """Requests that a server took with it are answered by the next one, before those made in between."""
    gate, later = Gate(), Gate()
    later.open.set()
    async with BridgeClient(place.address, transport=place.transport) as client, asyncio.TaskGroup() as tasks:
        async with place.serving({Logs: gate.logs}):
            asked = [tasks.create_task(client.request(Logs(limit=n))) for n in (1, 2, 3)]
            await gate.wait_begun(3)
        asked.append(tasks.create_task(client.request(Logs(limit=4))))
        async with place.serving({Logs: later.logs}):
            assert [await task for task in asked] == [LogRecords(records=({"n": n},)) for n in (1, 2, 3, 4)]
        assert later.begun == [1, 2, 3, 4]


async def test_what_was_sent_once_and_never_answered_says_so(place: Place) -> None:
    """A request that waits to be sent again when its deadline comes may have been carried out."""
    gate = Gate()
    async with BridgeClient(place.address, transport=place.transport) as client:
        async with place.serving({Logs: gate.logs}):
            asked = asyncio.create_task(client.request(Logs(limit=1), timeout=1))
            await gate.wait_begun(1)
        with pytest.raises(PeerUnavailable) as caught:
            await asked
        assert caught.value.data == {"sent": True}


async def test_a_restarted_server_is_noticed_without_asking(place: Place) -> None:
    """After each connection the client learns who is there, calls back, and wakes who waits for another."""
    met: list[str] = []
    async with BridgeClient(place.address, on_peer=met.append, transport=place.transport) as client:
        assert client.peer_session is None
        for session in ("one", "two"):
            known = client.peer_session
            async with place.serving(session=session):
                assert await client.peer(other_than=known) == session
        async with place.serving(session="two"):
            await client.request(Ping())
        assert met == ["one", "two"]


async def test_a_closed_client_answers_nobody(place: Place) -> None:
    """Requests under way, and further ones, fail at once when the client is closed."""
    gate = Gate()
    async with place.serving({Logs: gate.logs}):
        async with BridgeClient(place.address, transport=place.transport) as client:
            asked = asyncio.create_task(client.request(Logs(limit=1), timeout=60))
            await gate.wait_begun(1)
        for request in (asked, client.request(Ping(), timeout=60)):
            with pytest.raises(PeerUnavailable, match="client was closed"):
                await request


async def test_tcp_is_refused(place: Place) -> None:
    """Over ZeroMQ only ipc is served."""
    with pytest.raises(AddressInvalid, match="tcp"):
        BridgeClient("tcp://127.0.0.1:1")


async def test_a_server_of_another_version_is_told_from_one_that_is_away(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that cannot be read fails the request that it names, and says why."""
    async with place.transport.router(place.address) as router, asyncio.TaskGroup() as tasks:

        async def answer() -> None:
            while True:
                peer, data = await router.receive()
                router.send(peer, data.replace(b'"version":1', b'"version":99'))

        answering = tasks.create_task(answer())
        async with BridgeClient(place.address, transport=place.transport) as client:
            with pytest.raises(VersionMismatch, match="99"):
                await client.request(Ping())
        answering.cancel()


async def test_what_answers_nothing_is_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that cannot be read, and answer no request, are noted and passed over."""
    async with (
        place.transport.router(place.address) as router,
        BridgeClient(place.address, transport=place.transport) as client,
    ):
        peer, _ = await router.receive()
        with caplog.at_level(logging.WARNING):
            router.send(peer, b"garbage")
            router.send(peer, encode(Envelope(id="none", session="s", kind="ping.ok")))
            assert await client.peer() == "s"
        assert [record.message for record in caplog.records] == ["unreadable message"]


async def test_a_greeting_that_is_refused_is_not_repeated(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A server that answers pings with an error is met all the same."""
    refusal = {"code": "X", "message": "No."}
    async with (
        place.transport.router(place.address) as router,
        BridgeClient(place.address, transport=place.transport) as client,
    ):
        peer, _ = await router.receive()
        router.send(peer, encode(Envelope(id="1", session="s", kind="error", body=refusal)))
        assert await client.peer() == "s"
        await asyncio.sleep(0)
        assert client._greeting is not None
        await client._greeting
        assert [record.message for record in caplog.records] == ["bridge peer refused"]


async def test_greetings_are_repeated_until_answered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is too busy for the first ping is met by a later one."""
    monkeypatch.setattr(client_module, "GREETING_TIMEOUT", 0.05)
    async with (
        place.transport.router(place.address) as router,
        BridgeClient(place.address, transport=place.transport) as client,
    ):
        await router.receive()
        peer, _ = await router.receive()
        router.send(peer, encode(Envelope(id="2", session="s", kind="ping.ok", body={"pid": 1, "serves": []})))
        assert await client.peer() == "s"


async def test_a_server_that_takes_nothing_makes_requests_wait_unsent() -> None:
    """When the connection takes no more, requests are kept, and sent when an answer shows that it does again."""
    dealer = FullDealer()
    client = BridgeClient("x", transport=OneDealer(dealer))  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.request(Ping())) for _ in range(3)]
        await asyncio.sleep(0)
        dealer.room = 1
        client._flush()
        assert len(dealer.sent) == 1
        dealer.room = 2
        for message_id in ("1", "2", "3"):
            body = {"pid": 1, "serves": []}
            client.message(encode(Envelope(id=message_id, session="s", kind="ping.ok", body=body)))
        for task in asked:
            await task
    assert len(dealer.sent) == 3


class FullDealer:
    """A dealer with room for `room` messages."""

    def __init__(self) -> None:
        self.room = 0
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.sent.append(data)
        return True


class OneDealer:
    """A transport that has just this dealer."""

    def __init__(self, dealer: FullDealer) -> None:
        self._dealer = dealer

    def dealer(self, address: str) -> FullDealer:
        return self._dealer


def test_every_error_of_a_request_is_a_hub_error() -> None:
    """Callers need to catch one family only."""
    assert all(issubclass(error, HubError) for error in (PeerUnavailable, UnknownKind, BadMessage, VersionMismatch))


async def test_what_was_given_up_before_a_restart_takes_no_place_after_it(place: Place) -> None:
    """The end of the connection frees what nobody waits for, and it is not sent again."""
    gate, later = Gate(), Gate()
    later.open.set()
    async with BridgeClient(place.address, max_pending=1, transport=place.transport) as client:
        async with place.serving({Logs: gate.logs}):
            asked = asyncio.create_task(client.request(Logs(limit=1), timeout=1))
            await gate.wait_begun(1)
            with pytest.raises(PeerUnavailable):
                await asked
        async with place.serving({Logs: later.logs}):
            await client.request(Logs(limit=2))
        assert later.begun == [2]


async def test_what_cannot_be_written_takes_no_place(place: Place) -> None:
    """A request that JSON cannot say fails at once, and the next one has its slot."""
    async with place.serving(), BridgeClient(place.address, max_pending=1, transport=place.transport) as client:
        with pytest.raises(BadMessage):
            await client.request(Restart(key="\ud800"))
        await client.request(Ping())
