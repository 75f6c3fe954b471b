"""Registries as sources of the catalogue, against a registry that can page, fail, be slow and be hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import RemoteError
from bridge.models.catalog.entries import (
    CatalogFind,
    CatalogShow,
    CatalogSource,
    PutCatalogSource,
    ReadCatalogSources,
    RefreshCatalogSource,
    RemoveCatalogSource,
)
from tests.support.hub import running
from tests.support.run import hubctl
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter
from yamcp_ui_adapter.activation.target import META
from yamcp_ui_adapter.catalog import registry_client
from yamcp_ui_adapter.catalog.entry import REGISTRY_META
from yamcp_ui_adapter.catalog.errors import RegistryFailed

pytestmark = pytest.mark.outside

VERSION_PATH = "/v0.1/servers/{name:path}/versions/{version}"
SIZE = 100
"""Entries a page."""


def item(number: int, status: str = "active", **fields: Any) -> dict[str, Any]:
    package = {"registryType": "npm", "identifier": f"s{number}", "version": "1.0.0", "transport": {"type": "stdio"}}
    server = {"name": f"io.example/s{number}", "description": f"Server {number}", "version": "1.0.0"}
    return {"server": {**server, "packages": [package], **fields}, "_meta": {REGISTRY_META: {"status": status}}}


class FakeRegistry:
    """`items` are all entries; `changed` those since any time; `failures` are the statuses of the next answers."""

    def __init__(self) -> None:
        self.items = [item(number) for number in range(250)]
        self.changed: list[dict[str, Any]] = []
        self.failures: list[int] = []
        self.answer: Callable[[], Response] | None = None
        self.queries: list[dict[str, list[str]]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""
        self.versions: dict[tuple[str, str], dict[str, Any]] = {}
        self.routes = [Route("/v0.1/servers", self.servers), Route(VERSION_PATH, self.version)]

    async def servers(self, request: Request) -> Response:
        query = parse_qs(request.url.query)
        self.queries.append(query)
        await self.hold.wait()
        if self.failures:
            return Response(status_code=self.failures.pop(0))
        if self.answer is not None:
            return self.answer()
        of = self.changed if "updated_since" in query else self.items
        start = int(query.get("cursor", ["0"])[0])
        metadata = {"nextCursor": str(start + SIZE)} if start + SIZE < len(of) else {}
        return JSONResponse({"servers": of[start : start + SIZE], "metadata": metadata})

    async def version(self, request: Request) -> Response:
        found = self.versions.get((request.path_params["name"], request.path_params["version"]))
        return JSONResponse(found) if found else Response(status_code=404)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeRegistry]:
        app = Starlette(routes=self.routes)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield self
            finally:
                self.hold.set()
                server.should_exit = True
                await task


@pytest.fixture
async def registry(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeRegistry]:
    monkeypatch.setattr(registry_client, "PAUSES", (0.0, 0.0))
    async with FakeRegistry().running() as running:
        yield running


async def state(client: Any, id_: str = "fake") -> CatalogSource:
    """The source, once it is not being copied."""
    async with asyncio.timeout(PATIENCE):
        while True:
            listed = (await client.request(ReadCatalogSources())).sources
            found: CatalogSource = next(each for each in listed if each.id == id_)
            if not found.refreshing:
                return found
            await asyncio.sleep(0.01)


async def pages(url: str, **others: Any) -> list[Any]:
    return [entry async for page in registry_client.entries(url, None, **others) for entry in page]


async def test_a_registry_is_copied_page_by_page_and_then_what_changed(tmp_path: Path, registry: FakeRegistry) -> None:
    async with Adapter(tmp_path).running() as client:
        await client.request(PutCatalogSource(id="fake", url=registry.url, title="Fake"))
        copied = await state(client)
        assert (copied.entries, copied.error) == (250, None)
        assert copied.fetched is not None
        assert [query.get("cursor") for query in registry.queries] == [None, ["100"], ["200"]]
        assert {query["version"][0] for query in registry.queries} == {"latest"}

        registry.queries.clear()
        registry.changed = [item(1, "deprecated"), item(2, "deleted"), item(900, title="Fresh thing")]
        await client.request(RefreshCatalogSource(id="fake"))
        again = await state(client)
        assert again.entries == 251
        assert len(registry.queries) == 1
        assert registry.queries[0]["include_deleted"] == ["true"]
        assert registry.queries[0]["updated_since"][0].endswith("Z")
        for number, status in (1, "deprecated"), (2, "deleted"), (3, "active"):
            card = await client.request(CatalogShow(name=f"io.example/s{number}"))
            assert (card.summary.status, card.summary.source) == (status, "fake")
        found = await client.request(CatalogFind(text="fresh"))
        assert [each.name for each in found.entries] == ["io.example/s900"]


async def test_the_copy_serves_when_the_registry_is_gone_at_a_restart(tmp_path: Path, registry: FakeRegistry) -> None:
    adapter = Adapter(tmp_path)
    async with adapter.running() as client:
        await client.request(PutCatalogSource(id="fake", url=registry.url))
        before = await state(client)
    registry.failures = [503] * 100
    async with adapter.running() as client:
        assert (await state(client)).fetched == before.fetched
        await client.request(RefreshCatalogSource(id="fake"))
        after = await state(client)
        assert (after.entries, after.fetched) == (250, before.fetched)
        assert after.error is not None
        assert after.error.code == "CATALOG_REGISTRY_FAILED"
        assert (await client.request(CatalogShow(name="io.example/s7"))).command
    assert (tmp_path / "hub/catalog/cache/fake.json").stat().st_mode & 0o777 == 0o600


async def test_another_version_is_asked_for_and_a_closed_port_at_a_restart_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the copy has not, and only of names that the registry has told; the copy serves on without it."""
    monkeypatch.setattr(registry_client, "PAUSES", (0.0, 0.0))
    adapter, name, older = Adapter(tmp_path), "io.example/s7", item(7, version="0.9.0", title="The older one")
    fake = FakeRegistry()
    fake.versions = {(name, "0.9.0"): older, (name, "0.8.0"): item(8, version="0.8.0")}

    async def refused(client: Any, version: str, **more: str) -> str:
        with pytest.raises(RemoteError) as error:
            await client.request(CatalogShow(name=more.get("name", name), version=version))
        return error.value.remote_code

    async with fake.running(), adapter.running() as client:
        await client.request(PutCatalogSource(id="fake", url=fake.url))
        await state(client)
        card = await client.request(CatalogShow(name=name, version="0.9.0"))
        assert (card.summary.title, card.versions) == ("The older one", ("1.0.0", "0.9.0"))
        assert (card.summary.source, card.problem) == ("fake", None)
        assert await refused(client, "0.1.0") == "NO_SUCH_ENTRY"
        assert await refused(client, "0.8.0") == "CATALOG_REGISTRY_FAILED"  # it is of another name
        assert await refused(client, "0.9.0", name="io.example/other") == "NO_SUCH_ENTRY"
    async with adapter.running() as client:
        assert (await client.request(CatalogShow(name=name, version="1.0.0"))).command
        assert await refused(client, "0.9.0") == "CATALOG_REGISTRY_FAILED"
        await client.request(RefreshCatalogSource(id="fake"))
        after = await state(client)
        assert after.entries == 250 and after.error is not None
        assert "cannot be read: ConnectError" in after.error.message


async def test_a_failing_page_is_asked_for_again_and_half_a_copy_is_not_kept(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with Adapter(tmp_path).running() as client:
        registry.failures = [500, 429]
        await client.request(PutCatalogSource(id="fake", url=registry.url))
        assert (await state(client)).entries == 250
        registry.changed = [item(number) for number in range(1000, 1150)]
        registry.failures = []
        registry.items = []
        registry.answer = lambda: JSONResponse({"servers": [item(5000)], "metadata": {"nextCursor": "same"}})
        await client.request(RefreshCatalogSource(id="fake"))
        after = await state(client)
        assert after.entries == 250
        assert after.error is not None
        assert "twice" in after.error.message


async def test_a_slow_registry_holds_nothing_up(tmp_path: Path, registry: FakeRegistry) -> None:
    registry.hold.clear()
    async with Adapter(tmp_path).running() as client:
        await client.request(PutCatalogSource(id="fake", url=registry.url))
        page = await client.request(CatalogFind(text="filesystem"))
        assert page.total
        assert next(each for each in page.sources if each.id == "fake").refreshing
        await client.request(RemoveCatalogSource(id="fake"))
        registry.hold.set()
        assert [each.id for each in (await client.request(ReadCatalogSources())).sources] == ["own", "shipped"]
    with pytest.raises(RegistryFailed, match="within"):
        registry.hold.clear()
        await pages(registry.url, page_seconds=0.05)


async def test_an_endless_registry_is_left(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_client, "MAX_PAGES", 2)
    with pytest.raises(RegistryFailed, match="pages"):
        await pages(registry.url)
    monkeypatch.setattr(registry_client, "MAX_PAGES", 1000)
    monkeypatch.setattr(registry_client, "MAX_FETCH_BYTES", 30_000)
    with pytest.raises(RegistryFailed, match="bytes in all"):
        await pages(registry.url)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: Response(b"<html>", media_type="text/html"), "JSON"),
        (lambda: JSONResponse([1]), "servers"),
        (lambda: JSONResponse({"servers": "all"}), "servers"),
        (lambda: Response(b"[" * 200_000), "JSON"),
        (lambda: Response(b" " * (registry_client.MAX_PAGE_BYTES + 1)), "bytes"),
        (lambda: Response(status_code=302, headers={"location": "http://127.0.0.1:9/"}), "302"),
        (lambda: Response(status_code=404), "404"),
    ],
)
async def test_what_is_not_the_api_is_refused(
    registry: FakeRegistry, answer: Callable[[], Response], says: str
) -> None:
    registry.answer = answer
    with pytest.raises(RegistryFailed, match=says):
        await pages(registry.url)


async def test_a_hostile_entry_claims_nothing_of_the_hub(tmp_path: Path, registry: FakeRegistry) -> None:
    claims = {META: {"checked": {"started": "2026-01-01", "tools": 3}, "works_without_keys": True, "category": "files"}}
    shadow = item(3, name="yamcp-hub.catalog/filesystem", title="Not the real one")
    registry.items = [
        item(1, _meta=claims), shadow, item(2, description="x" * 70_000), item(4, name=7), {"server": 3}, 5,
    ]  # fmt: skip
    async with Adapter(tmp_path).running() as client:
        await client.request(PutCatalogSource(id="fake", url=registry.url))
        assert (await state(client)).entries == 2
        summary = (await client.request(CatalogShow(name="io.example/s1"))).summary
        assert (summary.checked.started, summary.without_keys, summary.category) == (None, False, "")
        assert (await client.request(CatalogShow(name="yamcp-hub.catalog/filesystem"))).summary.source == "shipped"


@pytest.mark.parametrize(
    "url", ["ftp://a", "https://u:p@a", "https://", "https://a?x=1", "file:///etc", "x", "http://["]
)
async def test_urls_that_cannot_be_a_registry_are_refused(tmp_path: Path, url: str) -> None:
    async with Adapter(tmp_path).running() as client:
        with pytest.raises(RemoteError) as refused:
            await client.request(PutCatalogSource(id="fake", url=url))
        assert refused.value.remote_code == "CATALOG_SOURCE_INVALID"
        with pytest.raises(RemoteError) as taken:
            await client.request(PutCatalogSource(id="shipped", url="http://127.0.0.1:9"))
        assert taken.value.remote_code == "CATALOG_SOURCE_INVALID"
    assert not (tmp_path / "hub/catalog/sources.json").exists()


async def test_a_broken_file_of_sources_or_copy_is_no_obstacle(tmp_path: Path, registry: FakeRegistry) -> None:
    adapter = Adapter(tmp_path)
    folder = tmp_path / "hub/catalog"
    (folder / "cache").mkdir(parents=True)
    (folder / "sources.json").write_text(json.dumps({"sources": [{"id": "fake", "url": registry.url}]}))
    (folder / "cache/fake.json").write_text('{"url": ')
    async with adapter.running() as client:
        await client.request(RefreshCatalogSource(id="fake"))
        assert (await state(client)).entries == 250
    (folder / "sources.json").write_text("[]")
    async with adapter.running() as client:
        assert len((await client.request(ReadCatalogSources())).sources) == 2


async def test_hubctl(registry: FakeRegistry) -> None:
    async with running({}, {}) as hub:

        async def does(*words: str) -> tuple[int, str]:
            status, out, err = await hubctl(hub.env, "catalog", *words)
            return status, out + err

        status, said = await does("sources", "add", "fake", registry.url, "--title", "A fake one")
        assert status == 0
        assert "A fake one" in said
        assert "250" in said
        assert "old" in said
        assert "io.example/s42" in (await does("find", "42", "--source", "fake"))[1]
        registry.failures = [500] * 3
        status, said = await does("sources", "refresh", "fake")
        assert status == 1
        assert "failed since" in said
        assert "status 500" in said
        assert (await does("sources", "remove", "fake"))[0] == 0
        status, said = await does("sources", "refresh", "fake")
        assert status == 1
        assert "has no registry 'fake'" in said
        assert "shipped" in (await does("sources"))[1]
