"""Changes of lists are told once, and learnt once, whatever the order; nobody is told of them for ever."""

from __future__ import annotations

from typing import Any

from sidecar.cluster.list_changes import QUIET_SECONDS, ListChanges
from sidecar.protocol.catalog import Catalog


class Server:
    """Stands for an upstream, and counts how often its lists are read again."""

    def __init__(self, key: str) -> None:
        self.spec: Any = self
        self.connection: Any = self
        self.key = key
        self.catalog: Catalog | None = Catalog(tools=({"name": "a"},))
        self.readings = 0

    def read_lists(self) -> None:
        """Its lists are read again."""
        self.readings += 1

    def change(self, *names: str) -> None:
        """It has these tools now."""
        self.catalog = Catalog(tools=tuple({"name": name} for name in names))


class Marks:
    """Stands for Redis."""

    def __init__(self) -> None:
        self.marks: dict[str, str] = {}
        self.count = 0

    def beat(self, changes: ListChanges) -> list[str]:
        """As `Replicas._beat`: returns what is read again."""
        changes.look()
        newest = self.marks.get("", "")
        if told := tuple(changes.untold):
            self.count += 1
            self.marks.update(dict.fromkeys((*told, ""), str(self.count)))
            changes.told(told, str(self.count))
        return changes.learn(self.marks) if told or changes.differs(newest) else []


def pair() -> tuple[Marks, list[float], list[Server], list[ListChanges]]:
    """Two replicas with a server `a` each, which have looked at each other once."""
    marks, now, servers = Marks(), [0.0], [Server("a"), Server("a")]
    changes = [ListChanges(lambda server=server: [server], lambda: now[0]) for server in servers]  # type: ignore[misc]
    for each in changes:
        assert marks.beat(each) == []
    return marks, now, servers, changes


def test_a_change_is_read_elsewhere_once() -> None:
    """Not by the replica that tells it; and the reading that follows tells nothing."""
    marks, now, servers, (one, two) = pair()
    servers[0].change("a", "b")
    assert marks.beat(one) == []
    assert marks.beat(two) == ["a"]
    servers[1].change("a", "b")
    assert [marks.beat(each) for each in (two, one, two)] == [[]] * 3
    assert (marks.count, [server.readings for server in servers]) == (1, [0, 1])
    now[0] += QUIET_SECONDS
    servers[1].change("c")
    assert [marks.beat(each) for each in (two, one)] == [[], ["a"]]


def test_changes_at_both() -> None:
    """Each reads its lists again, at most once more than needed."""
    marks, _, servers, (one, two) = pair()
    for server in servers:
        server.change("b")
    for each in (one, two, one, two):
        marks.beat(each)
    assert marks.count == 2
    assert all(server.readings <= 1 for server in servers)
    assert servers[0].readings == 1


def test_a_redis_that_has_lost_everything() -> None:
    """What changes afterwards is learnt."""
    marks, now, servers, (one, two) = pair()
    for name in ("b", "c"):
        servers[0].change(name)
        assert [marks.beat(one), marks.beat(two)] == [[], ["a"]]
    marks.marks.clear()
    now[0] += QUIET_SECONDS
    servers[0].change("d")
    assert [marks.beat(one), marks.beat(two)] == [[], ["a"]]


def test_servers_without_lists_or_connection() -> None:
    """They have nothing to tell and nothing to read; an upstream that is new has not changed."""
    marks, _, servers, (one, two) = pair()
    servers[1].connection = None
    servers[0].change("b")
    assert [marks.beat(one), marks.beat(two)] == [[], []]
    servers[0].catalog = None
    marks.beat(one)
    servers[0].change("z")
    marks.beat(one)
    assert marks.count == 1
