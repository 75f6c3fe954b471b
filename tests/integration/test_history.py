"""The history of a real hub: every row is right, and whatever is killed, full or broken costs calls nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import resource
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psutil

from bridge.models import (
    CallRecord,
    ReadCall,
    ReadCalls,
    ReadRecordedSessions,
    ReadRecordsStatus,
    RecordsStatus,
    SetServer,
)
from tests.support.hub import Hub, running
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import HttpPeer, SsePeer, client, connected
from tests.support.postgres import running_postgres
from tests.support.yamcp import mock

PRINCIPALS = [f"person-{number}" for number in range(10)]
WAYS: list[tuple[Any, Any]] = [("sse", "legacy"), ("http", "legacy"), ("http", "modern"), ("sse", "modern")]
PLAN = [
    *[("echo", "ok", "")] * 29,
    *[("tool_error", "tool_error", "")] * 6,
    *[("fail", "error", "")] * 5,
    *[("slow", "CALL_TIMEOUT", "CALL_TIMEOUT")] * 3,
    *[("never", "cancelled", "")] * 3,
    *[("missing", "refused", "TOOL_UNKNOWN")] * 3,
    ("never", "disconnected", ""),
]
"""For each principal: a tool, and the outcome and code with which its call is to be recorded."""
CALLS = len(PRINCIPALS) * len(PLAN)


@dataclass
class Asked:
    """A call of the test, and what is to be recorded of it."""

    tag: str
    tool: str
    principal: str
    outcome: str
    code: str
    transport: str
    era: str

    @property
    def params(self) -> dict[str, Any]:
        """The params of the call. Its tag is in its arguments, or in the name of a tool that does not exist."""
        name = f"m_missing_{self.tag}" if self.tool == "missing" else f"m_{self.tool}"
        return {"name": name, "arguments": {"text": self.tag, "message": self.tag, "seconds": 60}}


async def all_calls(hub: Hub, **filters: Any) -> list[CallRecord]:
    """All recorded calls, in order of their ids."""
    found: list[CallRecord] = []
    after = 0
    while True:
        page = await hub.records.request(ReadCalls(after=after, limit=500, **filters), timeout=60)
        found += page.calls
        if page.next is None:
            return found
        after = page.next


async def until_stored(hub: Hub, count: int, tool: str = "echo") -> list[CallRecord]:
    """Wait until that many calls of a tool are recorded (empty: of any tool), and return all calls."""
    async with asyncio.timeout(100):
        while True:
            found = await all_calls(hub)
            if sum(call.method == "tools/call" and tool in ("", call.tool) for call in found) >= count:
                return found
            last = max((call.id for call in found), default=0)
            await hub.records.request(ReadCalls(after=last, wait=5), timeout=60)


async def status(hub: Hub) -> RecordsStatus:
    """The state of the recorder."""
    return await hub.records.request(ReadRecordsStatus(), timeout=60)


async def until_state(hub: Hub, state: str, spooled: bool = False) -> RecordsStatus:
    """Wait until the recorder is in a state, and with `spooled` until records wait; no event tells of it."""
    async with asyncio.timeout(100):
        while True:
            found = await status(hub)
            if found.state == state and (found.spooled or not spooled):
                return found
            await asyncio.sleep(0.05)


# --- every row is right ----------------------------------------------------------------------------------------------


class Person:
    """One principal, with a client for each way and one that will leave, and its calls."""

    def __init__(self, name: str, numbers: itertools.count[int]) -> None:
        self.name = name
        self.asked: list[Asked] = []
        self.peers: list[SsePeer | HttpPeer] = []
        self.leaving = contextlib.AsyncExitStack()
        self.pending: list[tuple[Asked, SsePeer | HttpPeer, asyncio.Task[Any]]] = []
        self._numbers = numbers

    async def connect(self, stack: contextlib.AsyncExitStack, base: str, socket: Any, token: str) -> None:
        """Open the sessions."""
        await stack.enter_async_context(self.leaving)
        for transport, era in [*WAYS, WAYS[0]]:
            owner = self.leaving if len(self.peers) == len(WAYS) else stack
            peer = await owner.enter_async_context(connected(base, transport, era, token=token, uds=socket))
            self.peers.append(peer)

    async def call_all(self) -> None:
        """Call as planned, all at once; wait for the answers of those calls that get one."""
        waiting: list[tuple[Asked, SsePeer | HttpPeer, asyncio.Task[Any]]] = []
        for place, (tool, outcome, code) in enumerate(PLAN):
            number = len(WAYS) if outcome == "disconnected" else place % len(WAYS)
            transport, era = WAYS[number % len(WAYS)]
            tag = f"tag{next(self._numbers):04}"
            asked = Asked(tag, tool, self.name, outcome, code, transport, era)
            self.asked.append(asked)
            peer = self.peers[number]
            frame = {"jsonrpc": "2.0", "id": tag, "method": "tools/call", "params": asked.params}
            if era == "modern":
                frame["params"] = peer._enveloped(asked.params)
            task = asyncio.create_task(peer._ask(frame))
            (self.pending if tool == "never" else waiting).append((asked, peer, task))
        await asyncio.gather(*(task for _, _, task in waiting))

    async def give_up(self) -> None:
        """Cancel as each way does it, and leave."""
        for asked, peer, task in self.pending:
            if asked.outcome != "cancelled":
                continue
            if peer.era == "modern" and asked.transport == "http":
                task.cancel()
            else:
                await peer.notify("notifications/cancelled", {"requestId": asked.tag})
        await self.leaving.aclose()
        for _, _, task in self.pending:
            task.cancel()
        await asyncio.wait([task for _, _, task in self.pending])


async def test_each_of_500_concurrent_calls_is_recorded_once_and_right() -> None:
    """Of ten principals, over all transports and eras, also refused, cancelled, timed out and failed ones."""
    numbers = itertools.count()
    async with running({"m": mock("m")}, {"w": ["m"]}, history=True, HUB_TOKEN=HUB_TOKEN) as hub:
        keys = KeyFile(hub.data_dir)
        for name in PRINCIPALS:
            keys.add(name)
        settings = {"share_between_keys": True, "record": "full", "max_inflight": 1000, "tool_timeouts": {"slow": 2}}
        await hub.desired.request(SetServer(key="m", settings=settings), timeout=60)
        await hub.wait_settled()
        socket, base = hub.settings.sidecar_socket, f"{hub.base}/mcp/w"
        people = [Person(name, numbers) for name in PRINCIPALS]
        async with contextlib.AsyncExitStack() as stack:
            async with client("not-" + HUB_TOKEN, socket) as stranger:
                assert (await stranger.post(base, json={})).status_code == 401
            for person in people:
                await person.connect(stack, base, socket, keys.tokens[person.name])
            await asyncio.gather(*(person.call_all() for person in people))
            never = sum(tool == "never" for tool, _, _ in PLAN) * len(PRINCIPALS)
            await hub.wait_status(lambda status: status.servers[0].calls_in_flight == never, "all calls arrived")
            for person in people:
                await person.give_up()
        found = [call for call in await until_ended(hub, CALLS, "") if call.method == "tools/call"]
        await compare(hub, found, [asked for person in people for asked in person.asked])
        [refused] = [call for call in await all_calls(hub) if call.code == "TOKEN_INVALID"]
        assert (refused.outcome, refused.transport, refused.workspace) == ("refused", "http", "w")
        assert "not-" not in refused.principal
        sessions = (await hub.records.request(ReadRecordedSessions(limit=500), timeout=60)).sessions
        assert Counter(session.principal for session in sessions) == dict.fromkeys(PRINCIPALS, 4)
        assert all(session.ended and session.client for session in sessions)


async def until_ended(hub: Hub, count: int, tool: str = "echo") -> list[CallRecord]:
    """Stop the sidecar, which writes all that it knows then, and wait until that many calls are recorded."""
    await hub.stop("sidecar")
    return await until_stored(hub, count, tool)


async def compare(hub: Hub, found: list[CallRecord], asked: list[Asked]) -> None:
    """Compare all recorded calls with those that were made."""
    assert len(found) == len(asked) == CALLS
    expected = {each.tag: each for each in asked}
    seen: Counter[str] = Counter()
    for record in found:
        details = await hub.records.request(ReadCall(id=record.id), timeout=60)
        text = record.tool if record.tool.startswith("m_missing_") else details.arguments or ""
        [tag] = [word for word in text.replace("_", '"').split('"') if word.startswith("tag")][:1]
        was = expected[tag]
        seen[tag] += 1
        got = (record.principal, record.outcome, record.code, record.transport, record.era, record.workspace)
        assert got == (was.principal, was.outcome, was.code, was.transport, was.era, "w"), was
        assert record.tool == (was.params["name"] if was.tool == "missing" else was.tool)
        assert bool(record.session) == ((was.transport, was.era) != ("http", "modern"))
        if was.outcome == "ok":
            assert tag in (details.result or "")
    assert seen == dict.fromkeys(expected, 1)


# --- faults ----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def one_client(hub: Hub) -> AsyncIterator[SsePeer | HttpPeer]:
    """A client of the hub's workspace, which has nothing open between its requests."""
    async with connected(hub.http("w"), "http", "modern") as peer:
        yield peer


async def echo(peer: SsePeer | HttpPeer, count: int) -> None:
    """Call a tool, one call after the other; each is answered."""
    for _ in range(count):
        assert (await peer.request("tools/call", {"name": "m_echo", "arguments": {"text": "x"}})).result


def echoes(found: list[CallRecord]) -> list[CallRecord]:
    """Those of `echo`."""
    return [call for call in found if call.tool == "echo"]


async def test_a_killed_sidecar_loses_the_last_second_at_most_and_it_is_said_how_many() -> None:
    """The rows and the lost ones together are the calls that were answered."""
    async with running({"m": mock("m")}, {"w": ["m"]}, history=True) as hub:
        async with one_client(hub) as peer:
            await echo(peer, 10)
            await until_stored(hub, 10)
            await echo(peer, 1)  # it writes twice a second, and has just done so
            await hub.kill("sidecar")
        async with asyncio.timeout(100):
            while not (lost := (await status(hub)).lost):  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.05)
        found = echoes(await all_calls(hub))
        assert lost == 11 - len(found) == 1
        assert not list((hub.data_dir / "spool").iterdir())
        await hub.start("sidecar")
        await hub.wait_settled()
        async with one_client(hub) as peer:
            await echo(peer, 3)
        assert len(echoes(await until_stored(hub, len(found) + 3))) == len(found) + 3


async def test_a_recorder_that_is_killed_again_and_again_stores_each_call_once() -> None:
    """It goes on where it was."""
    async with running({"m": mock("m")}, {"w": ["m"]}, history=True) as hub:
        async with one_client(hub) as peer:
            for _ in range(4):
                await echo(peer, 100)
                await hub.kill("recorder")
                await hub.start("recorder")
        found = echoes(await until_ended(hub, 400))
        assert [int(call.correlation.rpartition("-")[2]) for call in found] == sorted(
            {int(call.correlation.rpartition("-")[2]) for call in found}
        )
        assert len(found) == 400


async def test_a_full_disk_costs_no_call_and_no_record() -> None:
    """It is reported as full; what waited is stored when there is space again."""
    async with running({"m": mock("m")}, {"w": ["m"]}, history=True) as hub, one_client(hub) as peer:
        await echo(peer, 1)
        before = len(echoes(await until_stored(hub, 1)))
        recorder = psutil.Process(hub.pid("recorder"))
        recorder.rlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        await echo(peer, 300)
        full = await until_state(hub, "full", spooled=True)
        assert full.code == "RECORDS_FULL"
        assert len(echoes(await all_calls(hub))) == before, "it can be read meanwhile"
        await echo(peer, 10)
        recorder.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until_state(hub, "ok")
        assert len(echoes(await until_ended(hub, before + 310))) == before + 310
        assert (await status(hub)).lost == 0


async def test_a_damaged_file_is_moved_aside() -> None:
    """It is said so, and the history goes on in a new file."""
    async with running({"m": mock("m")}, {"w": ["m"]}, history=True) as hub, one_client(hub) as peer:
        await echo(peer, 5)
        await until_stored(hub, 5)
        await hub.stop("recorder")
        file = hub.data_dir / "history.db"
        with file.open("r+b") as damaged:
            damaged.write(b"not a database at all " * 200)
        await echo(peer, 5)
        await hub.start("recorder")
        assert len(echoes(await until_stored(hub, 10))) == 10, "what the spool still has is stored again"
        said = await status(hub)
        [moved] = hub.data_dir.glob("history.db.corrupt-*[0-9]")
        assert (said.state, said.code) == ("ok", "RECORDS_CORRUPT")
        assert moved.name in said.reason
        assert moved.read_bytes().startswith(b"not a database")


async def test_a_killed_database_costs_no_call_and_no_record() -> None:
    """PostgreSQL is killed, calls go on, it is reported, and all is stored once it is back."""
    with running_postgres() as postgres:
        async with (
            running({"m": mock("m")}, {"w": ["m"]}, history=True, HUB_DATABASE_URL=postgres.url()) as hub,
            one_client(hub) as peer,
        ):
            await echo(peer, 5)
            await until_stored(hub, 5)
            await asyncio.to_thread(postgres.kill)
            await echo(peer, 100)
            away = await until_state(hub, "unavailable", spooled=True)
            assert (away.database, away.code) == ("postgresql", "RECORDS_UNAVAILABLE")
            await asyncio.to_thread(postgres.start)
            await until_state(hub, "ok")
            assert len(echoes(await until_ended(hub, 105))) == 105
            assert (await status(hub)).lost == 0
