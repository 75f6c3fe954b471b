"""Every feature in all four combinations of client era and server era, over both transports, by a real client.

The mock speaks the era that it is told to; the client is the Python SDK's, which answers what it is asked by the same
functions in both eras.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import mcp
import pytest
import pytest_asyncio
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    ErrorData,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    Root,
    TextContent,
)

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from tests.acceptance.steps import call, tools
from tests.integration.channels.peers import serving
from tests.support import clients, peers, sidecar
from tests.support.peers import Era, Peer, Transport
from tests.support.sidecar import Sidecar

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

ERAS: tuple[Era, ...] = ("legacy", "modern")
OWN = {era: sidecar.mock(f"own-{era}", "--era", era, namespace="own", session="per_client") for era in ERAS}
SHARED = {era: sidecar.mock(f"shared-{era}", "--era", era, "--ask-anyway", namespace="shared") for era in ERAS}


@dataclass(frozen=True)
class Case:
    """Who asks whom, and how. A workspace's name is the era of its servers."""

    client: Era
    upstream: Era
    transport: Transport

    def __str__(self) -> str:
        return f"{self.client}-client-{self.upstream}-server-{self.transport}"


CASES = [Case(*each) for each in itertools.product(ERAS, ERAS, ("sse", "http"))]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A workspace of each era's servers, one of them its client's own, one shared."""
    spaces = [sidecar.workspace(era, OWN[era], SHARED[era]) for era in ERAS]
    async with sidecar.running(*OWN.values(), *SHARED.values(), *spaces) as running:
        yield running


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Each combination."""
    found: Case = request.param
    return found


@dataclass
class Person:
    """Who sits at a client: answers what is asked, and keeps what was asked and told."""

    name: str
    action: str = "accept"
    asked: list[Any] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    notes: list[Any] = field(default_factory=list)

    async def sample(self, _: Any, params: Any) -> CreateMessageResult | ErrorData:
        """Answer as the client's model."""
        self.asked.append(params)
        if self.action == "fail":
            return ErrorData(code=-1, message="User rejected sampling request")
        return CreateMessageResult(role="assistant", content=TextContent(text=self.name), model="m")

    async def elicit(self, _: Any, params: Any) -> ElicitResult:
        """Answer as the client's user."""
        self.asked.append(params)
        filled = self.action == "accept" and params.mode == "form"
        return ElicitResult(action=self.action, content={"name": self.name} if filled else None)  # type: ignore[arg-type]

    async def roots(self, *_: Any) -> ListRootsResult:
        """The client's roots."""
        return ListRootsResult(roots=[Root(uri=f"file:///{self.name}", name=self.name)])

    async def log(self, params: Any) -> None:
        """Take a log message."""
        self.logs.append(params.data)

    async def message(self, message: Any) -> None:
        """Take any notification."""
        self.notes.append(message)
        self.told.set()

    def client(self, hub: Sidecar, case: Case, *, able: bool = True, **options: Any) -> mcp.Client:
        """The SDK's client of this person, connected to the case's workspace."""
        if able:
            options |= {
                "sampling_callback": self.sample,
                "elicitation_callback": self.elicit,
                "list_roots_callback": self.roots,
            }
        mode: clients.Mode = "legacy" if case.client == "legacy" else "auto"
        return clients.sdk(
            hub.http(case.upstream),
            case.transport,
            mode,
            logging_callback=self.log,
            message_handler=self.message,
            **options,
        )


async def structured(client: mcp.Client, tool: str, **arguments: Any) -> Any:
    """The structured content of a tool's result."""
    return (await client.call_tool(tool, arguments)).structured_content


async def said(client: mcp.Client, tool: str, **arguments: Any) -> str:
    """The text of a tool's result."""
    return str((await client.call_tool(tool, arguments)).content[0].text)  # type: ignore[union-attr]


# --- what needs nothing of the client ------------------------------------------------------------------------------


async def test_tools(hub: Sidecar, case: Case) -> None:
    """Tools are listed, answer with text, structured content, several parts, and errors of both kinds."""
    async with Person("ada").client(hub, case) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"own_echo", "shared_echo", "own_elicit"} <= names
        for server in ("own", "shared"):
            assert await said(client, f"{server}_echo", text="größe") == "größe"
            assert await structured(client, f"{server}_add", a=1, b=2) == {"sum": 3}
            result = await client.call_tool(f"{server}_structured", {})
            assert result.structured_content == {"items": [1, {"b": None}]}
            assert (result.meta or {})["example.com/x"] == 1
            assert (await client.call_tool(f"{server}_tool_error", {"message": "no"})).is_error
            with pytest.raises(MCPError, match="went wrong"):
                await client.call_tool(f"{server}_fail", {"message": "went wrong"})
        about = await structured(client, "own_connection")
        assert about["era"] == case.upstream
        assert about["client"].get("name", "yamcp-hub") == "yamcp-hub"


async def test_progress(hub: Sidecar, case: Case) -> None:
    """Progress comes before the answer, in order."""
    for server in ("own", "shared"):
        seen: list[float] = []

        async def progressed(
            progress: float, total: float | None, message: str | None, seen: list[float] = seen
        ) -> None:
            seen.append(progress)

        async with Person("ada").client(hub, case) as client:
            await client.call_tool(f"{server}_chatty", {"count": 3}, progress_callback=progressed)
            async with asyncio.timeout(100):
                while len(seen) < 3:  # noqa: ASYNC110 (the SDK calls it beside the answer)
                    await asyncio.sleep(0.01)
        assert seen == [1, 2, 3]


async def test_cancellation(hub: Sidecar, case: Case) -> None:
    """A call that the client gives up ends at the server."""
    async with Person("ada").client(hub, case) as client:
        before = (await structured(client, "shared_connection"))["cancelled"]
        call = asyncio.create_task(client.call_tool("shared_slow", {"seconds": 60}))
        async with asyncio.timeout(100):
            while not (await structured(client, "shared_connection"))["in_flight"]:
                pass
            call.cancel()
            await asyncio.wait([call])
            while (await structured(client, "shared_connection"))["cancelled"] == before:
                pass


async def test_resources_prompts_and_completion(hub: Sidecar, case: Case) -> None:
    """Resources and templates are read, prompts filled in, arguments completed."""
    async with Person("ada").client(hub, case) as client:
        uris = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert {"mock://own/hello", "mock://shared/hello"} <= uris
        assert (await client.read_resource("mock://own/hello")).contents[0].text == "hello"  # type: ignore[union-attr]
        assert (await client.read_resource("mock://own/item/7")).contents[0].text == "item 7"  # type: ignore[union-attr]
        prompt = await client.get_prompt("own_greet", {"name": "Ada"})
        assert "Ada" in prompt.messages[0].content.text  # type: ignore[union-attr]
        found = await client.complete(PromptReference(name="own_greet"), {"name": "name", "value": "A"})
        assert found.completion.values == ["Ada", "Alan"]
        template = ResourceTemplateReference(uri="mock://own/item/{id}")
        assert (await client.complete(template, {"name": "id", "value": "20"})).completion.values == ["20", "200"]


# --- questions -----------------------------------------------------------------------------------------------------


async def test_elicitation(hub: Sidecar, case: Case) -> None:
    """A form: accepted, declined and cancelled arrive as such; the user saw what the server asked."""
    for action in ("accept", "decline", "cancel"):
        person = Person("ada", action)
        async with person.client(hub, case) as client:
            answer = (await structured(client, "own_elicit", message="Who?"))["answer"]
        assert answer["action"] == action
        assert answer.get("content") == ({"name": "ada"} if action == "accept" else None)
        assert [(each.mode, each.message) for each in person.asked] == [("form", "Who?")]
        assert person.asked[0].requested_schema["properties"]["age"]["minimum"] == 0


async def test_url_elicitation(hub: Sidecar, case: Case) -> None:
    """A URL to be opened, with what each era wants around it."""
    person = Person("ada")
    async with person.client(hub, case) as client:
        answer = (await structured(client, "own_elicit_url", url="https://example.com/x"))["answer"]
        assert answer["action"] == "accept"
    assert [(each.mode, each.url) for each in person.asked] == [("url", "https://example.com/x")]
    assert bool(person.asked[0].elicitation_id) == (case.client == "legacy")


async def test_url_elicitation_by_error(hub: Sidecar, case: Case) -> None:
    """A legacy server's error -32042 reaches a legacy client as it is; a modern one is asked, and calls again."""
    person = Person("ada")
    async with person.client(hub, case) as client:
        if (case.client, case.upstream) == ("legacy", "legacy"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool("own_sign_in", {"who": "ada"})
            assert caught.value.error.code == -32042
        assert await said(client, "own_sign_in", who="ada") == "signed in as ada"
    assert len(person.asked) == (0 if (case.client, case.upstream) == ("legacy", "legacy") else 1)


async def test_sampling_and_roots(hub: Sidecar, case: Case) -> None:
    """The client's model answers, and its roots are told."""
    person = Person("ada")
    async with person.client(hub, case) as client:
        answer = (await structured(client, "own_sampling", prompt="Say it"))["answer"]
        assert (answer["content"]["text"], answer["model"]) == ("ada", "m")
        assert person.asked[0].messages[0].content.text == "Say it"
        assert (person.asked[0].max_tokens, person.asked[0].system_prompt) == (100, "Be brief")
        assert (await structured(client, "own_roots"))["answer"]["roots"] == [{"uri": "file:///ada", "name": "ada"}]


async def test_several_rounds_and_several_questions(hub: Sidecar, case: Case) -> None:
    """One question after the other in one call, and three at once; all in the same process."""
    person = Person("ada")
    async with person.client(hub, case) as client:
        pid = await said(client, "own_pid")
        answers = (await structured(client, "own_elicit_often", rounds=4))["answers"]
        assert [answer["content"] for answer in answers] == [{"name": "ada"}] * 4
        assert [each.message for each in person.asked] == [f"Form {number}?" for number in range(1, 5)]
        answers = (await structured(client, "own_ask_all"))["answers"]
        assert answers["form"]["content"] == {"name": "ada"}
        assert answers["sample"]["content"]["text"] == "ada"
        assert answers["roots"]["roots"][0]["name"] == "ada"
        assert await said(client, "own_pid") == pid


async def test_a_client_that_refuses(hub: Sidecar, case: Case) -> None:
    """A client that answers sampling with an error: the server's call ends, the client is told, the next call works."""
    async with Person("ada", "fail").client(hub, case) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("own_sampling", {})
        assert "rejected" in str(caught.value.error)
        assert await said(client, "own_echo", text="x") == "x"


async def test_a_client_without_features(hub: Sidecar, case: Case) -> None:
    """Who cannot be asked gets the server's own words for it, and everything else."""
    async with Person("ada").client(hub, case, able=False) as client:
        assert (await structured(client, "own_connection"))["capabilities"] == {}
        if case.upstream == "legacy":
            result = await client.call_tool("own_elicit", {})
            assert result.is_error
            assert "does not offer elicitation" in result.content[0].text  # type: ignore[union-attr]
        else:
            with pytest.raises(MCPError) as caught:
                await client.call_tool("own_elicit", {})
            assert caught.value.error.code == -32021
            assert caught.value.error.data == {"requiredCapabilities": {"elicitation": {}}}


async def test_a_shared_server_that_asks_anyway(hub: Sidecar, case: Case) -> None:
    """A legacy one is refused, as it cannot say whom it asks; a modern one asks in its answer to the caller."""
    person = Person("ada")
    async with person.client(hub, case) as client:
        if case.upstream == "modern":
            assert (await structured(client, "shared_elicit"))["answer"]["content"] == {"name": "ada"}
        else:
            with pytest.raises(MCPError, match="shared by several clients"):
                await client.call_tool("shared_elicit", {})
    async with Person("ada").client(hub, case, able=False) as client:
        if case == Case("legacy", "modern", case.transport):
            with pytest.raises(MCPError) as caught:
                await client.call_tool("shared_elicit", {})
            assert caught.value.error.code == -32021
            assert caught.value.error.data["code"] == "CLIENT_FEATURE_MISSING"
            assert caught.value.error.data["requiredCapabilities"] == {"elicitation": {"form": {}}}


async def test_a_shared_server_that_misses_a_feature_gets_a_hint(hub: Sidecar) -> None:
    """One that does not ask whom it cannot, as a modern one does not: its status says which setting would help."""
    spec = sidecar.mock("polite", "--era", "modern")
    await hub.put(spec, sidecar.workspace("polite", spec))
    async with peers.connected(hub.http("polite"), "http", "legacy") as peer:
        for tool in ("sampling", "elicit", "roots"):
            answer = (await peer.request("tools/call", {"name": f"polite_{tool}"})).answer
            assert answer["error"]["code"] == -32021
    hints = (await hub.server("polite")).hints
    assert [hint.split()[4] for hint in hints] == ["elicitation/create,", "roots/list,", "sampling/createMessage,"]
    assert all("per_client" in hint for hint in hints)


# --- what servers tell ---------------------------------------------------------------------------------------------


async def test_log_messages(hub: Sidecar, case: Case) -> None:
    """The level that a client asked for decides what it hears of its own call."""
    for level, heard in (("info", [{"number": 1}, {"number": 2}]), ("error", [])):
        person = Person("ada")
        options = {"log_level": level} if case.client == "modern" else {}
        async with person.client(hub, case, **options) as client:
            if case.client == "legacy":
                await client.call_tool("own_echo", {"text": "start it"})
                await client.set_logging_level(level)  # type: ignore[arg-type]
                async with asyncio.timeout(100):
                    while (
                        case.upstream == "legacy" and (await structured(client, "own_connection"))["log_level"] != level
                    ):
                        pass
            await client.call_tool("own_chatty", {"count": 2})
            async with asyncio.timeout(100):
                while len(person.logs) < len(heard):  # noqa: ASYNC110 (the SDK calls it beside the answer)
                    await asyncio.sleep(0.01)
            await client.call_tool("own_echo", {"text": "after it"})
        assert person.logs == heard, level


@pytest.mark.parametrize("server", ["own", "shared"])
async def test_list_changes(hub: Sidecar, case: Case, server: str) -> None:
    """A changed list is told in the way of the client's era, and is another when it is asked for."""
    async with peers.connected(hub.http(case.upstream), case.transport, case.client) as peer:
        await tools(peer)
        wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
        async with peer.listening(wanted):
            for kind in ("tools", "prompts", "resources"):
                for there in (True, False):
                    since = len(peer.notes)
                    await call(peer, f"{server}_change_{kind}", name="extra")
                    note = f"notifications/{kind}/list_changed"
                    await peer.wait_note(note, since)
                    while await _has_extra(peer, kind, server) is not there:  # that note told of the change before
                        since += 1
                        await peer.wait_note(note, since)


async def _has_extra(peer: Peer, kind: str, server: str) -> bool:
    items = (await peer.request(f"{kind}/list")).result[kind]
    return any("extra" in (item["name"], item["name"].removeprefix(f"{server}_")) for item in items)


@pytest.mark.parametrize("server", ["own", "shared"])
async def test_resource_subscriptions(hub: Sidecar, case: Case, server: str) -> None:
    """Whoever subscribed to a resource is told that it changed, by the URI that it knows; nobody else is."""
    uri = f"mock://{server}/counter"
    async with (
        peers.connected(hub.http(case.upstream), case.transport, case.client) as peer,
        peers.connected(hub.http(case.upstream), case.transport, case.client) as other,
    ):
        for each in (peer, other):
            await tools(each)
        async with contextlib.AsyncExitStack() as stack:
            if case.client == "legacy":
                await peer.request("resources/subscribe", {"uri": uri})
            else:
                await stack.enter_async_context(peer.listening({"resourceSubscriptions": [uri]}))
            before = (await peer.request("resources/read", {"uri": uri})).result["contents"][0]["text"]
            await call(peer, f"{server}_update_resource")
            note = await peer.wait_note("notifications/resources/updated")
            assert note["params"]["uri"] == uri
            after = (await peer.request("resources/read", {"uri": uri})).result["contents"][0]["text"]
            assert int(after) == int(before) + 1
        assert "notifications/resources/updated" not in [note["method"] for note in other.notes]


# --- who is asked --------------------------------------------------------------------------------------------------


async def test_each_client_answers_for_itself(hub: Sidecar, case: Case) -> None:
    """Clients that call at the same time: whatever is asked is asked of the one whose call it is."""
    people = [Person(f"person-{number}") for number in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        connected = [await stack.enter_async_context(person.client(hub, case)) for person in people]
        for _ in range(3):
            calls = (client.call_tool("own_ask_all", {}) for client in connected)
            for person, result in zip(people, await asyncio.gather(*calls), strict=True):
                answers = result.structured_content["answers"]  # type: ignore[index]
                assert answers["form"]["content"] == {"name": person.name}
                assert answers["sample"]["content"]["text"] == person.name
                assert answers["roots"]["roots"][0]["name"] == person.name


async def test_a_server_over_http_names_the_call_by_its_stream() -> None:
    """Of two calls of one session, the younger one's question is asked of the younger one."""
    able = {"elicitation": {"form": {}}}
    async with serving("http") as process:
        launch = RemoteLaunch(url=process.url, transport="http")
        settings = ServerSettings(session="per_client", era="legacy")
        spec = ServerSpec(key="remote", namespace="remote", launch=launch, settings=settings)
        async with (
            sidecar.running(spec, sidecar.workspace("remote", spec)) as hub,
            peers.connected(hub.http("remote"), "sse", "modern", able) as peer,
        ):

            def asking(**params: Any) -> asyncio.Task[peers.Exchange]:
                return asyncio.create_task(peer.request("tools/call", {"name": "remote_ask", **params}))

            first = {"arguments": {"name": "first", "after": "second"}}
            second = {"arguments": {"name": "second"}}
            older = asking(**first)
            assert (await peer.request("tools/call", {"name": "remote_echo", "arguments": {"text": "x"}})).result
            for params, going in ((second, asking(**second)), (first, older)):
                result = (await going).result
                ((key, question),) = result["inputRequests"].items()
                assert question["params"]["message"] == params["arguments"]["name"]
                answer = {key: {"action": "accept", "content": {"value": f"to {params['arguments']['name']}"}}}
                done = await asking(**params, inputResponses=answer, requestState=result["requestState"])
                name = params["arguments"]["name"]
                assert done.result["content"][0]["text"] == f"{name}: to {name}"


@pytest.mark.parametrize("upstream", ERAS)
async def test_nothing_reaches_the_wrong_client(hub: Sidecar, upstream: Era) -> None:
    """Clients of both eras over both transports in one workspace, each with calls at the same time that all ask."""
    cases = [Case(era, upstream, transport) for era in ERAS for transport in ("sse", "http")] * 2
    people = [Echoing(f"person-{number}") for number in range(len(cases))]

    async def calls(person: Echoing, case: Case) -> None:
        nonces = [f"{person.name}-call-{number}" for number in range(4)]
        async with person.client(hub, case) as client:
            asking = (structured(client, "own_elicit", message=nonce) for nonce in nonces)
            answers = [found["answer"]["content"]["name"] for found in await asyncio.gather(*asking)]
        assert answers == [f"{person.name} to {nonce}" for nonce in nonces]
        assert sorted(each.message for each in person.asked) == nonces

    await asyncio.gather(*map(calls, people, cases))


class Echoing(Person):
    """Says what it was asked in its answer."""

    async def elicit(self, _: Any, params: Any) -> ElicitResult:
        """Answer as the client's user."""
        self.asked.append(params)
        return ElicitResult(action="accept", content={"name": f"{self.name} to {params.message}"})
