"""Modern clients of legacy servers: questions in the middle of a call, parked calls, and whose they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import SidecarError, TooManyInstances
from sidecar.input_errors import RequestStateExpired, RequestStateInvalid, RequestStateUsed, TooManySuspendedCalls
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.client_groups import MAX_GROUPS, MAX_GROUPS_OF_SESSION
from sidecar.sessions.session import Session
from tests.support.fake_server import FakeChannel, FakeServer, Gate, RpcError, settle, text, until
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside

ABLE: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
FORM: dict[str, Any] = {"message": "Who?", "requestedSchema": {}}
YES = {"action": "accept", "content": {"name": "Ada"}}


class OneRequest(Recorder):
    """What stands for a modern request over Streamable HTTP, which has no session."""

    has_session = False

    def clients(self) -> tuple[Session, ...]:
        return ()


class Server(FakeServer):
    """Its tools ask."""

    def __init__(self) -> None:
        self.gate = Gate()
        tools = {"ask": self._ask, "twice": self._twice, "wait": self.gate, "log": self._log, "url": self._url}
        super().__init__(tools=tools)
        self.answers: list[Frame] = []
        self.instances: list[int] = []
        self.opened_first = False

    async def _ask(self, channel: FakeChannel, method: str = "elicitation/create", **params: Any) -> Any:
        self.instances.append(self.channels.index(channel))
        self.answers.append(await channel.ask(method, params or FORM))
        return text(str(self.answers[-1].get("result", self.answers[-1].get("error"))))

    async def _twice(self, channel: FakeChannel) -> Any:
        found = await asyncio.gather(channel.ask("roots/list", {}), channel.ask("elicitation/create", FORM))
        self.answers += found
        return text("both")

    async def _log(self, channel: FakeChannel) -> Any:
        for level in ("debug", "error"):
            channel.notify("notifications/message", {"level": level, "data": level})
        return text("logged")

    async def _url(self) -> Any:
        if self.opened_first:
            return text("opened")
        self.opened_first = True
        wanted = [{"mode": "url", "message": "m", "url": "https://example.com", "elicitationId": "e"}]
        raise RpcError(-32042, "Open it", data={"elicitations": wanted})


@pytest.fixture
def server() -> Server:
    """One."""
    return Server()


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, server: Server, *, instances: int = 20, **settings: Any) -> AsyncIterator[World]:
    """A workspace of it; nothing is left in any table at the end."""
    async with world(tmp_path, server, **settings) as made:
        made.put(server.spec(session="per_client", max_instances=instances), space("fake"))
        yield made
    assert len(made.workspace().suspended_calls) == 0
    assert len(made.workspace().client_groups) == 0


@pytest.fixture
async def hub(tmp_path: Path, server: Server) -> AsyncIterator[World]:
    """That, with the default settings."""
    async with serving(tmp_path, server) as made:
        yield made


def params(tool: str = "ask", able: dict[str, Any] = ABLE, level: str = "", **more: Any) -> dict[str, Any]:
    """A modern call."""
    meta = {eras.VERSION_KEY: "2026-07-28", eras.CAPABILITIES_KEY: able, eras.CLIENT_INFO_KEY: {"name": "c"}}
    meta |= {eras.LOG_LEVEL_KEY: level} if level else {}
    return {"name": f"fake_{tool}", "_meta": meta, **more}


def retry(result: dict[str, Any], answer: dict[str, Any] | None = None, tool: str = "ask", **more: Any) -> Any:
    """Go on with it, the same answer to all that was asked."""
    responses = dict.fromkeys(result["inputRequests"], answer or YES)
    return params(tool, inputResponses=responses, requestState=result["requestState"], **more)


async def call(hub: World, session: Session, asked: dict[str, Any]) -> Any:
    """One request."""
    return await hub.ask(session, "tools/call", asked)


def anyone(lasting: bool) -> Recorder:
    """A client over SSE, or a request over Streamable HTTP."""
    return Recorder() if lasting else OneRequest()


WAYS = pytest.mark.parametrize("lasting", [True, False], ids=["session", "no session"])


@WAYS
async def test_a_question_and_its_answer(hub: World, server: Server, lasting: bool) -> None:
    """The client gets what is asked and a state; with the answer the call goes on to its end, in the same process."""
    client = anyone(lasting)
    result = await call(hub, client, params())
    assert result["resultType"] == "input_required"
    assert result["inputRequests"] == {"hub-1": {"method": "elicitation/create", "params": FORM}}
    assert server.answers == []
    done = await call(hub, anyone(False) if not lasting else client, retry(result))
    assert done["resultType"] == "complete"
    assert server.answers[0]["result"] == YES
    assert len(server.channel.got("tools/call")) == 1
    assert "requestState" not in server.channel.got("tools/call")[0]["params"]
    assert client.asked == []


@WAYS
async def test_several_questions_at_once(hub: World, server: Server, lasting: bool) -> None:
    """They come in one result; those that stay unanswered come again."""
    client = anyone(lasting)
    result = await call(hub, client, params("twice"))
    assert {each["method"] for each in result["inputRequests"].values()} == {"roots/list", "elicitation/create"}
    first, second = result["inputRequests"]
    again = await call(
        hub, client, params("twice", inputResponses={first: {"roots": []}}, requestState=result["requestState"])
    )
    assert list(again["inputRequests"]) == [second]
    assert (await call(hub, client, retry(again, tool="twice")))["content"] == text("both")["content"]


@WAYS
async def test_what_was_not_declared_is_refused(hub: World, server: Server, lasting: bool) -> None:
    """The server is told so, the client sees nothing of it."""
    client = anyone(lasting)
    able = {"elicitation": {"form": {}}}
    for arguments in ({"method": "sampling/createMessage"}, {"mode": "url", "url": "x"}, {"method": "x/y"}):
        result = await call(hub, client, params(able=able, arguments=arguments))
        assert result["resultType"] == "complete"
        assert server.answers[-1]["error"]["code"] == -32601
    assert server.channel.got("initialize")[0]["params"]["capabilities"] == able


@WAYS
async def test_a_state_is_good_for_once(hub: World, server: Server, lasting: bool) -> None:
    """Also when the call is parked again; and of two that use it at the same time one is refused."""
    client = anyone(lasting)
    result = await call(hub, client, params())
    both = await asyncio.gather(*(call(hub, client, retry(result)) for _ in range(2)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in both) == ["RequestStateUsed", "dict"]
    with pytest.raises(RequestStateUsed):
        await call(hub, client, retry(result))


async def test_another_session(hub: World, server: Server) -> None:
    """A session's call is gone on with by that session alone."""
    mine, other = Recorder(), Recorder()
    result = await call(hub, mine, params())
    for stranger in (other, OneRequest()):
        with pytest.raises(RequestStateInvalid, match="another session"):
            await call(hub, stranger, retry(result))
    assert (await call(hub, mine, retry(result)))["resultType"] == "complete"


@WAYS
async def test_nobody_comes_back(tmp_path: Path, server: Server, lasting: bool) -> None:
    """The server gets an error for an answer and the cancellation of the call, and the state is expired."""
    async with serving(tmp_path, server, input_timeout=0.05) as hub:
        client = anyone(lasting)
        result = await call(hub, client, params())
        await until(lambda: server.answers)
        assert "did not answer within 0.05 s" in server.answers[0]["error"]["message"]
        await server.channels[0].sent("notifications/cancelled")
        await until(lambda: not len(hub.workspace().suspended_calls))
        if not lasting:
            await until(lambda: not server.open)
        with pytest.raises(RequestStateExpired):
            await call(hub, client, retry(result))


@WAYS
async def test_the_server_goes_meanwhile(hub: World, server: Server, lasting: bool) -> None:
    """A call whose server crashed while its client was asked tells of it when the client comes back."""
    client = anyone(lasting)
    result = await call(hub, client, params())
    server.channel.close()
    await settle()
    with pytest.raises(SidecarError, match="connection ended"):
        await call(hub, client, retry(result))


@WAYS
async def test_cancelled(hub: World, server: Server, lasting: bool) -> None:
    """Whoever gives up the request under way gives up the call."""
    client = anyone(lasting)
    calling = asyncio.create_task(call(hub, client, params("wait")))
    await server.gate.reached()
    calling.cancel()
    await asyncio.wait([calling])
    await server.channels[0].sent("notifications/cancelled")
    assert calling.cancelled()


async def test_a_session_that_ends(hub: World, server: Server) -> None:
    """Its parked calls, its upstreams, its party: all gone with it."""
    session = Recorder()
    hub.workspace().join(session)
    await call(hub, session, params())
    await call(hub, session, params("log"))
    assert (len(hub.workspace().suspended_calls), len(hub.workspace().client_groups), server.open) == (1, 1, 1)
    hub.workspace().leave(session)
    assert (len(hub.workspace().suspended_calls), len(hub.workspace().client_groups)) == (0, 0)
    await until(lambda: not server.open)
    assert "left" in server.answers[0]["error"]["message"]


async def test_idle_parties_end(tmp_path: Path, server: Server) -> None:
    """Upstreams of clients without a session are closed when nobody used them for a while."""
    async with serving(tmp_path, server, session_idle_timeout=0.1) as hub:
        result = await call(hub, OneRequest(), params())
        again = await call(hub, OneRequest(), params())
        assert server.open == 2
        for each in (result, again):
            assert (await call(hub, OneRequest(), retry(each)))["resultType"] == "complete"
        await until(lambda: not server.open)
        assert len(hub.workspace().client_groups) == 0
        assert list(hub.hub.pool) == []


async def test_each_call_its_own_process(hub: World, server: Server) -> None:
    """Without a session, calls at the same time never meet in a server that may ask; one after the other they do."""
    results = [await call(hub, OneRequest(), params()) for _ in range(3)]
    assert server.instances == [0, 1, 2]
    for number, result in enumerate(results):
        answer = {"action": "accept", "content": {"name": str(number)}}
        assert (await call(hub, OneRequest(), retry(result, answer)))["resultType"] == "complete"
        assert server.answers[-1]["result"] == answer
    await call(hub, OneRequest(), params("log"))
    result = await call(hub, OneRequest(), params())
    assert server.instances[-1] == 0
    await call(hub, OneRequest(), retry(result))


async def test_a_session_has_one_process(hub: World, server: Server) -> None:
    """A session's calls share their server, whatever is parked."""
    session = Recorder()
    first, second = await call(hub, session, params()), await call(hub, session, params())
    assert server.open == 1
    for result in (first, second):
        await call(hub, session, retry(result))


async def two_calls(hub: World, server: Server, session: Session) -> tuple[Any, asyncio.Task[Any]]:
    """What a session's oldest call is told, which carries the question of its younger one; and that, under way."""
    oldest = asyncio.create_task(call(hub, session, params("wait")))
    await server.gate.reached()
    younger = asyncio.create_task(call(hub, session, params()))
    return await oldest, younger


async def test_a_question_outlives_the_call_that_carries_it(hub: World, server: Server) -> None:
    """On stdio nothing says whose it is: when the oldest call is over, the next one of the session is asked."""
    session = Recorder()
    carried, younger = await two_calls(hub, server, session)
    assert carried["resultType"] == "input_required"
    server.gate.open()
    await until(lambda: sum(upstream.in_flight for upstream in hub.hub.pool) == 1)
    done = await call(hub, session, params("wait", requestState=carried["requestState"]))
    assert done["content"] == text("through")["content"]
    result = await younger
    assert result["inputRequests"].keys() == carried["inputRequests"].keys() == {"hub-1"}
    assert (await call(hub, session, retry(result)))["resultType"] == "complete"
    assert [answer["result"] for answer in server.answers] == [YES]


async def test_nobody_is_asked_twice(hub: World, server: Server) -> None:
    """A call that ends while its client answers what it carries: the answer still goes to the call that it was for."""
    session = Recorder()
    carried, younger = await two_calls(hub, server, session)
    server.gate.open()
    await until(lambda: sum(upstream.in_flight for upstream in hub.hub.pool) == 1)
    done = await call(hub, session, retry(carried, tool="wait"))
    assert done["content"] == text("through")["content"]
    assert (await younger)["resultType"] == "complete"
    assert [answer["result"] for answer in server.answers] == [YES]


async def test_a_client_that_does_not_come_back_for_a_call_that_has_ended(tmp_path: Path, server: Server) -> None:
    """When it has had its time, the next call is asked what that one carried."""
    async with serving(tmp_path, server, input_timeout=2) as hub:
        session = Recorder()
        _, younger = await two_calls(hub, server, session)
        server.gate.open()
        result = await younger
        assert (await call(hub, session, retry(result)))["resultType"] == "complete"


async def test_a_server_that_may_still_be_at_a_cancelled_call_serves_no_other(hub: World, server: Server) -> None:
    """What it asks later would be asked of somebody else: it is closed, and the next call gets another."""
    calling = asyncio.create_task(call(hub, OneRequest(), params("wait")))
    await server.gate.reached()
    calling.cancel()
    await asyncio.wait([calling])
    await until(lambda: not server.open)
    await call(hub, OneRequest(), params("log"))
    assert len(server.channels) == 2


async def test_questions_outside_of_calls(hub: World, server: Server) -> None:
    """roots/list waits for the next call and is asked before it; anything else is refused."""
    await hub.ask(OneRequest(), "tools/list", params())
    asking = asyncio.create_task(server.channel.ask("roots/list", {}))
    assert "no call" in (await server.channel.ask("elicitation/create", FORM))["error"]["message"]
    result = await call(hub, OneRequest(), params("log"))
    assert [each["method"] for each in result["inputRequests"].values()] == ["roots/list"]
    assert server.channel.got("tools/call") == []
    await call(hub, OneRequest(), retry(result, {"roots": []}, tool="log"))
    assert (await asking)["result"] == {"roots": []}
    assert len(server.channel.got("tools/call")) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before the call", "in the call"])
async def test_a_question_that_the_server_takes_back(hub: World, server: Server, before: bool) -> None:
    """It is not waited for any more, and an answer that comes all the same goes nowhere."""
    session = Recorder()
    await hub.ask(session, "tools/list", params())
    question = jsonrpc.request("taken-back", "roots/list", {})
    if before:
        server.channel.push(question)
        await settle()
    calling = asyncio.create_task(call(hub, session, params("wait")))
    if not before:
        await server.gate.reached()
        server.channel.push(question)
    result = await calling
    assert len(result["inputRequests"]) == 1
    server.channel.notify("notifications/cancelled", {"requestId": "taken-back"})
    server.gate.open()
    await settle()
    assert (await call(hub, session, retry(result, {"roots": []}, tool="wait")))["content"][0]["text"] == "through"
    assert [frame for frame in server.channel.received if frame.get("id") == "taken-back"] == []


async def test_limits(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many processes, and so many calls that wait; what is over it is refused, and leaves nothing."""
    monkeypatch.setattr("sidecar.sessions.suspended_calls.MAX_SUSPENDED_CALLS", 3)
    async with serving(tmp_path, server, instances=2) as hub:
        for _ in range(2):
            await call(hub, OneRequest(), params())
        with pytest.raises(TooManyInstances):
            await call(hub, OneRequest(), params())
        hub.put(server.spec(session="per_client", max_instances=10), space("fake"))
        await call(hub, OneRequest(), params())
        with pytest.raises(TooManySuspendedCalls):
            await call(hub, OneRequest(), params())
        hub.workspace().suspended_calls.drop()
        await until(lambda: len(server.answers) == 4)


async def test_a_session_of_many_faces(hub: World, server: Server) -> None:
    """A session that says something else of itself with each request has so many upstreams, and no more."""
    session, bystander = Recorder(), Recorder()
    await call(hub, bystander, params("log"))
    for number in range(MAX_GROUPS_OF_SESSION + 2):
        await call(hub, session, params("log", able={"experimental": {"n": {"n": number}}}))
    assert len(hub.workspace().client_groups) == MAX_GROUPS_OF_SESSION + 1
    await until(lambda: server.open == MAX_GROUPS_OF_SESSION + 1)
    for each in (session, bystander):
        hub.workspace().leave(each)
    await until(lambda: not server.open)


async def test_as_many_kinds_of_clients(hub: World, server: Server) -> None:
    """One kind more than there may be makes the one that was idle for longest go."""
    await hub.ask(OneRequest(), "tools/list", params(able={}))
    for number in range(MAX_GROUPS):
        hub.workspace().client_groups.group_of(OneRequest(), params(able={"experimental": {"n": {"n": number}}}))
    assert len(hub.workspace().client_groups) == MAX_GROUPS
    await until(lambda: not server.open)


@WAYS
async def test_log_messages(hub: World, server: Server, lasting: bool) -> None:
    """They go with the call that they belong to, at the level that it wants; the server is asked for that level."""
    for level, heard in (("debug", ["debug", "error"]), ("error", ["error"]), ("", []), ("nonsense", [])):
        client = anyone(lasting)
        if lasting:
            hub.workspace().join(client)
        await call(hub, client, params("log", level=level))
        assert [note["data"] for _, note in client.notes] == heard, level
        if lasting:
            hub.workspace().leave(client)
    levels = [frame["params"]["level"] for channel in server.channels for frame in channel.got("logging/setLevel")]
    assert levels == ["debug", "error"]


@WAYS
async def test_an_error_that_wants_a_url(hub: World, server: Server, lasting: bool) -> None:
    """-32042 becomes a URL elicitation, and the call is made anew; who cannot open URLs gets the error."""
    client = anyone(lasting)
    with pytest.raises(ErrorResponse) as caught:
        await call(hub, client, params("url", able={"elicitation": {}}))
    assert caught.value.error["code"] == -32042
    server.opened_first = False
    result = await call(hub, client, params("url"))
    wanted = {"mode": "url", "message": "m", "url": "https://example.com"}
    assert result["inputRequests"] == {"hub-1": {"method": "elicitation/create", "params": wanted}}
    with pytest.raises(SidecarError, match="not accepted"):
        await call(hub, client, retry(result, {"action": "decline"}, tool="url"))
    assert (await call(hub, client, retry(result, {"action": "accept"}, tool="url")))["content"][0]["text"] == "opened"


async def test_the_workspace_ends(hub: World, server: Server) -> None:
    """Nothing that waits holds it up."""
    await call(hub, OneRequest(), params())
    waiting = asyncio.create_task(call(hub, OneRequest(), params("wait")))
    await server.gate.reached()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_changed_definition_closes_what_leases_had(hub: World, server: Server) -> None:
    """Further upstreams of a server that changed are let go like any other."""
    results = [await call(hub, OneRequest(), params()) for _ in range(2)]
    for result in results:
        await call(hub, OneRequest(), retry(result))
    assert server.open == 2
    hub.put(server.spec(session="per_client", args=("changed",)))
    await until(lambda: not server.open)
    assert list(hub.hub.pool) == []
