"""Two adapters that share a configuration in a real PostgreSQL: edits, conflicts, a database that is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import (
    AddKey,
    ListKeys,
    PutAccessFile,
    PutServer,
    PutWorkspace,
    ReadConfig,
    ReadDesired,
    Request,
    SetServer,
)
from bridge.models.cluster import ClusterState, ExportConfig, ImportConfig, ReadCluster
from tests.support import hub
from tests.support.postgres import Postgres
from tests.support.yamcp import mock
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter, in_place, keys, server
from yamcp_ui_adapter.cluster import shared
from yamcp_ui_adapter.cluster.copy import BASE_FILE


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at files and database come sooner."""
    monkeypatch.setattr(shared, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(shared, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(shared, "MAX_RETRY_SECONDS", 0.1)


def made(directory: Path, name: str, postgres: Postgres, schema: str, servers: dict[str, Any] | None = None) -> Adapter:
    """An adapter of a replica of that name, not started."""
    place = directory / name
    place.mkdir(exist_ok=True)
    adapter = Adapter(place, config_database=postgres.url(), config_schema=schema, replica=name)
    if servers is not None:
        in_place(adapter.providers, servers)
        in_place(adapter.workspaces, {"w": list(servers)})
    return adapter


@contextlib.asynccontextmanager
async def running(*adapters: Adapter) -> AsyncIterator[list[BridgeClient]]:
    """Adapters and their sidecars; their clients."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for adapter in adapters:
            await stack.enter_async_context(adapter.sidecar.running())
            clients.append(await stack.enter_async_context(adapter.running()))
        yield clients


async def until_state(client: BridgeClient, wanted: str) -> ClusterState:
    """Wait until the shared configuration is in that state."""
    async with asyncio.timeout(PATIENCE):
        while (found := await client.request(ReadCluster())).state != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def refusal(client: BridgeClient, body: Request[Any]) -> str:
    """The code of the error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.remote_code


def put(key: str, *args: str) -> PutServer:
    """A request to add a server."""
    return PutServer(key=key, entry=server(*args), old_key=None)


async def test_an_edit_of_one_hub_is_in_force_in_the_other(tmp_path: Path, postgres: Postgres, schema: str) -> None:
    """Servers, settings, keys and rules of access; the second hub's own files give way, and are kept."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    two = made(tmp_path, "r2", postgres, schema, {"old": server("2")})
    async with running(one, two) as (first, second):
        assert (await first.request(ReadCluster())).state == "empty"
        assert await refusal(first, put("b")) == "CONFIG_NOT_IMPORTED"
        done = await first.request(ImportConfig(dry_run=True))
        assert (done.epoch, done.written) == (0, ("providers.json", "workspaces.json"))
        assert (await first.request(ImportConfig())).epoch == 1
        await two.sidecar.until(lambda snapshot: keys(snapshot) == {"a"})
        assert "old" in next((two.settings.data_dir / "backups").glob("providers.json.*")).read_text()
        assert (await first.request(ImportConfig())).written == ()  # again, it changes nothing

        await second.request(put("b", "3"))
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
        await first.request(SetServer(key="b", settings={"call_timeout": 7}))
        await two.sidecar.until(lambda snapshot: any(each.settings.call_timeout == 7 for each in snapshot.servers))
        made_key = await first.request(AddKey(name="laptop"))
        await second.request(PutAccessFile(text='{"version": 1, "rules": []}'))
        await one.sidecar.until(lambda snapshot: snapshot.access is not None)
        assert [key.id for key in (await second.request(ListKeys())).keys] == [made_key.id]
        here, there = await first.request(ReadCluster()), await second.request(ReadCluster())
        assert (here.epoch, here.hash) == (there.epoch, there.hash) == (5, here.hash)
        assert stat.S_IMODE((one.settings.data_dir / BASE_FILE).stat().st_mode) == 0o600


async def test_an_edit_is_recorded_by_the_hub_where_it_was_made(
    tmp_path: Path, postgres: Postgres, schema: str
) -> None:
    """Once, where both have one history; an edit of a file as well."""
    hubs = [
        made(tmp_path, "r1", postgres, schema, {"a": server("1")}),
        made(tmp_path, "r2", postgres, schema),
    ]
    for each in hubs:
        each.settings = each.settings.model_copy(update={"database_url": SecretStr(postgres.url())})
    one, two = hubs
    async with running(one, two) as (first, _):
        await first.request(ImportConfig())
        await first.request(put("b", "2"))
        await two.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
        in_place(two.providers, {"a": server("1"), "c": server("3")})
        for each in hubs:
            await each.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "c"})
    assert [recorded(each) for each in hubs] == [["put_server"], ["file"]]


def recorded(adapter: Adapter) -> list[str]:
    """The kinds of the changes in the spool of a hub."""
    files = sorted(adapter.settings.spool_dir.glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [change["kind"] for line in lines for change in line.get("changes", ())]


async def test_edits_at_the_same_time_are_all_there_or_refused(tmp_path: Path, postgres: Postgres, schema: str) -> None:
    """Of new entries none is lost; of changes of the same entry, based on the same version, one counts."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    two = made(tmp_path, "r2", postgres, schema)
    async with running(one, two) as (first, second):
        await first.request(ImportConfig())
        await asyncio.gather(
            *(client.request(put(f"{n}{i}")) for n, client in (("x", first), ("y", second)) for i in range(5))
        )
        seen = (await first.request(ReadConfig(file="providers"))).entries["a"]
        changes = [PutServer(key="a", expect=seen, entry=server(text)) for text in ("one", "two")]
        answers = await asyncio.gather(first.request(changes[0]), second.request(changes[1]), return_exceptions=True)
        codes = [each.remote_code for each in answers if isinstance(each, RemoteError)]
        assert codes == ["EDIT_CONFLICT"]
        wanted = {"a", *(f"{n}{i}" for n in "xy" for i in range(5))}
        texts = set()
        for adapter in (one, two):
            await adapter.sidecar.until(lambda snapshot: keys(snapshot) == wanted)
            texts.add(adapter.providers.read_bytes())
        assert len(texts) == 1


async def test_what_other_programs_write_is_shared_and_merged(tmp_path: Path, postgres: Postgres, schema: str) -> None:
    """YAMCP-UI writes the files of one hub; a file that is missing or broken removes nothing elsewhere."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    two = made(tmp_path, "r2", postgres, schema)
    async with running(one, two) as (first, second):
        await first.request(ImportConfig())
        await two.sidecar.until(lambda snapshot: keys(snapshot) == {"a"})
        in_place(two.providers, {"a": server("1"), "b": server("2")})
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
        two.providers.unlink()
        two.workspaces.write_text("{")
        await second.request(put("c"))
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b", "c"})
        assert json.loads(two.providers.read_bytes()).keys() == {"a", "b", "c"}
        assert json.loads(one.workspaces.read_bytes()) == {"w": ["a"]}


async def test_a_dead_database_stops_nothing(tmp_path: Path, schema: str, postgres: Postgres) -> None:
    """Neither at the start nor later: the last good copy is in force, edits are refused; then they go on."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    two = made(tmp_path, "r2", postgres, schema)
    async with running(one) as (first,):
        await first.request(ImportConfig())
        await first.request(put("b"))
        postgres.kill()
        assert await refusal(first, put("c")) == "CONFIG_DATABASE_UNAVAILABLE"
        found = await until_state(first, "unavailable")
        assert found.error
        assert found.error.code == "CONFIG_DATABASE_UNAVAILABLE"
        issues = (await first.request(ReadDesired())).issues
        assert [each.code for each in issues if each.subject == "cluster"] == ["CONFIG_FROM_COPY"]
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
    again = len(one.sidecar.snapshots)
    async with running(one) as (first,):
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"}, again)
        in_place(one.providers, {"a": server("1"), "b": server(), "d": server("4")})  # beside the hub, meanwhile
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b", "d"}, again)
        postgres.start()
        await until_state(first, "current")
        async with running(two) as (second,):
            await two.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b", "d"})
            assert {each.name for each in (await second.request(ReadCluster())).replicas} >= {"r1"}


async def test_an_edit_that_the_database_loses_is_taken_back(tmp_path: Path, postgres: Postgres, schema: str) -> None:
    """The connection ends between the write of the files and the commit: neither the sidecar nor the file keeps it."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    async with running(one) as (first,):
        await first.request(ImportConfig())
        before = one.providers.read_bytes()
        other = await asyncpg.connect(postgres.url())
        try:
            await other.execute(
                f"CREATE FUNCTION {schema}.lost() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$"
            )
            await other.execute(
                f"CREATE TRIGGER lost BEFORE INSERT ON {schema}.documents EXECUTE FUNCTION {schema}.lost()"
            )
            assert await refusal(first, put("b")) == "CONFIG_DATABASE_UNAVAILABLE"
            assert one.providers.read_bytes() == before
            await other.execute(f"DROP TRIGGER lost ON {schema}.documents")
        finally:
            await other.close()
        assert all("b" not in keys(snapshot) for snapshot in one.sidecar.snapshots)
        await first.request(put("c"))
        await one.sidecar.until(lambda snapshot: keys(snapshot) == {"a", "c"})


async def test_export_and_import_with_replacement(tmp_path: Path, postgres: Postgres, schema: str) -> None:
    """What was exported can be imported again, over something else; nothing is replaced unasked."""
    one = made(tmp_path, "r1", postgres, schema, {"a": server("1")})
    async with running(one) as (first,):
        await first.request(ImportConfig())
        exported = await first.request(ExportConfig())
        assert (exported.epoch, exported.differing, exported.documents.keys()) == (
            1,
            (),
            {"providers.json", "workspaces.json"},
        )
        await first.request(put("b"))
        assert await refusal(first, ImportConfig(documents=exported.documents)) == "CONFIG_DIFFERS"
        assert await refusal(first, ImportConfig(documents={"providers.json": "["})) == "CONFIG_INVALID"
        assert await refusal(first, ImportConfig(documents={"other.json": "{}"})) == "CONFIG_INVALID"
        done = await first.request(ImportConfig(documents=exported.documents, replace=True))
        assert (done.epoch, done.written) == (3, ("providers.json",))
        assert (await first.request(ImportConfig(documents=exported.documents))).epoch == 3


async def test_no_password_is_told(tmp_path: Path, postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    """Not in states, errors and logs."""
    place = tmp_path / "r1"
    place.mkdir()
    one = Adapter(place, config_database="postgresql://hub:se-cret@127.0.0.1:1/none")
    async with running(one) as (first,):
        found = await until_state(first, "unavailable")
        assert "se-cret" not in f"{found!r}{caplog.text}"
        assert found.target == "127.0.0.1:1/none, schema yamcp_hub_config"


async def test_whole_hubs_run_what_one_of_them_was_told(postgres: Postgres, schema: str) -> None:
    """As processes, up to the servers that their sidecars run."""
    database = {"HUB_CONFIG_DATABASE": postgres.url(), "HUB_CONFIG_SCHEMA": schema}
    async with (
        hub.running({"a": mock("a")}, {"w": ["a"]}, HUB_REPLICA="r1", **database) as one,
        hub.running({}, {}, settle=False, HUB_REPLICA="r2", **database) as two,
    ):
        await one.desired.request(ImportConfig())
        await two.desired.request(PutServer(key="b", entry=mock("b")), timeout=PATIENCE)
        await two.desired.request(PutWorkspace(name="w", servers=("a", "b")), timeout=PATIENCE)
        for each in (one, two):
            await each.wait_status(
                lambda status: {s.key for s in status.servers if s.state == "ready"} == {"a", "b"}, ""
            )
