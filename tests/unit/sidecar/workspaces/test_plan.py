"""What has to change to get from what runs to what is desired."""

from __future__ import annotations

from bridge.models import ServerSettings, ServerSpec, Snapshot, StdioLaunch, WorkspaceSpec
from sidecar.workspaces.plan import Plan, plan, wanted_workspaces


def server(key: str, command: str = "c", *, enabled: bool = True) -> ServerSpec:
    """A server."""
    launch = StdioLaunch(command=command)
    return ServerSpec(key=key, namespace=key, launch=launch, settings=ServerSettings(enabled=enabled))


def workspace(name: str, *keys: str, enabled: bool = True) -> WorkspaceSpec:
    """A workspace."""
    return WorkspaceSpec(name=name, slug=name, servers=keys, enabled=enabled)


def names(steps: Plan) -> tuple[list[str], list[str], list[str]]:
    """Who is made, changed, given up."""
    return [each.spec.name for each in steps.create], [each.spec.name for each in steps.update], list(steps.remove)


A, B = server("a"), server("b")
BEFORE = Snapshot.of(1, 1, (A, B), (workspace("one", "a"), workspace("two", "a", "b")))


def test_from_nothing() -> None:
    """Everything is made."""
    assert names(plan(BEFORE, {})) == (["one", "two"], [], [])


def test_nothing_to_do() -> None:
    """The same again, or a change of a server that nobody uses, changes nothing."""
    assert names(plan(BEFORE, wanted_workspaces(BEFORE))) == ([], [], [])
    more = Snapshot.of(1, 2, (A, B, server("c")), BEFORE.workspaces)
    assert names(plan(more, wanted_workspaces(BEFORE))) == ([], [], [])


def test_changes() -> None:
    """Only workspaces that are different, or have a server that is, are touched."""
    after = Snapshot.of(1, 2, (A, server("b", "other")), (workspace("two", "a", "b"), workspace("three")))
    assert names(plan(after, wanted_workspaces(BEFORE))) == (["three"], ["two"], ["one"])


def test_switched_off() -> None:
    """A workspace that is off wants no servers, and a server that is off is in no workspace."""
    off = Snapshot.of(
        1, 2, (A, server("b", enabled=False)), (workspace("one", "a", enabled=False), workspace("two", "a", "b"))
    )
    found = wanted_workspaces(off)
    assert found["one"].servers == ()
    assert [each.key for each in found["two"].servers] == ["a"]
    assert names(plan(off, wanted_workspaces(BEFORE))) == ([], ["one", "two"], [])


def test_switched_off_in_one_workspace() -> None:
    """The others that have the server are not touched."""
    two = workspace("two", "a", "b").model_copy(update={"disabled_servers": ("a",)})
    off = Snapshot.of(1, 2, (A, B), (workspace("one", "a"), two))
    found = wanted_workspaces(off)
    assert [[each.key for each in found[name].servers] for name in ("one", "two")] == [["a"], ["b"]]
    assert names(plan(off, wanted_workspaces(BEFORE))) == ([], ["two"], [])
