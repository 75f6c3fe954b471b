"""Awkward names of servers, tools and workspaces, through every real client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from bridge.models import ListTools
from tests.support import sidecar
from tests.support.clients import USES
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACES = {
    "plain": "plain",
    "underscore": "with_underscore_",
    "spaces": "with some spaces",
    "unicode": "größe",
    "no-ascii": "日本",
    "long": "l" * 80,
    "long-too": "l" * 79 + "m",
    "upper": "PLAIN",
    "dash": "with-dash",
    "odd": "a/b:?#",
}
SERVERS = [sidecar.mock(key, "--odd-names", namespace=namespace) for key, namespace in NAMESPACES.items()]
COLLIDING = [
    sidecar.mock("short", "--prefix", "lide_", namespace="col"),  # col + lide_env
    sidecar.mock("whole", namespace="col_lide"),  # col_lide + env
]
ODD_NAME = "a/b ?#"
WORKSPACES = [
    sidecar.workspace("names", *SERVERS),
    sidecar.workspace("collide", *COLLIDING),
    sidecar.workspace("bare", *SERVERS[:2], template="{name}"),
    sidecar.workspace(ODD_NAME, SERVERS[0], slug="a-b-1234abcd"),
]
FEW = ["sdk-sse-legacy", "sdk-http-modern", "typescript-sse", "typescript-http"]
GOOD = re.compile(r"[A-Za-z0-9_-]{1,64}")
WHO = "The value of an environment variable"
"""What the tool `env` says of itself; it tells which server has answered."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Sidecar]:
    """A sidecar with all of these."""
    async with sidecar.running(*SERVERS, *COLLIDING, *WORKSPACES) as running:
        yield running


async def who(hub: Sidecar, workspace: str) -> list[str]:
    """The names under which the servers' tools `env` are exposed, in the servers' order."""
    tools = (await hub.actual.request(ListTools(workspace=workspace))).tools
    return [tool["name"] for tool in tools if tool["description"] == WHO]


async def offered(hub: Sidecar, *servers: str) -> int:
    """How many tools these servers have, counted before anything is named; the mock has 28 at least."""
    counts = [(await hub.server(key)).tools for key in servers]
    assert min(counts) >= 28
    return sum(counts)


def folded(names: list[str]) -> set[str]:
    """Names as the least particular client tells them apart."""
    return {name.lower().replace("-", "_") for name in names}


@pytest.mark.parametrize("client", USES)
async def test_awkward_namespaces(hub: Sidecar, client: str) -> None:
    """Names are good for every client, differ however they are folded, and each leads to its own server."""
    calls = [(name, {"name": "TEST_SERVER"}) for name in await who(hub, "names")]
    names, texts = await USES[client](hub.http("names"), calls)
    assert texts == list(NAMESPACES)
    assert all(GOOD.fullmatch(name) for name in names)
    assert len(folded(names)) == len(names) == await offered(hub, *NAMESPACES)


@pytest.mark.parametrize("client", USES)
async def test_colliding_tools(hub: Sidecar, client: str) -> None:
    """Two servers whose tools would have the same name: both are there, and neither answers for the other."""
    exposed = await who(hub, "collide")
    names, texts = await USES[client](hub.http("collide"), [(name, {"name": "TEST_SERVER"}) for name in exposed])
    assert texts == ["short", "whole"]
    assert len(folded(names)) == len(names) == await offered(hub, "short", "whole")


@pytest.mark.parametrize("client", FEW)
async def test_an_empty_prefix_for_two_servers(hub: Sidecar, client: str) -> None:
    """Without a prefix, names that two servers have get a hash each, and lead to the right one."""
    exposed = await who(hub, "bare")
    _, texts = await USES[client](hub.http("bare"), [(name, {"name": "TEST_SERVER"}) for name in exposed])
    assert texts == ["plain", "underscore"]


@pytest.mark.parametrize("client", USES)
async def test_a_workspace_of_any_name(hub: Sidecar, client: str) -> None:
    """A workspace called `a/b ?#` is served to every client under its slug."""
    _, texts = await USES[client](hub.http("a-b-1234abcd"), [("plain_env", {"name": "TEST_SERVER"})])
    assert texts == ["plain"]


@pytest.mark.parametrize("client", FEW)
async def test_a_workspace_under_its_own_name(hub: Sidecar, client: str) -> None:
    """It is found under its name too, percent-encoded."""
    _, texts = await USES[client](hub.http(quote(ODD_NAME, safe="")), [("plain_env", {"name": "TEST_SERVER"})])
    assert texts == ["plain"]


async def test_names_are_the_same_in_both_orders_and_after_a_restart(hub: Sidecar) -> None:
    """A name depends neither on the order of servers nor on which of them run."""
    before = set(await who(hub, "names"))
    await hub.put(sidecar.workspace("reversed", *reversed(SERVERS)))
    assert set(await who(hub, "reversed")) == before
    await hub.remove("reversed")


async def test_an_unknown_workspace_says_which_there_are(hub: Sidecar) -> None:
    """404 with the slugs of those that exist."""

    async with httpx2.AsyncClient(timeout=100) as http:
        for url in (hub.sse("nope"), hub.http("nope")):
            response = await http.get(url)
            assert response.status_code == 404
            assert response.json()["error"]["data"]["workspaces"] == ["names", "collide", "bare", "a-b-1234abcd"]
