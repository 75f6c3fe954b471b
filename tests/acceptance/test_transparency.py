"""A server behind the hub, with an empty prefix, is that server, frame for frame, but for docs/transparency.md."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from bridge.models import RemoteLaunch, ServerSpec, StdioLaunch
from sidecar.version import VERSION
from tests.acceptance import scripts
from tests.acceptance.differences import DIFFERENCES, Case, expected, keep_what_is_the_clients, masked
from tests.acceptance.scripts import LISTS, Step, without_clock
from tests.support import peers, sidecar
from tests.support.hub import free_port
from tests.support.peers import Era, Exchange, Json, Peer, Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Subject:
    """A server, what is asked of it, and the eras that it speaks."""

    spec: ServerSpec
    steps: list[Step]
    legacy_steps: list[Step]
    others: dict[str, str]
    """Tools that are not called, and why."""
    eras: tuple[Era, ...]

    def direct_era(self, client: Era) -> Era:
        """The era in which that client speaks to it without a hub."""
        return client if client in self.eras else self.eras[0]


def mock(*flags: str, eras: tuple[Era, ...]) -> Subject:
    """The mock server with all that it can list."""
    spec = sidecar.mock("mock", "--odd-names", "--tools", "5", "--instructions", "Größe.", "--ttl-ms", "60000", *flags)
    return Subject(spec, scripts.MOCK, scripts.MOCK_LEGACY, scripts.MOCK_OTHERS, eras)


SUBJECTS = {
    "everything": Subject(
        sidecar.everything(),
        scripts.EVERYTHING,
        scripts.EVERYTHING_LEGACY,
        scripts.EVERYTHING_OTHERS,
        ("legacy",),
    ),
    "legacy": mock("--era", "legacy", eras=("legacy",)),
    "modern": mock("--era", "modern", eras=("modern",)),
    "both": mock("--era", "both", eras=("legacy", "modern")),
    "pages": mock("--paginate", "4", eras=("legacy", "modern")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A sidecar for all of these tests; each puts a server of its own."""
    async with sidecar.running(public=True) as running:
        yield running


@dataclass
class Pair:
    """The same server twice: spoken to directly, and through the hub."""

    direct: Peer
    through: Peer
    client: Era
    direct_era: Era
    upstream: Era
    server_info: Json
    exposed: frozenset[str] = frozenset()

    async def lists(self) -> list[str]:
        """Compare the handshake and the lists."""
        method = "initialize" if self.client == "legacy" else "server/discover"
        found = [self._differ(method, {}, Exchange(_result(self.direct)), Exchange(_result(self.through)))]
        for method, key in LISTS.items():
            direct = await self.direct.whole_list(method, key)
            names = {item["name"] for item in direct.result[key]}
            self.exposed |= names if key in ("tools", "prompts") else set()
            found.append(self._differ(method, {}, direct, await self.through.request(method)))
        return [difference for difference in found if difference]

    async def answers(self, steps: list[Step]) -> list[str]:
        """Compare the answers to these requests, made in this order."""
        found = []
        for method, params in steps:
            direct = await self.direct.request(method, params)
            found.append(self._differ(method, params, direct, await self.through.request(method, params)))
        return [difference for difference in found if difference]

    async def notices(self, method: str) -> list[str]:
        """Compare the notifications of one kind that came on their own, all so far."""
        direct = [note for note in self.direct.notes if note["method"] == method]
        for index in range(len(direct)):
            await self.through.wait_note(method, index)
        through = [note for note in self.through.notes if note["method"] == method]
        return [] if _text(direct) == _text(through) else [_diff(method, _text(direct), _text(through))]

    def _differ(self, method: str, params: Json, direct: Exchange, through: Exchange) -> str:
        case = Case(method, params, self.client, self.direct_era, self.upstream, self.server_info, self.exposed)
        if params.get("name") == "connection":
            keep_what_is_the_clients(through)
        wanted, got = _shown(expected(case, direct)), _shown(masked(through))
        return "" if wanted == got else _diff(f"{method} {json.dumps(params)[:200]}", wanted, got)


def _result(peer: Peer) -> Json:
    return {"result": peer.greeting}


def _shown(exchange: Exchange) -> str:
    notes = [note for note in exchange.notes if note["method"] == "notifications/progress"]
    return _text({"answer": without_clock(exchange.answer), "progress": notes})


def _text(value: Any) -> str:
    """As text, which keeps 1 and 1.0 apart."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


def _diff(title: str, wanted: str, got: str) -> str:
    lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), "direct", "hub", lineterm="", n=2)
    return "\n".join([title, *(line[:300] for line in lines)])


@contextlib.asynccontextmanager
async def paired(
    hub: Sidecar, name: str, transport: Transport, client: Era, remote: RemoteLaunch | None = None
) -> AsyncIterator[Pair]:
    """Both connections, greeted; the hub's server is put and removed. With `remote`, the hub's is reached over HTTP."""
    subject = SUBJECTS[name]
    key = f"{name}-{transport}-{client}"
    launch = _launch(subject)
    own = remote or launch.model_copy(update={"env": {"TEST": key}})
    spec = subject.spec.model_copy(update={"key": key, "launch": own})
    await hub.put(spec, sidecar.workspace(key, spec, template="{name}"))
    direct_era = subject.direct_era(client)
    try:
        async with (
            peers.direct(launch, direct_era) as direct,
            peers.connected(hub.http(key), transport, client) as through,
        ):
            yield Pair(direct, through, client, direct_era, subject.eras[0], {"name": key, "version": VERSION})
    finally:
        await hub.remove(key)


CELLS = [(transport, era) for transport in ("sse", "http") for era in ("legacy", "modern")]


@pytest.mark.parametrize(("transport", "era"), CELLS)
@pytest.mark.parametrize("name", SUBJECTS)
async def test_everything_asked_is_answered_as_by_the_server_itself(
    hub: Sidecar, name: str, transport: Transport, era: Era
) -> None:
    """Handshake, lists, calls, reads, prompts, completions, progress and errors differ only as the list says."""
    subject = SUBJECTS[name]
    async with paired(hub, name, transport, era) as pair:
        found = await pair.lists() + await pair.answers(subject.steps)
        if era == pair.direct_era == "legacy":
            found += await pair.answers(subject.legacy_steps)
            found += await pair.notices("notifications/resources/updated")
            found += await pair.notices("notifications/message")  # it is the server's only client
    assert not found, "\n\n".join(found)


@contextlib.asynccontextmanager
async def everything_over(kind: str) -> AsyncIterator[str]:
    """server-everything as an HTTP server, `sse` or `streamableHttp`; its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(sidecar.EVERYTHING),
        kind,
        env={**os.environ, "PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    try:
        async with asyncio.timeout(100):
            while str(port).encode() not in await process.stderr.readline():
                pass
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize(("transport", "era"), [("sse", "legacy"), ("http", "modern")])
@pytest.mark.parametrize(("kind", "path", "told"), [("sse", "/sse", "sse"), ("streamableHttp", "/mcp", "http")])
async def test_a_remote_server_is_as_transparent(
    hub: Sidecar, kind: str, path: str, told: str, transport: Transport, era: Era
) -> None:
    """server-everything over HTTP+SSE or Streamable HTTP, whichever the hub finds, answers as it does on stdio."""
    subject = SUBJECTS["everything"]
    async with (
        everything_over(kind) as address,
        paired(hub, "everything", transport, era, RemoteLaunch(url=address + path)) as pair,
    ):
        assert (await hub.server(f"everything-{transport}-{era}")).transport == told
        found = await pair.lists() + await pair.answers(subject.steps)
        if era == "legacy":
            found += await pair.answers(subject.legacy_steps)
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize(("transport", "era"), CELLS)
async def test_clients_at_once_do_not_meet(hub: Sidecar, transport: Transport, era: Era) -> None:
    """Two clients with the same ids and progress tokens, calling one server at once, get each their own answers."""
    spec = SUBJECTS["both"].spec.model_copy(update={"key": "at-once"})
    await hub.put(spec, sidecar.workspace("at-once", spec, template="{name}"))
    try:
        async with contextlib.AsyncExitStack() as stack:
            both = [
                await stack.enter_async_context(peers.connected(hub.http("at-once"), transport, era)) for _ in range(2)
            ]
            for rounds in range(3):
                asked = [
                    peer.request(*scripts.call("chatty", "same", count=count, delay=0.01))
                    for peer, count in zip(both, (3 + rounds, 7), strict=True)
                ]
                for exchange, count in zip(await asyncio.gather(*asked), (3 + rounds, 7), strict=True):
                    assert exchange.result["content"][0]["text"] == f"said {count} things"
                    progress = [note for note in exchange.notes if note["method"] == "notifications/progress"]
                    assert [note["params"]["progress"] for note in progress] == [*range(1, count + 1)]
                    assert {note["params"]["total"] for note in progress} == {count}
                    assert {note["params"]["progressToken"] for note in progress} == {"same"}
    finally:
        await hub.remove("at-once")


@pytest.mark.parametrize("transport", ["sse", "http"])
@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_legacy_revision(hub: Sidecar, transport: Transport, version: str) -> None:
    """A client of any legacy revision gets its revision, and the same lists and answers as of the newest."""
    name = f"revision-{version}-{transport}"
    spec = SUBJECTS["both"].spec.model_copy(update={"key": name})
    await hub.put(spec, sidecar.workspace(name, spec, template="{name}"))
    try:
        async with (
            peers.connected(hub.http(name), transport, "legacy", version=version) as old,
            peers.connected(hub.http(name), transport, "legacy") as new,
        ):
            assert old.greeting == {**new.greeting, "protocolVersion": version}
            for method, params in [*((method, {}) for method in LISTS), scripts.call("add", a=1, b=2)]:
                assert await old.request(method, params) == await new.request(method, params)
    finally:
        await hub.remove(name)


@pytest.mark.parametrize("name", ["everything", "both"])
async def test_no_tool_is_forgotten(hub: Sidecar, name: str) -> None:
    """Every tool of the servers is called in the comparison, or stands in the list of those that cannot be compared."""
    subject = SUBJECTS[name]
    called = {params.get("name") for method, params in subject.steps if method == "tools/call"}
    async with peers.direct(_launch(subject), "legacy") as direct:
        tools = (await direct.request("tools/list")).result["tools"]
    assert {tool["name"] for tool in tools} - called == subject.others.keys()


def _launch(subject: Subject) -> StdioLaunch:
    assert isinstance(subject.spec.launch, StdioLaunch)
    return subject.spec.launch


@pytest.mark.parametrize(("transport", "era"), CELLS)
@pytest.mark.parametrize("kind", ["tools", "prompts", "resources"])
async def test_list_changes(hub: Sidecar, kind: str, transport: Transport, era: Era) -> None:
    """A list that the server changes changes for clients, who are told, in each era in its way."""
    method, key = f"notifications/{kind}/list_changed", f"{kind}/list"
    async with paired(hub, "both", transport, era) as pair:
        for peer in (pair.direct, pair.through):
            async with peer.listening({f"{kind}ListChanged": True}):
                since = len(peer.notes)
                await peer.request(*scripts.call(f"change_{kind}", name="new"))
                note = await peer.wait_note(method, since)
                assert note.get("params", {}).keys() <= {"_meta"}
                assert "new" in json.dumps((await peer.request(key)).result)
        assert await pair.lists() == []


@pytest.mark.parametrize(("transport", "era"), CELLS)
async def test_resource_updates(hub: Sidecar, transport: Transport, era: Era) -> None:
    """A resource that changes is told to who subscribed to it, in each era in its way, and to nobody else."""
    async with paired(hub, "both", transport, era) as pair:
        for peer in (pair.direct, pair.through):
            if era == "legacy":
                await peer.request("resources/subscribe", {"uri": "mock://counter"})
            async with peer.listening({"resourceSubscriptions": ["mock://counter"]}):
                await peer.request(*scripts.call("update_resource", uri="mock://hello"))
                await peer.request(*scripts.call("update_resource"))
                note = await peer.wait_note("notifications/resources/updated")
                assert note["params"]["uri"] == "mock://counter"


async def test_the_document_lists_exactly_these_differences() -> None:
    """docs/transparency.md has a row for each function in differences.py, with its docstring as the reason."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/transparency.md").read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == {name: " ".join((function.__doc__ or "").split()) for name, function in DIFFERENCES.items()}
