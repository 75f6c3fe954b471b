"""`hubctl run <workspace>`: what a client that starts it as its command gets."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import mcp
import pytest
import pytest_asyncio
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import ElicitResult

from tests.support import sidecar
from tests.support.clients import Mode
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.sidecar import Sidecar
from tests.support.stdio import META, Pipes, piped
from tests.support.yamcp import ROOT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

SHARED = sidecar.mock("a")
OWN = sidecar.mock("own", session="per_client")
SPACES = (sidecar.workspace("w", SHARED, OWN), sidecar.workspace("My Work", SHARED, slug="My-Work"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A workspace with a shared server and one of each client's own."""
    async with sidecar.running(SHARED, OWN, *SPACES, HUB_ADAPTER_GRACE="0") as running:
        yield running


async def restart(hub: Sidecar) -> None:
    """Kill the sidecar, and have another one that serves the same."""
    await hub.kill("sidecar")
    await hub.start("sidecar")


def call(tool: str, request_id: Any = 1, **arguments: Any) -> dict[str, Any]:
    """A call of a tool, as a message."""
    return {"id": request_id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


# --- well -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_sdks_client(hub: Sidecar, mode: Mode) -> None:
    """The SDK starts it as it starts any server: tools, progress, resources, prompts, in either era."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "hubctl", "run", "w"], env=hub.env, cwd=ROOT)
    reported: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        reported.append(done)

    async with mcp.Client(stdio_client(command), mode=mode) as client:
        assert "a_echo" in {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("a_chatty", {"count": 3}, progress_callback=progress)
        assert not result.is_error
        assert reported == [1, 2, 3]
        assert (await client.get_prompt("a_plain")).messages
        uri = (await client.list_resources()).resources[0].uri
        assert (await client.read_resource(uri)).contents


async def test_questions_of_a_server(hub: Sidecar) -> None:
    """A request of a server reaches the client, and its answer the server."""

    async def elicit(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "ada"})

    command = StdioServerParameters(command=sys.executable, args=["-m", "hubctl", "run", "w"], env=hub.env, cwd=ROOT)
    async with mcp.Client(stdio_client(command), mode="legacy", elicitation_callback=elicit) as client:
        result = await client.call_tool("own_elicit", {})
        assert result.structured_content["answer"]["content"] == {"name": "ada"}


async def test_messages_pass_as_they_are(hub: Sidecar) -> None:
    """Ids of both kinds, half characters, long integers and large texts, by name as by slug."""
    async with piped(hub.env, "My Work") as pipes:
        await pipes.handshake()
        text = "ü\u2028" * 200_000
        echo = await pipes.ask("x-1", "tools/call", name="a_echo", arguments={"text": text})
        assert echo["result"]["content"][0]["text"] == text
        too_much = await pipes.ask("x-2", "tools/call", name="a_echo", arguments={"text": text * 2})
        assert too_much["error"]["data"]["code"] == "BODY_TOO_LARGE"
        await pipes.write('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a_nested","arguments":'
                          '{"big":123456789012345678901234567890,"half":"\\ud800"}}}')  # fmt: skip
        assert "id" in await pipes.answer(7)
        assert (await pipes.ask(8, "ping"))["result"] == {}
        assert await pipes.end() == (0, "")


async def test_cancellation(hub: Sidecar) -> None:
    """A call that is cancelled reaches its server, is answered as the endpoints do, and holds nothing up."""
    async with piped(hub.env, "w") as pipes:
        await pipes.handshake()
        await pipes.write(call("own_slow", seconds=60))
        await _connection(pipes, lambda state: state["in_flight"] == 1)
        await pipes.write({"method": "notifications/cancelled", "params": {"requestId": 1}})
        assert (await pipes.answer(1))["error"]["code"] == -32800
        await _connection(pipes, lambda state: state["cancelled"] == 1)
        assert await pipes.end() == (0, "")


async def _connection(pipes: Pipes, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the client's own server knows of its connection, once it is as wanted; the test's timeout ends it."""
    while True:
        answer = await pipes.ask("state", "tools/call", name="own_connection", arguments={})
        state: dict[str, Any] = answer["result"]["structuredContent"]
        if wanted(state):
            return state


async def test_lines_that_are_no_messages(hub: Sidecar) -> None:
    """Each gets an error that says so, and the next line is read."""
    async with piped(hub.env, "w") as pipes:
        for line, code, name in (
            ("{", -32700, "LINE_NOT_JSON"),
            ("\0", -32700, "LINE_NOT_JSON"),
            ("[]", -32600, "LINE_NOT_MESSAGE"),
            ('{"id":null,"method":"x"}', -32600, "LINE_NOT_MESSAGE"),
            ('{"method":1}', -32600, "LINE_NOT_MESSAGE"),
        ):
            await pipes.write(line)
            error = (await pipes.answer(None))["error"]
            assert (error["code"], error["data"]["code"]) == (code, name), line
        await pipes.write("")
        assert "result" in await pipes.handshake()


# --- the hub goes and comes back -----------------------------------------------------------------------------------


async def test_the_hub_is_restarted(hub: Sidecar) -> None:
    """What was under way is answered; the session stands again with all that the client had asked of it."""
    async with piped(hub.env, "w") as pipes:
        await pipes.handshake(elicitation={})
        await pipes.ask(2, "logging/setLevel", level="warning")
        await pipes.ask(3, "tools/call", name="own_echo", arguments={"text": "start it"})
        uris = [each["uri"] for each in (await pipes.ask(4, "resources/list"))["result"]["resources"]]
        counter = next(uri for uri in uris if "own" in uri and uri.endswith("counter"))
        assert "result" in await pipes.ask(5, "resources/subscribe", uri=counter)
        await pipes.write(call("own_elicit", "asking"))
        question = await pipes.notice("elicitation/create")
        await pipes.write(call("a_never", "lost"))
        await pipes.ask(6, "ping")

        await restart(hub)
        error = (await pipes.answer("lost"))["error"]
        assert (error["code"], error["data"]["code"]) == (-32010, "HUB_CONNECTION_LOST")
        assert (await pipes.answer("asking"))["error"]["data"]["code"] == "HUB_CONNECTION_LOST"
        assert (await pipes.notice("notifications/cancelled"))["params"]["requestId"] == question["id"]
        for kind in ("tools", "prompts", "resources"):
            await pipes.notice(f"notifications/{kind}/list_changed")
        assert (await pipes.notice("notifications/resources/updated"))["params"]["uri"] == counter

        await pipes.write({"id": question["id"], "result": {"action": "decline"}})  # nobody asks any more
        assert "result" in await pipes.ask(7, "tools/call", name="a_echo", arguments={"text": "x"})
        state = await _connection(pipes, lambda state: state["subscriptions"] == ["mock://counter"])
        assert state["log_level"] == "warning"
        assert "elicitation" in state["capabilities"]
        again = await _asked_again(pipes)
        await pipes.write({"id": again["id"], "result": {"action": "accept", "content": {"name": "ada"}}})
        assert "result" in await pipes.answer("again")
        assert again["id"] != question["id"]
        assert await pipes.end() == (0, "")


async def _asked_again(pipes: Pipes) -> dict[str, Any]:
    await pipes.write(call("own_elicit", "again"))
    return await pipes.notice("elicitation/create")


async def test_a_modern_client_goes_on_listening(hub: Sidecar) -> None:
    """Its `subscriptions/listen` stands again, with a notice and without a second acknowledgement."""
    async with piped(hub.env, "w") as pipes:
        await pipes.ask(1, "server/discover", _meta=META)
        params = {"notifications": {"toolsListChanged": True}, "_meta": META}
        await pipes.write({"id": "l", "method": "subscriptions/listen", "params": params})
        await pipes.notice("notifications/subscriptions/acknowledged")
        await restart(hub)
        news = await pipes.notice("notifications/tools/list_changed")
        assert news["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "l"}
        await hub.wait_status(lambda status: status.settled, "settled")
        assert "result" in await pipes.ask(
            2, "tools/call", name="a_change_tools", arguments={"name": "new"}, _meta=META
        )
        await pipes.notice("notifications/tools/list_changed")
        assert "result" in await pipes.ask(
            3, "tools/call", name="a_change_tools", arguments={"name": "new"}, _meta=META
        )
        assert await pipes.end() == (0, "")
        assert not [each for each in pipes.kept if each.get("method") == "notifications/subscriptions/acknowledged"]


async def test_requests_wait_for_a_hub_that_is_away(hub: Sidecar) -> None:
    """One that comes while the hub is being restarted is answered by the next."""
    async with piped(hub.env, "w") as pipes:
        await pipes.handshake()
        await pipes.write(call("a_never"))
        await pipes.ask(3, "ping")
        await hub.kill("sidecar")
        assert "error" in await pipes.answer(1)  # now it knows
        await pipes.write({"id": 2, "method": "tools/list"})
        await hub.start("sidecar")
        assert "result" in await pipes.answer(2)


# --- its end ---------------------------------------------------------------------------------------------------------


async def test_the_end_of_input_answers_what_was_asked(hub: Sidecar) -> None:
    """A file as stdin will do, and what it asks for is answered before the end, a last line without an end included."""
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", **call("a_slow", 1, seconds=0.5)},
        {"jsonrpc": "2.0", **call("a_echo", 2, text="x")},
    ]
    with tempfile.TemporaryFile() as file:
        file.write("\n".join(map(json.dumps, messages)).encode())
        file.seek(0)
        async with piped(hub.env, "w", stdin=file) as pipes:
            assert await pipes.ended() == (0, "")
            assert sorted(each["id"] for each in pipes.kept if "result" in each) == [0, 1, 2]


@pytest.mark.parametrize(("sig", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_signals_end_it(hub: Sidecar, sig: signal.Signals, code: int) -> None:
    """At once, whatever is under way, and without a word."""
    async with piped(hub.env, "w") as pipes:
        await pipes.handshake()
        await pipes.write(call("a_never"))
        await pipes.ask(2, "ping")
        pipes.process.send_signal(sig)
        assert await pipes.ended() == (code, "")


async def test_a_client_that_reads_no_more(hub: Sidecar) -> None:
    """Its end is the bridge's."""
    async with piped(hub.env, "w") as pipes:
        await pipes.handshake()
        await pipes.read_no_more()
        await pipes.write({"id": 2, "method": "ping"})
        async with asyncio.timeout(100):
            assert await pipes.process.wait() == 1


async def test_a_workspace_that_there_is_not(hub: Sidecar) -> None:
    """Exit code 1, and one line that names those that there are."""
    async with piped(hub.env, "nope") as pipes:
        code, err = await pipes.ended()
        assert (code, pipes.kept, err.count("\n")) == (1, [], 1)
        assert err.startswith("NO_SUCH_WORKSPACE: There is no workspace 'nope'; there are: w, My Work.")


# --- a hub that wants a token -----------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def protected() -> AsyncIterator[tuple[Sidecar, str]]:
    """With a token of its own, and a key for one workspace."""
    async with sidecar.running(SHARED, OWN, *SPACES, HUB_TOKEN=HUB_TOKEN) as running:
        keys = KeyFile(running.settings.data_dir)
        token = keys.add("agent", ["w"])
        yield running, token


def without_token(hub: Sidecar, **variables: str) -> dict[str, str]:
    """The environment of a client to whom nobody gave the hub's token."""
    return {name: value for name, value in hub.env.items() if name != "HUB_TOKEN"} | variables


async def test_the_hubs_own_token(protected: tuple[Sidecar, str]) -> None:
    """Who has it in HUB_TOKEN is let in; a restart changes nothing."""
    hub, _ = protected
    async with piped(hub.env, "w") as pipes:
        assert "result" in await pipes.handshake()
        await restart(hub)
        await pipes.notice("notifications/tools/list_changed")
        assert "result" in await pipes.ask(2, "tools/list")


async def test_a_key(protected: tuple[Sidecar, str], tmp_path: Path) -> None:
    """From a file or the variable; it opens its workspaces and no other."""
    hub, token = protected
    file = tmp_path / "token"
    file.write_text(token + "\n")
    async with piped(without_token(hub), "w", "--token-file", str(file)) as pipes:
        assert "result" in await pipes.handshake()
    env = without_token(hub, YAMCP_HUB_TOKEN=token)
    async with piped(env, "w") as pipes:
        assert "result" in await pipes.handshake()
    async with piped(env, "My Work") as pipes:
        code, err = await pipes.ended()
        assert (code, pipes.kept) == (1, [])
        assert err.startswith("HUB_REFUSED: The hub answered HTTP 404: ")


@pytest.mark.parametrize(
    ("variables", "words", "code", "error"),
    [
        ({}, (), 1, "NO_TOKEN"),
        ({"YAMCP_HUB_TOKEN": "not-the-token-of-any-hub"}, (), 1, "HUB_REFUSED"),
        ({}, ("--token-file", "/dev/null"), 2, "CLI_ARGUMENTS"),
        ({}, ("--token-file", "/no/such"), 2, "CLI_ARGUMENTS"),
    ],
)
async def test_without_a_token_that_is_good(
    protected: tuple[Sidecar, str], variables: dict[str, str], words: tuple[str, ...], code: int, error: str
) -> None:
    """Each way says what is missing, and never the token."""
    hub, _ = protected
    async with piped(without_token(hub, **variables), "w", *words) as pipes:
        found, err = await pipes.ended()
        assert (found, pipes.kept, err.partition(":")[0]) == (code, [], error)
        assert "not-the-token" not in err
