"""What the bridge answers about permissions is what clients find."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.logs import JsonFormatter
from bridge.memory import MemoryBridge
from bridge.models import AccessItem, AccessView, ExplainAccess, ViewAs
from bridge.server import BridgeServer
from sidecar.observe.log_buffer import LogBuffer
from tests.support.fake_server import FakeServer
from tests.support.grants import Grants
from tests.support.guarded import Guarded, guarded, short_directory
from tests.support.inprocess import space

pytestmark = pytest.mark.outside

RULES: tuple[dict[str, Any], ...] = (
    {"effect": "allow", "subject": "group:dev", "workspaces": ["w"], "tools": ["open*"]},
    {"effect": "allow", "subject": "group:dev", "servers": ["a"], "resources": ["note://*"]},
    {"effect": "deny", "subject": "*", "resources": ["note://secret/*"]},
    {"effect": "deny", "subject": "key:some", "servers": ["a"], "tools": ["secret"]},
)
"""Keys may use what keys.json says, unless a rule denies it."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with short_directory() as root:
        yield root


@contextlib.asynccontextmanager
async def asked(root: Path) -> AsyncIterator[tuple[Guarded, BridgeClient]]:
    """A hub with two workspaces, and a client of its bridge."""
    server, own = FakeServer("one", tools={"open": dict, "secret": dict}), FakeServer("two")
    server.prompts, server.resources = [{"name": "p"}], [{"uri": "note://secret/1"}, {"uri": "note://open/1"}]
    server.templates = [{"uriTemplate": "note://{id}"}]
    transport = MemoryBridge()
    async with guarded(root, server, own) as hub:
        made = hub.made
        made.put(server.spec("a"), own.spec("b", session="per_client"), space("a", "b"), space("a", name="v"))
        made.allow(*RULES)
        await made.settled()
        ring = LogBuffer(JsonFormatter("sidecar"), lambda _: None)
        bridge = BridgeServer("actual", made.api(ring).handlers(), session="s", transport=transport)
        serving = asyncio.create_task(bridge.serve())
        try:
            async with BridgeClient("actual", transport=transport) as client:
                yield hub, client
        finally:
            serving.cancel()
            await asyncio.wait([serving])


def allowed(view: AccessView, workspace: str, kind: str) -> list[str]:
    """The items of a kind that the subject may use, as clients know them."""
    items = next(each.items for each in view.workspaces if each.name == workspace)
    return [item.shown_as for item in items if item.type == kind and item.allowed]


async def test_view_as_is_what_the_principal_sees(short: Path) -> None:
    """Every item of the lists of a client is allowed, and no other; each decision has its reason."""
    async with asked(short) as (hub, bridge):
        view = await bridge.request(ViewAs(subject="some"))
        assert (view.principal, view.role) == ("ka000001", "user")
        assert [each.usable for each in view.workspaces] == [True, True]
        brief = await bridge.request(ViewAs(subject="some", items=False))
        assert [(each.usable, each.servers, each.items) for each in brief.workspaces] == [
            (True, ("a", "b"), ()),
            (True, ("a",), ()),
        ]
        nobody = await bridge.request(ViewAs(subject="group:nobody", items=False))
        assert {(each.usable, each.servers) for each in nobody.workspaces} == {(False, ())}
        async with hub.peer("some", "http", "legacy", workspace="v") as peer:
            seen = {
                kind: [item[field] for item in (await peer.request(f"{kind}s/list")).result[f"{kind}s"]]
                for kind, field in (("tool", "name"), ("prompt", "name"), ("resource", "uri"))
            }
        assert seen == {"tool": ["a_open"], "prompt": ["a_p"], "resource": ["note://a/open/1"]}
        assert allowed(view, "v", "tool") == seen["tool"]
        assert allowed(view, "v", "prompt") == seen["prompt"]
        assert allowed(view, "v", "resource") == [*seen["resource"], "note://a/{id}"]
        hidden = [item for item in view.workspaces[1].items if not item.allowed]
        assert [(item.name, item.reason, item.rule) for item in hidden] == [
            ("secret", "rule", 3),
            ("note://secret/1", "rule", 2),
        ]
        group = await bridge.request(ViewAs(subject="group:dev"))
        assert [each.usable for each in group.workspaces] == [True, True]
        assert (allowed(group, "w", "tool"), allowed(group, "v", "tool")) == (["a_open"], [])
        everyone = await bridge.request(ViewAs(subject="*"))
        assert [each.usable for each in everyone.workspaces] == [False, False]


async def test_servers_of_single_sessions(short: Path) -> None:
    """What a `per_client` server has is known while it runs for anybody."""
    async with asked(short) as (hub, bridge):
        assert allowed(await bridge.request(ViewAs(subject="admin")), "w", "tool") == ["a_open", "a_secret"]
        async with hub.peer("all", "http", "legacy") as peer:
            await peer.request("tools/list")
            assert "b_echo" in allowed(await bridge.request(ViewAs(subject="admin")), "w", "tool")


async def decided(bridge: BridgeClient, subject: str, name: str, **more: Any) -> list[AccessItem]:
    """The decisions on a name."""
    return list((await bridge.request(ExplainAccess(subject=subject, name=name, **more))).decisions)


async def test_explain(short: Path) -> None:
    """A name may be the client's or the server's; the deciding rule is named, with its text."""
    async with asked(short) as (_, bridge):
        for name in ("secret", "a_secret"):
            explained = await bridge.request(ExplainAccess(subject="some", name=name))
            assert [each.workspace for each in explained.decisions] == ["w", "v"]
            assert {(each.allowed, each.rule, each.listed) for each in explained.decisions} == {(False, 3, True)}
            assert explained.decisions[0].text is not None
            assert explained.decisions[0].text.tools == ("secret",)
        [one] = await decided(bridge, "all", "a_open", workspace="v")
        assert (one.allowed, one.reason, one.rule, one.server) == (True, "key", None, "a")
        [one] = await decided(bridge, "group:dev", "open", workspace="v")
        assert (one.allowed, one.reason) == (False, "none")
        [one] = await decided(bridge, "admin", "secret", workspace="v", server="a")
        assert (one.allowed, one.reason) == (True, "admin")


async def test_explain_what_is_not_listed(short: Path) -> None:
    """A URI leads to the server that would be asked, and is decided in all its forms; other names to each server."""
    async with asked(short) as (_, bridge):
        for uri, may in (("note://a/new", True), ("note://a/%73ecret/x", False), ("note://a/x/../secret/y", False)):
            [one] = await decided(bridge, "all", uri, type="resource", workspace="v")
            assert (one.allowed, one.listed, one.server) == (may, False, "a"), uri  # type: ignore[attr-defined]
        found = await decided(bridge, "group:dev", "opening", workspace="w")
        assert [(each.server, each.allowed) for each in found] == [("a", True), ("b", True)]


async def test_subjects(short: Path) -> None:
    """Keys by name and id, users by id and e-mail address; who has never signed in may be asked about, too."""
    async with asked(short) as (hub, bridge):
        users = Grants(hub.made.settings.data_dir)
        user = users.user("ada", groups=("dev",))
        for subject in (user, f"user:{user}", "ada@example.com", "email:Ada@Example.com"):
            view = await bridge.request(ViewAs(subject=subject))
            assert (view.principal, allowed(view, "w", "tool")) == (user, ["a_open"]), subject
        for subject in ("some", "key:some", "ka000001", "key:ka000001"):
            assert (await bridge.request(ViewAs(subject=subject))).principal == "ka000001"
        assert (await bridge.request(ViewAs(subject="new@example.com"))).workspaces[0].usable is False
        for subject in ("nobody", "key:nobody", "user:u1"):
            with pytest.raises(RemoteError) as refused:
                await bridge.request(ViewAs(subject=subject))
            assert refused.value.remote_code == "SUBJECT_UNKNOWN"
        for request, code in (
            (ExplainAccess(subject="some", name="x", workspace="nowhere"), "WORKSPACE_UNKNOWN"),
            (ExplainAccess(subject="some", name="x", server="none"), "SERVER_UNKNOWN"),
        ):
            with pytest.raises(RemoteError) as refused:
                await bridge.request(request)
            assert refused.value.remote_code == code
