"""A workspace that prefixes: what differs is documented (docs/adr/0003), and every link in a result reads back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator

import mcp
import pytest
import pytest_asyncio
from mcp_types import PromptReference, ResourceTemplateReference

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from tests.support import clients, peers, sidecar
from tests.support.clients import Mode
from tests.support.peers import Era, Json, Peer, Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOCK = sidecar.mock("mock", namespace="Mock_1")
EVERYTHING = sidecar.everything(namespace="every thing")
CELLS: list[tuple[Transport, Mode]] = [("sse", "legacy"), ("sse", "auto"), ("http", "legacy"), ("http", "auto")]
ERAS: list[tuple[Transport, Era]] = [("sse", "legacy"), ("sse", "modern"), ("http", "legacy"), ("http", "modern")]
EACH_CLIENT = pytest.mark.parametrize(("transport", "mode"), CELLS)
EACH_ERA = pytest.mark.parametrize(("transport", "era"), ERAS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """Two servers behind a workspace `both`, and each alone, without a prefix, in one of its own."""
    spaces = [
        sidecar.workspace("both", MOCK, EVERYTHING),
        sidecar.workspace("mock", MOCK, template="{name}"),
        sidecar.workspace("everything", EVERYTHING, template="{name}"),
    ]
    async with sidecar.running(MOCK, EVERYTHING, *spaces) as running:
        yield running


async def listed(peer: Peer) -> dict[str, list[Json]]:
    """All lists."""
    found = {}
    for kind, key in (("tools", "tools"), ("prompts", "prompts"), ("resources", "resources")):
        found[key] = (await peer.request(f"{kind}/list")).result[key]
    found["templates"] = (await peer.request("resources/templates/list")).result["resourceTemplates"]
    return found


@EACH_ERA
async def test_only_names_and_uris_differ(hub: Sidecar, transport: Transport, era: Era) -> None:
    """The lists are those of the servers, one after the other, but for the names and URIs that the ADR describes."""
    async with (
        peers.connected(hub.http("both"), transport, era) as both,
        peers.connected(hub.http("mock"), transport, era) as mock,
        peers.connected(hub.http("everything"), transport, era) as everything,
    ):
        shown, first, second = await listed(both), await listed(mock), await listed(everything)
    wanted = {kind: _prefixed(first[kind], "Mock_1", "mock-1") for kind in first}
    label = next(item["uri"] for item in shown["resources"] if item["uri"].startswith("demo:")).split("/")[2]
    assert label.startswith("every-thing-")  # and a hash, for a space is no part of a host's name
    for kind, items in second.items():
        wanted[kind] += _prefixed(items, "every_thing", label)
    assert shown == wanted


def _prefixed(items: list[Json], prefix: str, label: str) -> list[Json]:
    """The items as a workspace that prefixes shows them."""
    changed = []
    for item in items:
        key = next((key for key in ("uri", "uriTemplate") if key in item), "")
        if key:
            scheme, rest = item[key].split("://", 1)
            changed.append({**item, key: f"{scheme}://{label}/{rest}"})
        else:
            changed.append({**item, "name": f"{prefix}_{item['name']}"})
    return changed


@EACH_CLIENT
async def test_everything_listed_and_linked_reads_back(hub: Sidecar, transport: Transport, mode: Mode) -> None:
    """Listed resources, links and embedded resources in results and prompts are read under the URI that they have."""
    async with clients.sdk(hub.http("both"), transport, mode) as client:
        found = [resource.uri for resource in (await client.list_resources()).resources]
        assert len(found) >= 10
        calls: list[tuple[str, Json]] = [
            ("Mock_1_resource_link", {}),
            ("Mock_1_embedded", {}),
            ("Mock_1_embedded", {"blob": True}),
            ("every_thing_get-resource-links", {"count": 4}),
            ("every_thing_get-resource-reference", {"resourceType": "Blob", "resourceId": 3}),
        ]
        for name, arguments in calls:
            blocks = (await client.call_tool(name, arguments)).content
            linked = [uri for block in blocks if (uri := _uri(block))]
            assert linked, name
            found += linked
        for prompt, arguments in (
            ("Mock_1_pictures", {}),
            ("every_thing_resource-prompt", {"resourceType": "Text", "resourceId": "5"}),
        ):
            messages = (await client.get_prompt(prompt, arguments)).messages
            linked = [uri for message in messages if (uri := _uri(message.content))]
            assert linked, prompt
            found += linked
        for uri in found:
            assert [content.uri for content in (await client.read_resource(uri)).contents] == [uri]


def _uri(block: object) -> str:
    """The URI in a content block, if there is one."""
    resource = getattr(block, "resource", block)
    return str(getattr(resource, "uri", ""))


@EACH_CLIENT
async def test_templates_and_completions(hub: Sidecar, transport: Transport, mode: Mode) -> None:
    """A template is expanded and read, and completed, under its exposed form; so is a prompt's argument."""
    async with clients.sdk(hub.http("both"), transport, mode) as client:
        templates = [item.uri_template for item in (await client.list_resource_templates()).resource_templates]
        assert templates[0] == "mock://mock-1/item/{id}"
        uri = templates[0].replace("{id}", "7")
        content = (await client.read_resource(uri)).contents[0]
        assert (content.uri, getattr(content, "text", "")) == (uri, "item 7")
        dynamic = next(item for item in templates if "dynamic/text" in item).replace("{resourceId}", "2")
        assert "Resource 2" in getattr((await client.read_resource(dynamic)).contents[0], "text", "")
        assert await _completed(client, ResourceTemplateReference(uri=templates[0]), "id", "19") == ["19", "190"]
        prompt = PromptReference(name="every_thing_completable-prompt")
        assert await _completed(client, prompt, "department", "E") == ["Engineering"]


async def _completed(
    client: mcp.Client, ref: ResourceTemplateReference | PromptReference, argument: str, value: str
) -> list[str]:
    values = (await client.complete(ref, {"name": argument, "value": value})).completion.values
    return values[:2]


@EACH_ERA
async def test_subscriptions(hub: Sidecar, transport: Transport, era: Era) -> None:
    """An update tells the URI that was subscribed to; after unsubscribing there is none."""
    uri, change = "mock://mock-1/counter", {"name": "Mock_1_update_resource", "arguments": {}}
    method = "notifications/resources/updated"
    async with peers.connected(hub.http("both"), transport, era) as peer:
        if era == "legacy":
            await peer.request("resources/subscribe", {"uri": uri})
        async with peer.listening({"resourceSubscriptions": [uri]}):
            await peer.request("tools/call", change)
            assert (await peer.wait_note(method))["params"]["uri"] == uri
        if era == "legacy":
            await peer.request("resources/unsubscribe", {"uri": uri})
            told = len(peer.notes)
            await peer.request("tools/call", change)
            await peer.request("ping")
            assert [note for note in peer.notes[told:] if note["method"] == method] == []


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_typescript_reads_links_back(hub: Sidecar, transport: Transport) -> None:
    """The TypeScript SDK reads a listed, a linked and an expanded URI, gets a prompt, and is told of updates."""
    async with clients.watching(hub.http("both"), transport) as (watcher, report):
        assert "mock://mock-1/hello" in [item["uri"] for item in report["resources"]]
        link = (await watcher.ask(call="Mock_1_resource_link", arguments={}))["result"]["content"][0]["uri"]
        assert (await watcher.ask(read=link))["result"]["contents"] == [
            {"uri": "mock://mock-1/hello", "mimeType": "text/plain", "text": "hello"}
        ]
        assert (await watcher.ask(read="mock://mock-1/item/9"))["result"]["contents"][0]["text"] == "item 9"
        assert (await watcher.ask(read="mock://mock-1/item/999"))["error"]["code"] == -32002
        await watcher.ask(subscribe="mock://mock-1/counter")
        assert watcher.process.stdin
        command = {"call": "Mock_1_update_resource", "arguments": {}}
        watcher.process.stdin.write(json.dumps(command).encode() + b"\n")
        assert await watcher.line("updated") == {"updated": "mock://mock-1/counter"}


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_clients_that_normalise_uris_read_them_back(hub: Sidecar, transport: Transport) -> None:
    """The Python SDK before version 2 rewrites URIs as pydantic's AnyUrl does; what it then asks for is still found."""
    calls: list[tuple[str, Json]] = [
        ("Mock_1_embedded", {}),
        ("every_thing_get-resource-links", {"count": 4}),
    ]
    report = await clients.mcp1(hub.http("both"), transport, *clients.calling(calls))
    assert len(report["read"]) >= 14
    assert all(read == uri for uri, read in report["read"].items())
    assert "Mock_1_echo" in report["tools"]
    assert "every_thing_args-prompt" in report["prompts"]


@contextlib.asynccontextmanager
async def remote() -> AsyncIterator[str]:
    """A FastMCP server over Streamable HTTP; its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.channels.server", "http", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        async with asyncio.timeout(100):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        await process.communicate()


@EACH_CLIENT
async def test_arguments_that_a_server_wants_in_headers(hub: Sidecar, transport: Transport, mode: Mode) -> None:
    """A modern server over HTTP gets the `Mcp-Name` and `Mcp-Param-*` headers of its own names, whoever calls."""
    async with remote() as url:
        launch = RemoteLaunch(url=url)
        server = ServerSpec(key="far", namespace="far", launch=launch, settings=ServerSettings(era="modern"))
        await hub.put(server, sidecar.workspace("far", server))
        try:
            async with clients.sdk(hub.http("far"), transport, mode) as client:
                await client.list_tools()  # the SDK sends its own such headers once it knows the schema
                result = await client.call_tool("far_where", {"region": "größe"})
                assert (result.is_error, result.content[0].text) == (False, "größe")
        finally:
            await hub.remove("far")


@EACH_ERA
async def test_a_uri_of_no_server(hub: Sidecar, transport: Transport, era: Era) -> None:
    """A URI without the label of a server of the workspace is not found, with the code of the era; unless a single
    server lists it as its own (docs/extensions.md)."""
    async with peers.connected(hub.http("both"), transport, era) as peer:
        read = (await peer.request("resources/read", {"uri": "mock://hello"})).result["contents"]
        assert [content["uri"].endswith("/hello") for content in read] == [True]
        for uri in ("mock://unlisted", "mock://nobody/hello", "nonsense"):
            error = (await peer.request("resources/read", {"uri": uri})).answer["error"]
            assert error["code"] == (-32002 if era == "legacy" else -32602), error
            assert error["data"]["code"] == "RESOURCE_UNKNOWN"
