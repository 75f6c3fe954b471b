"""What becomes of a workspace's slugs when it is renamed, gets a slug of its own, or another takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.models import DeleteWorkspace, PutWorkspace, ReadDesired, SetWorkspace, WorkspaceSpec
from tests.unit.yamcp_ui_adapter.desired.test_editor import refusal, said
from tests.unit.yamcp_ui_adapter.fixtures import Adapter, in_place, server
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.desired.store import Kept, Store
from yamcp_ui_adapter.format.entries import MAX_ALIASES, LastGood, WorkspaceEntry, WorkspacesFile


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter with two workspaces, not started."""
    made = Adapter(tmp_path)
    in_place(made.providers, {"a": server("1", namespace="A"), "b": server("2", namespace="B")})
    in_place(made.workspaces, {"My team": ["a", "b"], "v": ["a"]})
    return made


def spec_of(adapter: Adapter, name: str) -> WorkspaceSpec:
    """A workspace as the sidecar was told of it last."""
    return next(spec for spec in adapter.sidecar.snapshots[-1].workspaces if spec.name == name)


async def test_the_slugs_before_renames_are_aliases(adapter: Adapter) -> None:
    """In the same revision as the new slug; the newest first, and not more than so many."""
    async with adapter.sidecar.running(), adapter.running() as client:
        await adapter.sidecar.count(1)
        await client.request(PutWorkspace(name="t0", servers=("a", "b"), old_name="My team"))
        await adapter.sidecar.count(2)
        assert spec_of(adapter, "t0").aliases == ("my-team",)
        for number in range(MAX_ALIASES):
            await client.request(PutWorkspace(name=f"t{number + 1}", servers=("a", "b"), old_name=f"t{number}"))
        await adapter.sidecar.count(2 + MAX_ALIASES)
        kept = [f"t{number}" for number in reversed(range(MAX_ALIASES))]
        assert list(spec_of(adapter, f"t{MAX_ALIASES}").aliases) == kept
    assert said(adapter.hub)["workspaces"] == {f"t{MAX_ALIASES}": {"aliases": kept}}


async def test_an_alias_ends_when_it_is_removed_or_taken(adapter: Adapter) -> None:
    """Another workspace takes it by its name, or as its own slug."""
    async with adapter.sidecar.running(), adapter.running() as client:
        for old, new in (("v", "x"), ("x", "y"), ("y", "z")):
            await client.request(PutWorkspace(name=new, servers=("a",), old_name=old))
        await client.request(SetWorkspace(name="z", remove_aliases=("x",)))
        await client.request(PutWorkspace(name="v", servers=("b",)))
        await adapter.sidecar.until(lambda snapshot: len(snapshot.workspaces) == 3)
        assert (spec_of(adapter, "z").aliases, spec_of(adapter, "v").slug) == (("y",), "v")
        await client.request(DeleteWorkspace(name="v"))
        await client.request(SetWorkspace(name="My team", slug="y"))
        desired = await client.request(ReadDesired())
        assert [(spec.slug, spec.aliases) for spec in desired.snapshot.workspaces] == [("y", ("my-team",)), ("z", ())]
        error = await refusal(client, SetWorkspace(name="z", remove_aliases=("v",)))
        assert (error.code, error.message) == ("EDIT_INVALID", "The workspace 'z' has no alias 'v'.")


async def test_a_slug_of_its_own_outlives_renames_and_is_taken_back(adapter: Adapter) -> None:
    """Empty: made of the name again."""
    async with adapter.running() as client:
        await client.request(SetWorkspace(name="My team", slug="crew"))
        await client.request(PutWorkspace(name="Our team", servers=("a", "b"), old_name="My team"))
        found = (await client.request(ReadDesired())).snapshot.workspaces[0]
        assert (found.name, found.slug, found.own_slug, found.aliases) == ("Our team", "crew", True, ("my-team",))
        await client.request(SetWorkspace(name="Our team", slug=""))
        found = (await client.request(ReadDesired())).snapshot.workspaces[0]
        assert (found.slug, found.own_slug, found.aliases) == ("our-team", False, ("crew", "my-team"))
        error = await refusal(client, SetWorkspace(name="Our team", slug="v"))
        assert error.message == "The slug 'v' is that of the workspace 'v'; choose another."
        assert error.data["field"] == "slug"


def test_a_state_of_the_first_versions_has_no_slugs(tmp_path: Path) -> None:
    """A workspace gets a readable slug then; the one that it had leads to it too."""
    entries = {"my team": WorkspaceEntry(name="my team", members=())}
    Store(tmp_path).save(Kept(epoch=3, good=LastGood(workspaces=WorkspacesFile(entries=entries))))
    state = DesiredState(Store(tmp_path))
    state.take({"workspaces.json": b'{"my team": []}'})
    assert state.snapshot.workspaces[0].slugs == ("my-team", "my-team-0855b74b")


def test_who_had_a_slug_keeps_it_over_a_restart(tmp_path: Path) -> None:
    """Also when the file has another order by then."""
    first = DesiredState(Store(tmp_path))
    first.take({"workspaces.json": b'{"a b": []}'})
    first.take({"workspaces.json": b'{"a/b": [], "a b": []}'})
    again = DesiredState(Store(tmp_path))
    again.take({"workspaces.json": b'{"a/b": [], "a-b": [], "a b": []}'})
    assert {spec.name: spec.slug for spec in again.snapshot.workspaces}["a b"] == "a-b"
