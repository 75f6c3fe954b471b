"""Legacy clients of modern servers: `input_required` becomes requests to the client, and a retry with the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.calls.legacy_calls import MAX_ROUNDS
from sidecar.errors import CallTimeout
from sidecar.input_errors import ClientFeatureMissing, InputRefused, InputRounds
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from tests.support.fake_server import FakeServer, text, until
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside

ABLE: dict[str, Any] = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
FORM = {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}}


def required(state: str | None = None, **requests: Any) -> dict[str, Any]:
    """A result that wants input."""
    found: dict[str, Any] = {"resultType": "input_required"}
    if requests:
        found["inputRequests"] = requests
    return found if state is None else {**found, "requestState": state}


class Client(Recorder):
    """A legacy client whose answers a test gives; `gate` holds them back."""

    def __init__(self, capabilities: dict[str, Any], **answers: Frame) -> None:
        super().__init__()
        self.capabilities = capabilities
        self.answers = answers
        self.gate = asyncio.Event()
        self.gate.set()
        self.questions: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        self.questions.append((method, params))
        await self.gate.wait()
        return self.answers.get(method.partition("/")[0], jsonrpc.result(0, {"action": "accept"}))


class Scripted(FakeServer):
    """A modern server whose tool answers with these results, one after the other."""

    def __init__(self) -> None:
        super().__init__(era="modern", tools={"ask": self._ask})
        self.script: list[dict[str, Any]] = []

    def _ask(self, a: int) -> dict[str, Any]:
        return self.script.pop(0) if self.script else text("done")

    def retries(self) -> list[dict[str, Any]]:
        """What the hub sent in each round: answers and state."""
        calls = [frame["params"] for frame in self.channel.got("tools/call")]
        return [{key: call[key] for key in ("inputResponses", "requestState") if key in call} for call in calls]


@pytest.fixture
def server() -> Scripted:
    """One."""
    return Scripted()


@pytest.fixture
async def hub(tmp_path: Path, server: Scripted) -> AsyncIterator[World]:
    """A workspace of it."""
    async with world(tmp_path, server) as made:
        made.put(server.spec(call_timeout=5, tool_timeouts={"ask": 5}), space("fake"))
        await made.settled()
        yield made


async def call(hub: World, client: Client) -> Any:
    """Call the tool."""
    return await hub.ask(client, "tools/call", {"name": "fake_ask", "arguments": {"a": 1}})


async def test_one_round(hub: World, server: Scripted) -> None:
    """The client is asked, the server gets answer and state, the client its result without anything of the era."""
    server.script = [required("s1", q=FORM)]
    client = Client(ABLE)
    assert await call(hub, client) == text("done")
    assert client.questions == [("elicitation/create", FORM["params"])]
    assert server.retries() == [{}, {"inputResponses": {"q": {"action": "accept"}}, "requestState": "s1"}]
    assert [frame["params"]["arguments"] for frame in server.channel.got("tools/call")] == [{"a": 1}] * 2


async def test_rounds_and_states(hub: World, server: Scripted) -> None:
    """Each round carries its own answers and the newest state; a round without questions is only asked again."""
    server.script = [
        required("s1", q=FORM),
        required("s2"),
        required(q=FORM),
        required("s4", r={"method": "roots/list"}),
    ]
    client = Client(ABLE, roots=jsonrpc.result(0, {"roots": []}))
    assert await call(hub, client) == text("done")
    accept = {"action": "accept"}
    assert server.retries() == [
        {},
        {"inputResponses": {"q": accept}, "requestState": "s1"},
        {"requestState": "s2"},
        {"inputResponses": {"q": accept}},
        {"inputResponses": {"r": {"roots": []}}, "requestState": "s4"},
    ]


async def test_questions_are_asked_at_once(hub: World, server: Scripted) -> None:
    """None waits for another's answer."""
    server.script = [required(a=FORM, b=FORM, c={"method": "roots/list"})]
    client = Client(ABLE)
    client.gate.clear()
    calling = asyncio.create_task(call(hub, client))
    await until(lambda: len(client.questions) == 3)
    client.gate.set()
    assert await calling == text("done")


async def test_declines_are_answers(hub: World, server: Scripted) -> None:
    """What the user declined or dismissed is for the server to know."""
    server.script = [required(a=FORM)]
    assert await call(hub, Client(ABLE, elicitation=jsonrpc.result(0, {"action": "decline"}))) == text("done")
    assert server.retries()[1] == {"inputResponses": {"a": {"action": "decline"}}}


async def test_an_error_of_the_client_ends_the_call(hub: World, server: Scripted) -> None:
    """The era has no way to tell the server of it; the client learns which of its answers it was."""
    server.script = [required(a=FORM, b={"method": "sampling/createMessage", "params": {}})]
    error = {"code": -1, "message": "User rejected sampling request"}
    with pytest.raises(InputRefused) as caught:
        await call(hub, Client(ABLE, sampling=jsonrpc.error(0, error)))
    assert caught.value.rpc()["data"]["error"] == error
    assert len(server.retries()) == 1


async def test_a_client_that_cannot(hub: World, server: Scripted) -> None:
    """It is not asked at all, not even what it could answer; the error says what is lacking."""
    server.script = [required(a=FORM, b={"method": "roots/list"})]
    client = Client({"elicitation": {}})
    with pytest.raises(ClientFeatureMissing) as caught:
        await call(hub, client)
    assert caught.value.rpc()["code"] == -32021
    assert caught.value.rpc()["data"]["requiredCapabilities"] == {"roots": {}}
    assert client.questions == []


async def test_it_ends(hub: World, server: Scripted) -> None:
    """A server that asks for ever is given up after so many rounds."""
    server.script = [required(a=FORM) for _ in range(2 * MAX_ROUNDS)]
    client = Client(ABLE)
    with pytest.raises(InputRounds, match="10 times"):
        await call(hub, client)
    assert len(client.questions) == MAX_ROUNDS + 1


async def test_the_deadline_covers_the_client(hub: World, server: Scripted) -> None:
    """A client that does not answer in the time of the call."""
    hub.put(server.spec(tool_timeouts={"ask": 0.05}))
    server.script = [required(a=FORM)]
    client = Client(ABLE)
    client.gate.clear()
    with pytest.raises(CallTimeout, match="did not answer"):
        await call(hub, client)


async def test_cancelled_while_the_client_is_asked(hub: World, server: Scripted) -> None:
    """The call ends there and then, and no question is left."""
    server.script = [required(a=FORM)]
    client = Client(ABLE)
    client.gate.clear()
    calling = asyncio.create_task(call(hub, client))
    await until(lambda: client.questions)
    calling.cancel()
    await asyncio.wait([calling])
    assert calling.cancelled()
    assert len(server.retries()) == 1


async def test_a_legacy_result_of_that_name_is_a_result(tmp_path: Path) -> None:
    """`resultType` means nothing in the legacy era."""
    server = FakeServer(tools={"ask": lambda: required("s", q=FORM)})
    async with world(tmp_path, server) as hub:
        hub.put(server.spec(), space("fake"))
        await hub.settled()
        client = Client(ABLE)
        result = await hub.ask(client, "tools/call", {"name": "fake_ask"})
        assert result == {"inputRequests": {"q": FORM}, "requestState": "s"}
        assert client.questions == []


async def test_what_a_user_answered_is_not_kept_for_the_next_call(hub: World, server: Scripted) -> None:
    """The result depends on it; one that was given without a question is kept."""
    hub.put(server.spec(cache={"ask": 60}), space("fake"))
    server.script = [required("s1", q=FORM), text("for you"), required("s2", q=FORM), text("for her"), text("for all")]
    first, second = Client(ABLE), Client(ABLE)
    assert (await call(hub, first))["content"][0]["text"] == "for you"
    assert (await call(hub, second))["content"][0]["text"] == "for her"
    assert [(await call(hub, client))["content"][0]["text"] for client in (first, second)] == ["for all"] * 2
    assert (len(first.questions), len(second.questions), server.script) == (1, 1, [])
