"""Every feature of the fixture, over both transports, by two clients at once: each gets its own, and only that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged
from mcp_types import PromptReference, ResourceTemplateReference

from tests.conformance import places
from tests.conformance.fixture.asks import DEFAULTS, ENUMS, LEVELS
from tests.conformance.fixture.contents import AUDIO, IMAGE, WATCHED
from tests.conformance.people import NONCES, PATIENCE, Person, pair
from tests.support.clients import Mode
from tests.support.peers import Transport
from tests.support.sidecar import Sidecar

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

BOTH = pytest.mark.parametrize("transport", ["sse", "http"])
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
SERVERS = pytest.mark.parametrize("server", ["legacy", "modern"])
UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"
LOGGED = "notifications/message"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """The fixture as a server in either era, a stdio process of its own for each client."""
    async with places.fixture() as served, places.hub(*served.specs("stdio", "legacy", "modern")) as running:
        yield running


# --- what a server asks the client ------------------------------------------------------------------------------------


@BOTH
@ERAS
@SERVERS
async def test_sampling(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Each client's model is asked with its own prompt, and its answer is in its own result; pictures too."""
    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        if server == "modern":
            tool = "test_input_required_result_sampling"
            answers = await both.each(lambda person: person.call(tool, nonce=person.nonce))
            assert answers == both.nonces("Model said: {}")
        else:
            answers = await both.each(lambda person: person.call("test_sampling", prompt=person.nonce))
            assert [_sampled(answer)["text"] for answer in answers] == both.nonces()
        for person, asked in zip(both.people, both.asked("sampling"), strict=True):
            assert [person.nonce in json.dumps(each) for each in asked] == [True]
        if server == "legacy":
            both.people[0].image = True
            answers = await both.each(lambda person: person.call("test_sampling", prompt=person.nonce))
            assert [_sampled(answer).get("data") for answer in answers] == [IMAGE, None]


def _sampled(answer: str) -> Any:
    return json.loads(answer.removeprefix("LLM response: "))["content"]


@BOTH
@ERAS
@SERVERS
async def test_elicitation(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Each user is asked, and its answer is in its own result."""
    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        if server == "modern":
            tool = "test_input_required_result_elicitation"
            answers = await both.each(lambda person: person.call(tool, nonce=person.nonce))
            assert answers == both.nonces("Hello, {}!")
        else:
            answers = await both.each(lambda person: person.call("test_elicitation", message=person.nonce))
            assert answers == both.nonces('User response: action=accept, content={"response": "{}"}')
        for person, asked in zip(both.people, both.asked("elicitation"), strict=True):
            assert [person.nonce in each["message"] for each in asked] == [True]


@BOTH
@ERAS
@pytest.mark.parametrize(("kind", "schema"), [("sep1034_defaults", DEFAULTS), ("sep1330_enums", ENUMS)])
async def test_forms_arrive_as_they_are(
    hub: Sidecar, transport: Transport, mode: Mode, kind: str, schema: dict[str, Any]
) -> None:
    """Defaults of every type, and enumerations of every kind."""
    async with pair(hub.http("stdio-legacy"), transport, mode) as both:
        answers = await both.each(lambda person: person.call(f"test_elicitation_{kind}", nonce=person.nonce))
        assert all(person.nonce in answer for person, answer in zip(both.people, answers, strict=True))
        for asked in both.asked("elicitation"):
            assert [each["requestedSchema"] for each in asked] == [schema]


@BOTH
@ERAS
async def test_elicitation_by_url(hub: Sidecar, transport: Transport, mode: Mode) -> None:
    """Each user is sent to its own page; a legacy client is told, and alone, when that is done."""
    async with pair(hub.http("stdio-legacy"), transport, mode) as both:
        answers = await both.each(lambda person: person.call("test_elicitation_url", nonce=person.nonce))
        assert answers == ["URL: action=accept, content={}"] * 2
        assert [[each["url"] for each in asked] for asked in both.asked("elicitation")] == [
            [f"https://example.com/{person.nonce}"] for person in both.people
        ]
        if mode == "legacy":
            for person in both.people:
                done = await person.told("notifications/elicitation/complete")
                assert [each["elicitationId"] for each in done] == [person.nonce]


@BOTH
@ERAS
@SERVERS
async def test_roots(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Each client's roots are its own, and asked for again they are those of then."""
    tool = "test_roots" if server == "legacy" else "test_input_required_result_list_roots"
    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        answers = await both.each(lambda person: person.call(tool))
        assert [json.loads(answer) for answer in answers] == [person.files for person in both.people]
        both.people[0].files.append("file:///more")
        answers = await both.each(lambda person: person.call(tool))
        assert [json.loads(answer) for answer in answers] == [person.files for person in both.people]


@BOTH
async def test_several_questions_and_rounds(hub: Sidecar, transport: Transport) -> None:
    """A modern server asks a modern client for three things at once, or twice with a state between."""
    async with pair(hub.http("stdio-modern"), transport, "auto") as both:
        tool = "test_input_required_result_multiple_inputs"
        assert await both.each(lambda person: person.call(tool)) == ["All inputs received."] * 2
        assert [sorted({kind for kind, _ in person.asked}) for person in both.people] == [
            ["elicitation", "roots", "sampling"]
        ] * 2
        answers = await both.each(lambda person: person.call("test_input_required_result_multi_round"))
        assert answers == [f"{nonce} likes {nonce}." for nonce in both.nonces()]
        assert (
            await both.each(lambda person: person.call("test_input_required_result_request_state")) == ["state-ok"] * 2
        )


# --- what it tells the client -----------------------------------------------------------------------------------------


@BOTH
@ERAS
@SERVERS
async def test_progress(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Each call has its own progress, all of it, in order, before its result."""
    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        heard: dict[str, list[tuple[float, float | None, str | None]]] = {nonce: [] for nonce in both.nonces()}

        async def work(person: Person) -> None:
            async def progress(done: float, total: float | None, message: str | None) -> None:
                heard[person.nonce].append((done, total, message))

            await person.client.call_tool(
                "test_tool_with_progress", {"nonce": person.nonce}, progress_callback=progress
            )

        await both.each(work)
        for nonce, found in heard.items():
            assert found == [(done, 100, f"Completed step {done} of 100{nonce}") for done in (0, 50, 100)]


@BOTH
async def test_log_levels(hub: Sidecar, transport: Transport) -> None:
    """Each legacy client gets messages of the levels that it asked for, of its own calls."""
    wanted = {"nonce-ada": "error", "nonce-alan": "info"}
    async with pair(hub.http("stdio-legacy"), transport, "legacy") as both:

        async def work(person: Person) -> list[Any]:
            await person.client.set_logging_level(wanted[person.nonce])  # type: ignore[arg-type]
            await person.call("test_every_level", nonce=person.nonce)
            told = await person.told(LOGGED, len(LEVELS[LEVELS.index(wanted[person.nonce]) :]))
            return [each["data"] for each in told]

        for person, told in zip(both.people, await both.each(work), strict=True):
            least = LEVELS.index(wanted[person.nonce])
            assert told == [f"{level} {person.nonce}" for level in LEVELS[least:]]


@BOTH
@SERVERS
async def test_list_changes_of_legacy_clients(hub: Sidecar, transport: Transport, server: str) -> None:
    """Each hears of the change of its own server's list, and sees its own new tool alone."""
    async with pair(hub.http(f"stdio-{server}"), transport, "legacy") as both:
        await both.each(lambda person: person.client.list_tools())
        await both.each(lambda person: person.call("test_trigger_tool_change", name=person.nonce))
        await both.each(_sees_its_own_tool)


@BOTH
@SERVERS
async def test_list_changes_of_modern_clients(hub: Sidecar, transport: Transport, server: str) -> None:
    """So do modern ones that listen. Both listen before either calls: of two calls at once, one may change the list of
    a process whose lists no client reads."""
    async with pair(hub.http(f"stdio-{server}"), transport, "auto") as both:
        await both.each(lambda person: person.client.list_tools())
        listening = asyncio.Barrier(len(NONCES))

        async def work(person: Person) -> None:
            async with asyncio.timeout(PATIENCE), person.client.listen(tools_list_changed=True) as events:
                await listening.wait()
                await person.call("test_trigger_tool_change", name=f"{person.nonce}-{server}-{transport}")
                assert await anext(events) == ToolsListChanged()

        await both.each(work)


async def _sees_its_own_tool(person: Person) -> None:
    """Asks again each time that it is told of a change, for there may be others."""
    for count in range(1, 10):
        await person.told(TOOLS_CHANGED, count)
        if found := {tool.name for tool in (await person.client.list_tools()).tools} & set(NONCES):
            break
    assert found == {person.nonce}
    assert await person.call(person.nonce) == person.nonce


@BOTH
@SERVERS
async def test_subscriptions_of_legacy_clients(hub: Sidecar, transport: Transport, server: str) -> None:
    """Who subscribed hears of updates, of its own server, until it unsubscribes."""
    async with pair(hub.http(f"stdio-{server}"), transport, "legacy") as both:
        ada, alan = both.people
        await ada.client.subscribe_resource(WATCHED)
        await both.each(lambda person: person.call("test_update_resource"))
        assert await ada.told(UPDATED) == [{"uri": WATCHED}]
        await alan.client.subscribe_resource(WATCHED)
        await ada.client.unsubscribe_resource(WATCHED)
        await both.each(lambda person: person.call("test_update_resource"))
        await both.each(lambda person: person.call("test_trigger_tool_change", name=person.nonce))
        await both.each(_sees_its_own_tool)  # so nothing of the updates is still on its way
        assert [len(await person.told(UPDATED)) for person in both.people] == [1, 1]


@BOTH
@SERVERS
async def test_subscriptions_of_modern_clients(hub: Sidecar, transport: Transport, server: str) -> None:
    """A modern client hears on the stream that it opened for the resource."""
    async with pair(hub.http(f"stdio-{server}"), transport, "auto") as both:

        async def work(person: Person) -> None:
            async with asyncio.timeout(PATIENCE), person.client.listen(resource_subscriptions=[WATCHED]) as events:
                await person.call("test_update_resource")
                assert await anext(events) == ResourceUpdated(WATCHED)

        await both.each(work)


# --- what it answers --------------------------------------------------------------------------------------------------


@BOTH
@ERAS
@SERVERS
async def test_contents(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Text, pictures, sounds, resources and mixtures come as they are."""

    async def work(person: Person) -> None:
        async def contents(name: str, **arguments: Any) -> list[dict[str, Any]]:
            result = await person.client.call_tool(name, arguments)
            return [each.model_dump(by_alias=True, mode="json", exclude_none=True) for each in result.content]

        picture = {"type": "image", "data": IMAGE, "mimeType": "image/png"}
        assert await person.call("test_simple_text", nonce=person.nonce) == (
            f"This is a simple text response for testing.{person.nonce}"
        )
        assert await contents("test_image_content") == [picture]
        assert await contents("test_audio_content") == [{"type": "audio", "data": AUDIO, "mimeType": "audio/wav"}]
        (embedded,) = await contents("test_embedded_resource", nonce=person.nonce)
        assert embedded["resource"]["text"] == f"This is an embedded resource content.{person.nonce}"
        mixed = await contents("test_multiple_content_types", nonce=person.nonce)
        assert [each["type"] for each in mixed] == ["text", "image", "resource"]
        assert (mixed[0]["text"], mixed[1]) == (f"Multiple content types test:{person.nonce}", picture)

    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        await both.each(work)


@BOTH
@ERAS
@SERVERS
async def test_errors(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Errors of a tool and of the protocol reach who caused them, with their code, text and data."""

    async def work(person: Person) -> None:
        result = await person.client.call_tool("test_error_handling", {"nonce": person.nonce})
        assert result.is_error
        assert person.nonce in result.content[0].text  # type: ignore[union-attr]
        with pytest.raises(MCPError) as caught:
            await person.client.call_tool("test_protocol_error", {"nonce": person.nonce})
        error = caught.value.error
        assert (error.code, error.message, error.data) == (-32050, f"refused {person.nonce}", {"nonce": person.nonce})

    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        await both.each(work)


@BOTH
@ERAS
@SERVERS
async def test_resources_prompts_completions(hub: Sidecar, transport: Transport, mode: Mode, server: str) -> None:
    """Each gets what it asked for, by its own names and arguments."""

    async def work(person: Person) -> None:
        client, nonce = person.client, person.nonce
        (read,) = (await client.read_resource(f"test://template/{nonce}/data")).contents
        assert json.loads(read.text)["id"] == nonce  # type: ignore[union-attr]
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": nonce, "arg2": "x"})
        assert nonce in prompt.messages[0].content.text  # type: ignore[union-attr]
        inside = await client.get_prompt("test_prompt_with_embedded_resource", {"resourceUri": f"test://{nonce}"})
        assert str(inside.messages[0].content.resource.uri) == f"test://{nonce}"  # type: ignore[union-attr]
        found = await client.complete(
            PromptReference(name="test_prompt_with_arguments"), {"name": "arg1", "value": nonce}, {"arg2": nonce}
        )
        assert found.completion.values == [f"{nonce}{end}[('arg2', '{nonce}')]" for end in ("-one", "-two")]
        reference = ResourceTemplateReference(uri="test://template/{id}/data")
        found = await client.complete(reference, {"name": "id", "value": nonce})
        assert found.completion.values == [f"{nonce}-one", f"{nonce}-two"]

    async with pair(hub.http(f"stdio-{server}"), transport, mode) as both:
        await both.each(work)
