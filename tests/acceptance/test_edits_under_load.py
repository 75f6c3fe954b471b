"""Edits of YAMCP's files under clients that call without a pause: what an edit does not touch, nobody notices."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from tests.acceptance.steps import ask, call, code, mocks, pids, tools, until
from tests.support import peers
from tests.support.hub import Hub, running
from tests.support.peers import Era, Peer, Transport
from tests.support.yamcp import Providers, Workspaces, mock

SESSIONS: list[tuple[Transport, Era]] = [
    *[("sse", "legacy")] * 5,
    *[("sse", "modern")] * 1,
    *[("http", "legacy")] * 2,
    *[("http", "modern")] * 2,
]
EDITS, BURST = 50, 100
UNTOUCHED = ("first", "second")
LISTENED = {"toolsListChanged": True}


@dataclass
class Files:
    """What YAMCP's files say: two servers that stay, and three of which each edit changes one."""

    number: int = 0
    variable: str = "0"
    extra: bool = False
    key: str = "renamed"
    namespace: str = "named"
    changes: Iterator[str] = field(
        default_factory=lambda: itertools.cycle(("add", "key", "variable", "namespace", "remove", "variable"))
    )

    def edit(self) -> str:
        """Make the next change; which it was."""
        change = next(self.changes)
        self.number += 1
        match change:
            case "add" | "remove":
                self.extra = change == "add"
            case "key" | "namespace":
                setattr(self, change, f"{change}{self.number}")
            case "variable":
                self.variable = str(self.number)
        return change

    def write(self, hub: Hub) -> None:
        """Have the hub see it."""
        providers: Providers = {name: mock(name) for name in UNTOUCHED}
        providers["env"] = mock("env", env={"NUMBER": self.variable})
        providers[self.key] = {**mock("named"), "namespace": self.namespace}
        if self.extra:
            providers["extra"] = mock("extra")
        workspaces: Workspaces = {"w": list(providers), "other": list(UNTOUCHED)}
        hub.write(providers, workspaces)

    def namespaces(self) -> set[str]:
        """The namespaces of all servers."""
        return {*UNTOUCHED, "env", self.namespace, *(["extra"] if self.extra else [])}


class Load:
    """Sessions that call without a pause. `present` are the namespaces whose calls have to succeed."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.present = files.namespaces()
        self.peers: list[Peer] = []
        self.ended = False
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self, peer: Peer) -> None:
        """Call each server's tool in turn."""
        for number in itertools.count():
            if self.ended:
                return
            namespaces = (*UNTOUCHED, "env", self.files.namespace, "extra")
            await self._call(peer, namespaces[number % len(namespaces)], str(number))

    async def _call(self, peer: Peer, namespace: str, text: str) -> None:
        expected = namespace in self.present
        found = await ask(peer, f"{namespace}_echo", text=text)
        outcome = code(found) or ("ok" if found.answer.get("result", {}).get("content") == [_text(text)] else "strange")
        self.outcomes[outcome] += 1
        if outcome != "ok" and (outcome != "TOOL_UNKNOWN" or (expected and namespace in self.present)):
            self.wrong.append(f"{namespace} {peer.era}: {found.answer}")


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@contextlib.asynccontextmanager
async def load(hub: Hub, files: Files) -> AsyncIterator[Load]:
    """Ten sessions that call until the context ends."""
    running = Load(files)
    async with contextlib.AsyncExitStack() as stack:
        for transport, era in SESSIONS:
            peer = await stack.enter_async_context(peers.connected(hub.http("w"), transport, era))
            await stack.enter_async_context(peer.listening(LISTENED))
            running.peers.append(peer)
        async with asyncio.TaskGroup() as tasks:
            for peer in running.peers:
                tasks.create_task(running.run(peer))
            try:
                yield running
            finally:
                running.ended = True


async def test_edits_under_load() -> None:
    """50 edits awaited one by one, then 100 at once: no call fails that should not, no session ends, pids stay."""
    files = Files()
    async with running({}, {}, settle=False) as hub:
        files.write(hub)
        await hub.wait_settled()
        before = await pids(hub)
        async with load(hub, files) as calls:
            for _ in range(EDITS):
                await edit(hub, calls)
            awaited = dict(calls.outcomes)
            calls.present = {*UNTOUCHED, "env"}
            for number in range(BURST):
                files.edit()
                files.write(hub)
                await asyncio.sleep(0.001 * (number % 40))  # within one settling, and beyond it
            await hub.wait_settled()
            calls.present = files.namespaces()
            for peer in calls.peers:
                await until(lambda peer=peer: shown(peer), lambda found: found == files.namespaces())
        assert calls.wrong == []
        assert awaited["ok"] > EDITS * len(SESSIONS)
        assert calls.outcomes["TOOL_UNKNOWN"] > 0
        after = await pids(hub)
        assert [after[name] for name in (*UNTOUCHED, files.key)] == [before[name] for name in (*UNTOUCHED, "renamed")]
        assert after.keys() == {*UNTOUCHED, "env", files.key, *(["extra"] if files.extra else [])}
        await until(lambda: asyncio.to_thread(variables, hub), lambda found: found == expected(files))


async def edit(hub: Hub, calls: Load) -> None:
    """One edit, awaited to its applied revision; what it adds and takes away is told to every session."""
    files, since, notes = calls.files, len(hub.events), [len(peer.notes) for peer in calls.peers]
    gone = files.namespace
    change = files.edit()
    calls.present &= files.namespaces()
    files.write(hub)
    await hub.wait_event(lambda event: event.topic == "applied", since)
    if change in ("add", "remove", "namespace"):
        for peer, count in zip(calls.peers, notes, strict=True):
            await peer.wait_note("notifications/tools/list_changed", count)
            await until(lambda peer=peer: shown(peer), lambda found: found == files.namespaces())
    calls.present = files.namespaces()
    peer = calls.peers[files.number % len(calls.peers)]
    if change == "namespace":
        assert code(await ask(peer, f"{gone}_echo", text="gone")) == "TOOL_UNKNOWN"
    if change == "remove":
        assert code(await ask(peer, "extra_echo", text="gone")) == "TOOL_UNKNOWN"
    if change == "variable":
        await until(lambda: call(peer, "env_env", name="NUMBER"), lambda value: value == files.variable)


async def shown(peer: Peer) -> set[str]:
    """The namespaces that a session sees."""
    return {name.partition("_")[0] for name in await tools(peer)}


def variables(hub: Hub) -> list[tuple[str, str]]:
    """What tells each server's process from the others."""
    return sorted((environ["TEST_SERVER"], environ.get("NUMBER", "")) for environ in mocks(hub).values())


def expected(files: Files) -> list[tuple[str, str]]:
    """Exactly these processes should run."""
    return sorted(
        [
            *((name, "") for name in (*UNTOUCHED, "named")),
            ("env", files.variable),
            *([("extra", "")] if files.extra else []),
        ]
    )


async def test_half_an_edit() -> None:
    """A server is renamed in one file while the other is empty: what is read then costs no process and no call."""
    files = Files()
    async with running({}, {}, settle=False) as hub:
        files.write(hub)
        await hub.wait_settled()
        before = await pids(hub)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            for name in ("again", "and-again"):
                since = len(hub.events)
                (hub.yamcp_dir / "providers.json").write_text("")
                hub.write(workspaces={"w": [*UNTOUCHED, "env", name], "other": list(UNTOUCHED)})
                await asyncio.sleep(0.06)  # the adapter reads 40 ms after a change
                files.key = name
                files.write(hub)
                await hub.wait_event(lambda event: event.topic == "applied", since)
                assert await call(peer, "named_echo", text=name) == name
                assert (await pids(hub))[name] == before["renamed"]
            assert peer.notes == []


UNDER_WAY = 6
"""Seconds that the calls of the next test take: longer than a server takes to start."""


async def test_calls_under_way() -> None:
    """A call finishes on the process that it began on, while its server is changed, and while it is removed."""
    providers = {"a": mock("a", env={"NUMBER": "0"}), "b": mock("b"), "c": mock("c")}
    async with running(providers, {"w": ["a", "b", "c"]}) as hub:
        before = await pids(hub)
        async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
            under_way = [asyncio.create_task(ask(peer, f"{name}_slow", seconds=UNDER_WAY)) for name in ("a", "b")]
            await until(hub.status, lambda status: sum(each.calls_in_flight for each in status.servers) == 2)
            hub.write({"a": mock("a", env={"NUMBER": "1"}), "c": providers["c"]}, {"w": ["a", "c"]})
            await until(lambda: call(peer, "a_env", name="NUMBER"), lambda value: value == "1")
            assert code(await ask(peer, "b_echo", text="gone")) == "TOOL_UNKNOWN"
            assert not any(each.done() for each in under_way)
            assert [(await each).result["content"][0]["text"] for each in under_way] == [f"slept {UNDER_WAY} s"] * 2
        await until(lambda: asyncio.to_thread(variables, hub), lambda found: found == [("a", "1"), ("c", "")])
        assert (await pids(hub))["c"] == before["c"]
