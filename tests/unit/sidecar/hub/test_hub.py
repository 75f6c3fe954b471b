"""The hub: snapshots carried out, and nothing touched that need not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.models import Snapshot
from bridge.settings import Settings
from sidecar.hub import notifications
from sidecar.hub.hub import Hub
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.routing import view
from sidecar.sessions.session import Session
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
from sidecar.workspaces.plan import WantedWorkspace
from tests.support.fake_server import FakeServer, settle, until
from tests.support.inprocess import Recorder, space, world

pytestmark = pytest.mark.outside


async def test_untouched(tmp_path: Path) -> None:
    """An edit of one server restarts no other, whichever workspaces share it."""
    one, two, three = FakeServer("one"), FakeServer("two"), FakeServer("three")
    async with world(tmp_path, one, two, three) as made:
        made.put(one.spec("a"), two.spec("b"), space("a", "b"), space("a", name="v"))
        await made.settled()
        made.put(three.spec("b"), one.spec("a", namespace="renamed", call_timeout=1))
        await until(lambda: two.open == 0)
        made.put(without=("v",))
        await settle()
        assert (len(one.channels), len(three.channels), one.open) == (1, 1, 1)
        assert await made.tools(Recorder()) == ["renamed_echo", "b_echo"]


async def test_moved_between_workspaces(tmp_path: Path) -> None:
    """A server that moves to another workspace in one snapshot keeps its upstream, in whichever direction."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a", name="v"), space(name="w"))
        await made.settled()
        made.put(space(name="v"), space("a", name="w"))
        made.put(space("a", name="v"), space(name="w"))
        made.put(space("a", name="new"), without=("v",))
        await settle()
        assert (len(server.channels), server.open) == (1, 1)
        assert await made.tools(Recorder(), "new") == ["a_echo"]


async def test_server_renamed(tmp_path: Path) -> None:
    """A server under another key is the same process."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        made.put(server.spec("b"), space("b"), without=("a",))
        await settle()
        assert (len(server.channels), server.open) == (1, 1)
        assert await made.tools(Recorder()) == ["b_echo"]


async def test_switched_off_server(tmp_path: Path) -> None:
    """A server that is switched off is closed, and opened again when it is on."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        made.put(server.spec("a", enabled=False))
        await until(lambda: server.open == 0)
        made.put(server.spec("a"))
        await server.connected(2)


async def test_events_and_figures(tmp_path: Path) -> None:
    """Changes of workspaces, servers and sessions are published; figures of what is gone are dropped."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        assert {(event.topic, event.subject) for event in made.events} >= {("workspace", "w"), ("server", "a")}
        assert made.events[-1].data == {"state": "ready"}
        made.workspace().join(Recorder())
        await until(lambda: made.events[-1].data == {"sessions": 1})
        assert 'yamcp_hub_sessions{transport="sse",workspace="w"} 1.0' in made.metrics.render()[0].decode()
        made.redactor.add("a", {"a-secret-value"})
        made.put(space(), without=("a",))
        await until(lambda: server.open == 0)
        assert 'server="a"' not in made.metrics.render()[0].decode()
        made.put(without=("w",))
        assert ("workspace", "w") in [(event.topic, event.subject) for event in made.events[-3:]]


async def test_figure_of_a_changed_server(tmp_path: Path) -> None:
    """When the one before has ended, the figures show the state of the new one."""
    old, new = FakeServer("old"), FakeServer("new")
    async with world(tmp_path, old, new) as made:
        made.put(old.spec("a"), space("a"))
        await made.settled()
        made.put(new.spec("a"))
        await made.settled()
        await until(lambda: old.open == 0)
        await settle()
        assert 'upstream_state{server="a",state="ready"} 1.0' in made.metrics.render()[0].decode()


async def test_removed_and_made_again(tmp_path: Path) -> None:
    """What is left of a removed workspace does not count for a new one of the same name."""
    async with world(tmp_path) as made:
        made.put(space())
        await settle()
        old = made.workspace()
        made.put(without=("w",))
        made.put(space())
        client = Recorder()
        made.workspace().join(client)
        await until(lambda: made.events[-1].topic == "sessions")
        assert made.workspace() is not old
        assert 'yamcp_hub_sessions{transport="sse",workspace="w"} 1.0' in made.metrics.render()[0].decode()


async def test_a_thousand_sessions_are_one_event(tmp_path: Path) -> None:
    """Clients that come and go together are counted once; one that left again too: a status may have told it."""
    async with world(tmp_path) as made:
        made.put(space())
        clients = [Recorder(str(number)) for number in range(1000)]
        for client in clients:
            made.workspace().join(client)
        await until(lambda: made.events[-1].topic == "sessions")
        for client in clients[:-1]:
            made.workspace().leave(client)
        await until(lambda: made.events[-1].data == {"sessions": 1})
        made.workspace().leave(clients[0])
        made.workspace().join(clients[0])
        made.workspace().leave(clients[0])
        made.workspace().leave(clients[-1])
        await until(lambda: made.events[-1].data == {"sessions": 0})
        told = [event.data["sessions"] for event in made.events if event.topic == "sessions"]
        assert told == [1000, 1, 0]
        made.workspace().join(clients[0])
        made.workspace().leave(clients[0])
        await until(lambda: sum(event.topic == "sessions" for event in made.events) == 4)


async def test_a_workspace_is_told_of_when_what_it_offers_changes(tmp_path: Path) -> None:
    """Switched on and off, a server ready or lost, tools that come: once each; not for what leaves it as it is."""
    server = FakeServer()
    async with world(tmp_path, server) as made:

        def told() -> list[int]:
            return [event.data["ready"] for event in made.events if event.topic == "workspace"]

        made.put(server.spec("a"), space("a"), space(name="other"))
        await made.settled()
        assert told() == [0, 0, 1]
        server.tools["more"] = server.tools["echo"]
        server.channel.notify("notifications/tools/list_changed")
        await until(lambda: told() == [0, 0, 1, 1])
        server.channel.close()
        await until(lambda: told()[4:] == [0, 1])
        made.put(space("a", enabled=False))
        await until(lambda: server.open == 0)
        assert told()[6:] == [0]
        made.put(space("a"))
        await until(lambda: told()[7:] == [0, 1])
        states = [event.data["state"] for event in made.events if event.topic == "server"]
        assert states == ["starting", "ready", "ready", "backoff", "starting", "ready", "stopped", "starting", "ready"]


async def test_server_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What servers log is in the hub's log, at most as a note, and cut where it is long."""
    caplog.set_level("DEBUG", "sidecar.server")
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        for level in ("debug", "emergency", "nonsense"):
            server.channel.notify("notifications/message", {"level": level, "data": {"x": [1]}})
        server.channel.notify("notifications/message", {"level": "info", "data": "x" * 100_000})
    logged = [record for record in caplog.records if record.message == "server log"]
    assert [record.levelname for record in logged] == ["DEBUG", *["INFO"] * 3]
    shown = [getattr(record, "data", None) for record in logged]
    assert shown[0] == {"x": [1]}
    assert len(shown[3]) == notifications.MAX_LOG_BYTES


async def test_own_server_tells_its_session(tmp_path: Path) -> None:
    """What a session's own server says goes to that session, whoever else is there."""
    server = FakeServer()
    one, two = Recorder("one"), Recorder("two")
    async with world(tmp_path, server) as made:
        made.put(server.spec("a", session="per_client"), space("a"))
        await settle()
        for client in (one, two):
            made.workspace().join(client)
            await made.tools(client)
            client.took()
        server.channels[1].notify("notifications/message", {"level": "info", "data": "x"})
        server.channels[1].notify("notifications/elicitation/complete", {"elicitationId": "e"})
        assert (one.took(), two.took()) == ([], ["message", "elicitation/complete"])


def test_before_it_runs(tmp_path: Path) -> None:
    """Used before it runs, it says so."""
    settings = Settings(data_dir=tmp_path, runtime_dir=Path("/tmp/unused"))
    idle = Hub(settings, Metrics(), Redactor(), lambda _: None)
    with pytest.raises(RuntimeError):
        idle.apply(Snapshot.of(1, 1, (), (space(),)))
    with pytest.raises(RuntimeError):
        _ = idle.pool
    with pytest.raises(RuntimeError):
        idle._create(WantedWorkspace(space(), ()))


async def test_change_that_cannot_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in what is told of a server's change ends neither that server's task nor, with it, the sidecar."""
    server = FakeServer()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        (upstream,) = made.hub.pool
        with monkeypatch.context() as patch:
            patch.setattr(made.workspace(), "refresh", lambda: 1 / 0)
            server.channel.close()
            await until(lambda: len(server.channels) == 2 and upstream.state == "ready")
        assert "could not be handled" in caplog.text
        assert "result" in await upstream.request("tools/call", {"name": "echo"}, timeout=100)


# --- what grows with what ----------------------------------------------------------------------------------------


async def test_an_edit_of_one_server_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the views that contain it are made anew, each for what the server says, not for each server there is."""
    servers = [FakeServer(f"s{number}") for number in range(20)]
    keys = [server.name for server in servers]
    async with world(tmp_path, *servers) as made:
        made.put(*(server.spec() for server in servers), space(*keys), space(*keys[1:], name="v"))
        await made.settled()
        await settle()
        untouched, others = made.workspace("v").view, made.workspace().view.offers[1:]
        built: list[int] = []
        build = view.build

        def counted(sources: Any, *arguments: Any, **more: Any) -> view.View:
            built.append(len(sources))
            return build(sources, *arguments, **more)

        monkeypatch.setattr(view, "build", counted)
        made.put(servers[0].spec(args=("changed",)))
        await made.settled()
        await until(lambda: servers[0].open == 1)
        await settle()
        assert made.workspace("v").view is untouched
        assert made.workspace().view.offers[1:] == others
        assert set(built) == {20}
        assert len(built) <= 6, "the edit itself, and each state that the server goes through"


async def test_lists_are_compared_once_for_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed is the same for all that see the same; each is told."""
    server, clients = FakeServer(), [Recorder() for _ in range(50)]
    compared: list[view.View] = []
    changed = view.View.changed
    monkeypatch.setattr(view.View, "changed", lambda self, other: compared.append(self) or changed(self, other))
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        for client in clients:
            made.workspace().join(client)
        compared.clear()
        made.put(space(name="w"))
        assert len(compared) == 1
        assert [client.took() for client in clients] == [["tools"]] * 50


async def test_sessions_are_counted_as_they_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is counted by itself: nobody looks through all the others."""
    looked: list[Session] = []
    clients_of = Session.clients
    monkeypatch.setattr(Session, "clients", lambda self: looked.append(self) or clients_of(self))
    async with world(tmp_path, HUB_MAX_SESSIONS=1000) as made:
        made.put(space())
        workspace, clients = made.workspace(), [Recorder() for _ in range(100)]
        for client in clients:
            made.hub.admit("")
            workspace.join(client)
        assert (len(looked), made.hub.client_count(workspace)) == (100, 100)
        assert made.hub.clients(workspace) == set(clients)
        for client in clients[1:]:
            workspace.leave(client)
        assert (len(looked), made.hub.client_count(workspace)) == (199, 1)
        assert (await made.reporter.status()).workspaces[0].sessions == 1


async def test_a_log_level_is_found_once_for_servers_with_the_same_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twenty servers with the same clients these are looked through once; each server is told."""
    servers = [FakeServer(f"s{number}") for number in range(20)]
    chatty, quiet = Recorder(), Recorder()
    async with world(tmp_path, *servers) as made:
        made.put(*(server.spec() for server in servers), space(*(server.name for server in servers)))
        await made.settled()
        for client in (chatty, quiet):
            made.workspace().join(client)
        looked: list[Upstream] = []
        clients_of = made.hub.pool.clients
        monkeypatch.setattr(made.hub.pool, "clients", lambda one: looked.append(one) or clients_of(one))
        for client, level in ((quiet, "error"), (chatty, "debug")):
            await made.ask(client, "logging/setLevel", {"level": level})
        levels = [await server.channel.sent("logging/setLevel", 2) for server in servers]
        assert {frame["params"]["level"] for frame in levels} == {"debug"}
        assert len(looked) == 2
        made.workspace().leave(chatty)
        levels = [await server.channel.sent("logging/setLevel", 3) for server in servers]
        assert {frame["params"]["level"] for frame in levels} == {"error"}
        assert len(looked) == 3


async def test_a_status_looks_through_the_servers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for after every change: what it takes may not grow with the square of the servers."""
    servers = [FakeServer(f"s{number}") for number in range(20)]
    async with world(tmp_path, *servers) as made:
        made.put(*(server.spec() for server in servers), space(*(server.name for server in servers)))
        await made.settled()
        passes: list[Pool] = []
        each = Pool.__iter__
        monkeypatch.setattr(Pool, "__iter__", lambda self: passes.append(self) or each(self))
        status = await made.reporter.status()
        assert [server.state for server in status.servers] == ["ready"] * 20
        assert len(passes) <= 2, "once for the servers, once for whether all of them have been tried"
