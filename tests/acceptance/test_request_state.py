"""What a modern client keeps of a call that waits for it: good for that call, that client, once, and not for long."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.steps import call, code, known, mocks, until
from tests.support import peers, sidecar
from tests.support.hub import Hub
from tests.support.keys import HUB_TOKEN, KeyFile
from tests.support.peers import Era, Exchange, Json, Peer, Transport
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": True}}
FORM: Json = {"action": "accept", "content": {"name": "Ada"}}
ERAS: tuple[Era, ...] = ("legacy", "modern")
OWN = {era: sidecar.mock(f"own-{era}", "--era", era, namespace="own", session="per_client") for era in ERAS}
FEW = sidecar.mock("few", "--era", "legacy", namespace="own", session="per_client", max_instances=6)
BOTH = pytest.mark.parametrize("transport", ["sse", "http"])
EVERY = pytest.mark.parametrize(("server", "transport"), list(itertools.product(ERAS, ("sse", "http"))))
PATIENCE = 1.0
"""What HUB_INPUT_TIMEOUT is where it is waited for."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A protected hub: a workspace of each era's server, and a second one of the legacy one."""
    spaces = [sidecar.workspace(era, OWN[era]) for era in ERAS]
    second = sidecar.workspace("second", OWN["legacy"])
    async with sidecar.running(
        *OWN.values(), FEW, *spaces, second, sidecar.workspace("few", FEW), HUB_TOKEN=HUB_TOKEN
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty() -> AsyncIterator[Sidecar]:
    """One that does not wait long for anything."""
    spaces = [sidecar.workspace(era, OWN[era]) for era in ERAS]
    hurry = {"HUB_INPUT_TIMEOUT": f"{PATIENCE:g}", "HUB_SESSION_IDLE_TIMEOUT": "2"}
    async with sidecar.running(*OWN.values(), *spaces, **hurry) as made:
        yield made


def connect(hub: Hub, space: str, transport: Transport, *, token: str = HUB_TOKEN, able: Json = ABLE) -> Any:
    """A modern client of the protected hub."""
    uds = hub.settings.sidecar_socket
    return peers.connected(f"http://hub/mcp/{space}", transport, "modern", able, token=token, uds=uds)


async def asked(peer: Peer, tool: str = "own_elicit", **arguments: Any) -> Json:
    """The `input_required` result of a call."""
    result = (await peer.request("tools/call", {"name": tool, "arguments": arguments})).result
    assert result["resultType"] == "input_required", result
    return result


async def retry(peer: Peer, result: Json, tool: str = "own_elicit", state: Any = None, **arguments: Any) -> Exchange:
    """Go on with a call: every question is answered with the form; `state` instead of the one that came."""
    responses = dict.fromkeys(result["inputRequests"], FORM)
    again = {"inputResponses": responses, "requestState": result["requestState"] if state is None else state}
    return await peer.request("tools/call", {"name": tool, "arguments": arguments, **again})


def name_in(exchange: Exchange) -> str:
    """Who the server was told it is."""
    return str(exchange.result["structuredContent"]["answer"]["content"]["name"])


# --- a state that is no good -----------------------------------------------------------------------------------------


@EVERY
async def test_tampered(hub: Sidecar, server: Era, transport: Transport) -> None:
    """A state that was changed anywhere, or is none, is refused; the one that came is good all the same."""
    async with connect(hub, server, transport) as peer:
        result = await asked(peer)
        state = result["requestState"]
        assert "asked" not in state
        assert set(result["inputRequests"]) == {"hub-1" if server == "legacy" else "elicitation"}
        for place in (len(state) // 3, len(state) // 2, -5):
            wrong = state[:place] + ("A" if state[place] != "A" else "B") + state[place:][1:]
            assert code(await retry(peer, result, state=wrong)) == "REQUEST_STATE_INVALID"
        for wrong in ("", "hub1.", "x", state[:-8], state + "AAAA", 1, {}, "v1.AAAA"):
            assert code(await retry(peer, result, state=wrong)) == "REQUEST_STATE_INVALID"
        assert name_in(await retry(peer, result)) == "Ada"


@EVERY
async def test_of_another_call(hub: Sidecar, server: Era, transport: Transport) -> None:
    """A state is good for the same tool with the same arguments in the same workspace only."""
    async with connect(hub, server, transport) as peer:
        result = await asked(peer, message="a")
        assert code(await retry(peer, result, message="b")) == "REQUEST_STATE_INVALID"
        assert code(await retry(peer, result, "own_ask_all", message="a")) == "REQUEST_STATE_INVALID"
        prompt = {"name": "own_greet", "arguments": {"message": "a"}, "requestState": result["requestState"]}
        assert code(await peer.request("prompts/get", prompt)) == "REQUEST_STATE_INVALID"
        async with connect(hub, "second" if server == "legacy" else "legacy", transport) as other:
            assert code(await retry(other, result, message="a")) == "REQUEST_STATE_INVALID"
        assert name_in(await retry(peer, result, message="a")) == "Ada"


@EVERY
async def test_of_another_key(hub: Sidecar, server: Era, transport: Transport) -> None:
    """No other key can go on with a call, whatever it has got hold of."""
    keys = KeyFile(hub.data_dir)
    ada, alan = keys.add("ada"), keys.add("alan")
    for token in (ada, alan):
        async with peers.client(token, hub.settings.sidecar_socket) as http:
            await until(lambda http=http: http.get("http://hub/nothing"), lambda reply: reply.status_code == 404, 5)  # type: ignore[misc]
    async with connect(hub, server, transport, token=ada) as mine, connect(hub, server, transport, token=alan) as other:
        result = await asked(mine)
        assert code(await retry(other, result)) == "REQUEST_STATE_INVALID"
        async with connect(hub, server, transport) as hubs_own:
            assert code(await retry(hubs_own, result)) == "REQUEST_STATE_INVALID"
        assert name_in(await retry(mine, result)) == "Ada"


async def test_of_another_session(hub: Sidecar) -> None:
    """Of two sessions with the same key, only the one that called goes on with a parked call."""
    async with connect(hub, "legacy", "sse") as mine, connect(hub, "legacy", "sse") as other:
        result = await asked(mine)
        assert code(await retry(other, result)) == "REQUEST_STATE_INVALID"
        async with connect(hub, "legacy", "http") as third:
            assert code(await retry(third, result)) == "REQUEST_STATE_INVALID"
        assert name_in(await retry(mine, result)) == "Ada"


@BOTH
async def test_replayed(hub: Sidecar, transport: Transport) -> None:
    """A parked call is gone on with once; a state that was used is refused, also while the call goes on."""
    async with connect(hub, "legacy", transport) as peer:
        first = await asked(peer, "own_elicit_often", rounds=2)
        second = (await retry(peer, first, "own_elicit_often", rounds=2)).result
        assert second["resultType"] == "input_required"
        assert second["requestState"] != first["requestState"]
        assert code(await retry(peer, first, "own_elicit_often", rounds=2)) == "REQUEST_STATE_USED"
        last = await retry(peer, second, "own_elicit_often", rounds=2)
        assert len(last.result["structuredContent"]["answers"]) == 2
        assert code(await retry(peer, second, "own_elicit_often", rounds=2)) == "REQUEST_STATE_USED"


@EVERY
async def test_expired(hasty: Sidecar, server: Era, transport: Transport) -> None:
    """Who comes back too late is told to call again; the server of a parked call was let go before."""
    async with peers.connected(hasty.http(server), transport, "modern", ABLE) as peer:
        result = await asked(peer)
        await asyncio.sleep(PATIENCE)
        late = await until(lambda: retry(peer, result), lambda late: "error" in late.answer)
        assert code(late) == "REQUEST_STATE_EXPIRED"
        assert "Repeat the call" in late.answer["error"]["message"]
        about = (await peer.request("tools/call", {"name": "own_connection"})).result["structuredContent"]
        assert about["in_flight"] == 0
        if server == "legacy" and transport == "sse":
            assert about["cancelled"] == 1


@EVERY
async def test_from_before_a_restart(hub: Sidecar, server: Era, transport: Transport) -> None:
    """The key of states lives in the sidecar's memory: after a restart they are refused, and a new call works."""
    async with connect(hub, server, "http") as peer:
        result = await asked(peer)
    await hub.restart("sidecar")
    await hub.apply()
    await until(lambda: _served(hub, server), bool)
    async with connect(hub, server, transport) as peer:
        refused = await retry(peer, result)
        assert code(refused) == "REQUEST_STATE_EXPIRED"
        assert "started" in refused.answer["error"]["message"]
        assert name_in(await retry(peer, await asked(peer))) == "Ada"


async def _served(hub: Hub, space: str) -> bool:
    """Whether a workspace answers yet."""
    try:
        async with connect(hub, space, "http"):
            return True
    except AssertionError:
        return False


@EVERY
async def test_answers_of_no_form(hub: Sidecar, server: Era, transport: Transport) -> None:
    """Answers that are none are refused, and the call can still be gone on with."""
    async with connect(hub, server, transport) as peer:
        result = await asked(peer)
        for wrong in ([], "x", {"hub-1": "x"}, {"hub-1": None}):
            params = {"name": "own_elicit", "inputResponses": wrong, "requestState": result["requestState"]}
            assert code(await peer.request("tools/call", params)) == "PARAMS_INVALID"
        assert name_in(await retry(peer, result)) == "Ada"


@EVERY
async def test_answers_bit_by_bit(hub: Sidecar, server: Era, transport: Transport) -> None:
    """What is not answered yet is asked again."""
    answers: Json = {
        "elicitation/create": FORM,
        "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"},
        "roots/list": {"roots": []},
    }
    async with connect(hub, server, transport) as peer:
        result, seen = await asked(peer, "own_ask_all"), set()
        while "inputRequests" in result:
            key, question = next(iter(result["inputRequests"].items()))
            assert key not in seen
            seen.add(key)
            params = {"inputResponses": {key: answers[question["method"]], "unknown": {}}}
            params |= {"name": "own_ask_all", "requestState": result["requestState"]}
            result = (await peer.request("tools/call", params)).result
        assert len(seen) == 3
        assert result["structuredContent"]["answers"]["roots"] == {"roots": []}


# --- clients that leave ----------------------------------------------------------------------------------------------


@BOTH
async def test_cancelling_a_retry_cancels_the_call(hub: Sidecar, transport: Transport) -> None:
    """A client that gives up while the server works on its answer: the server is told."""
    async with connect(hub, "legacy", transport) as peer, connect(hub, "legacy", transport) as watcher:
        result = await asked(peer, seconds=60)
        going = asyncio.create_task(retry(peer, result, seconds=60))
        if transport == "sse":
            about = lambda: peer.request("tools/call", {"name": "own_connection"})  # noqa: E731
            await until(about, lambda seen: seen.result["structuredContent"]["in_flight"] == 1)
            number = next(iter(peer._waiting))
            await peer.notify("notifications/cancelled", {"requestId": number})
            await until(about, lambda seen: seen.result["structuredContent"]["cancelled"] == 1)
        else:
            before = set(mocks(hub))
            await until(lambda: watcher.request("tools/list"), lambda _: not going.done(), 1)
            going.cancel()
            await until(lambda: asyncio.sleep(0, set(mocks(hub))), lambda now: len(before - now) == 1)
        going.cancel()
        await asyncio.wait([going])
        assert code(await retry(peer, result, seconds=60)) == "REQUEST_STATE_USED"


@BOTH
@pytest.mark.parametrize("server", ERAS)
async def test_clients_that_vanish_leave_nothing(hasty: Sidecar, server: Era, transport: Transport) -> None:
    """Whoever never comes back: the calls are given up, and the processes that they had are gone."""
    for _ in range(2):
        async with peers.connected(hasty.http(server), transport, "modern", ABLE) as peer:
            await asked(peer)
    key = f"own-{server}"
    await hasty.wait_status(
        lambda status: next(each.instances for each in status.servers if each.key == key) == 0, "no instances"
    )
    await until(lambda: asyncio.sleep(0, mocks(hasty)), lambda found: not found)


async def test_parked_calls_count_as_instances(hub: Sidecar) -> None:
    """Over Streamable HTTP each call that waits has a process to itself: where there are keys, up to half of them."""
    token = await known(hub, KeyFile(hub.data_dir).add("another"))
    async with connect(hub, "few", "http", token=token) as peer:
        results = [await asked(peer, message=str(number)) for number in range(3)]
        refused = await peer.request("tools/call", {"name": "own_elicit", "arguments": {"message": "one more"}})
        assert code(refused) == "SERVER_INSTANCES"
        for number, result in enumerate(results):
            assert name_in(await retry(peer, result, message=str(number))) == "Ada"
        assert name_in(await retry(peer, await asked(peer))) == "Ada"


async def test_idle_processes_make_room(hub: Sidecar) -> None:
    """What clients without a session left idle is closed when another kind of client needs the place."""
    for number in range(5):
        able = {**ABLE, "experimental": {"number": {"n": number}}}
        async with connect(hub, "few", "http", able=able) as peer:
            assert name_in(await retry(peer, await asked(peer))) == "Ada"


# --- what a server is told of its client -----------------------------------------------------------------------------


@EVERY
async def test_capabilities_of_each_request(hub: Sidecar, server: Era, transport: Transport) -> None:
    """A server is told what the request declares, also where one client declares now this and now that; but not of an
    extension that the hub does not carry to it."""
    carried = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
    async with connect(hub, server, transport) as peer:
        for able, told in (
            (ABLE, ABLE),
            ({}, {}),
            ({"sampling": {"tools": {}}, "extensions": carried}, {"sampling": {"tools": {}}, "extensions": carried}),
            ({"roots": {}, "extensions": {"example.com/x": {"a": 1}}, "experimental": {"y": {}}}, {"roots": {}}),
            (ABLE, ABLE),
        ):
            peer.capabilities = able
            about = (await peer.request("tools/call", {"name": "own_connection"})).result["structuredContent"]
            assert about["capabilities"] == told


@EVERY
async def test_sequential_calls_share_a_process(hub: Sidecar, server: Era, transport: Transport) -> None:
    """One call after the other: the server keeps its state between them, questions included."""
    async with connect(hub, server, transport) as peer:
        pid = await call(peer, "own_pid")
        assert name_in(await retry(peer, await asked(peer))) == "Ada"
        assert await call(peer, "own_pid") == pid
