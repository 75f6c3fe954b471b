"""An entry of a registry for a remote server: its URL and headers have settings, and the registry touches no server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import RemoteError
from bridge.models.catalog.activation import Activate, ReadInstalled, ReadVariables
from bridge.models.catalog.entries import CatalogShow, PutCatalogSource, RefreshCatalogSource, RemoveCatalogSource
from tests.integration.activation.test_activation import activated, called, files_with
from tests.integration.activation.test_registries import FakeRegistry, item, state
from tests.support.hub import running
from tests.support.run import hubctl

pytestmark = pytest.mark.outside

SECRET = "marked-Bw7Tn4Yq1Fs9"  # it is the marker
NAME = "io.example/s1"


async def server(request: Request) -> Response:
    """An MCP server over Streamable HTTP, one for each tenant, for who has the token."""
    if request.headers.get("authorization") != f"Bearer {SECRET}":
        return Response(status_code=401)
    if request.method != "POST":
        return Response(status_code=405)
    message = await request.json()
    if "id" not in message:
        return Response(status_code=202)
    text = f"{request.path_params['tenant']}, plan {request.headers.get('x-plan')}"
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": message.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "remote", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "whose", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": text}]},
    }
    found = results.get(message["method"])
    answer = {"error": {"code": -32601, "message": "?"}} if found is None else {"result": found}
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], **answer})


def remote(url: str, version: str = "1.0.0", status: str = "active") -> dict[str, Any]:
    """The entry as the registry tells it."""
    variable = {"isSecret": True, "isRequired": True}
    headers = [
        {"name": "Authorization", "value": "Bearer {token}", "variables": {"token": variable}},
        {"name": "X-Plan", "default": "small", "choices": ["small", "large"]},
    ]
    one = {
        "type": "streamable-http",
        "url": f"{url}/{{tenant}}/mcp",
        "variables": {"tenant": {"isRequired": True}},
        "headers": headers,
    }
    return item(1, status, version=version, packages=[], remotes=[one])


async def test_a_remote_entry_is_activated_and_what_is_installed_is_never_touched_by_its_source() -> None:
    """Deprecated, replaced by a new version, deleted, the source removed: each is shown, and nothing is written."""
    registry = FakeRegistry()
    registry.routes.append(Route("/{tenant}/mcp", server, methods=["GET", "POST", "DELETE"]))
    async with registry.running(), running({}, {"w": []}) as hub:
        registry.items = [remote(registry.url)]
        await hub.desired.request(PutCatalogSource(id="fake", url=registry.url))
        await state(hub.desired)
        card = await hub.desired.request(CatalogShow(name=NAME))
        assert card.command == (f"{registry.url}/{{tenant}}/mcp",)
        assert [(each.name, each.kind, each.secret) for each in card.inputs] == [
            ("token", "header", True), ("X-Plan", "header", False), ("tenant", "url", False),
        ]  # fmt: skip

        values = {"tenant": "acme", "X-Plan": "large"}
        job = await activated(hub, NAME, key="far", values=values, secrets={"token": SECRET})
        assert (job.tools, await called(hub, "far_whose")) == (1, "acme, plan large")
        assert files_with(hub.root, SECRET) == {"data/variables.json"}
        [variable] = (await hub.desired.request(ReadVariables())).variables
        assert (variable.name, variable.used_by) == ("TOKEN", ("far",))
        entry = json.loads((hub.yamcp_dir / "providers.json").read_text())["far"]["providerParameters"]
        assert entry == {
            "url": f"{registry.url}/acme/mcp",
            "headers": {"Authorization": "Bearer ${TOKEN}", "X-Plan": "large"},
        }

        files = [*hub.yamcp_dir.glob("*.json"), hub.data_dir / "servers/installed.json"]

        def written() -> list[tuple[bytes, int]]:
            return [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]

        before, told = written(), list[str]()
        for version, status in (("1.0.0", "deprecated"), ("2.0.0", "active"), ("2.0.0", "deleted")):
            registry.changed = [remote(f"{registry.url}/elsewhere", version, status)]
            await hub.desired.request(RefreshCatalogSource(id="fake"))
            await state(hub.desired)
            summary = (await hub.desired.request(CatalogShow(name=NAME))).summary
            assert (summary.version, summary.status, summary.installed) == (version, status, ("far",))
            [installed] = (await hub.desired.request(ReadInstalled())).servers
            assert (installed.version, installed.source, installed.in_use) == ("1.0.0", "fake", True)
            told.append((await hubctl(hub.env, "catalog", "installed"))[1].splitlines()[-1].rpartition("  ")[2])
        assert told == ["deprecated", "version 2.0.0", "deleted"]
        with pytest.raises(RemoteError) as deleted:
            await hub.desired.request(Activate(name=NAME, values=values, secrets={"token": SECRET}))
        assert deleted.value.remote_code == "CATALOG_ENTRY_DELETED"
        await hub.desired.request(RemoveCatalogSource(id="fake"))
        await hub.wait_settled()
        assert (written(), await called(hub, "far_whose")) == (before, "acme, plan large")
