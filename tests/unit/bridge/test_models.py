"""bridge.models: snapshots are consistent, ordered, and the same hash in any process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from bridge.author import Author
from bridge.models import (
    ChangeRecord,
    RemoteLaunch,
    ServerSettings,
    ServerSpec,
    Snapshot,
    SnapshotId,
    StdioLaunch,
    WorkspaceSpec,
    content_hash,
)


def server(key: str = "a", **changes: Any) -> ServerSpec:
    return ServerSpec(**{"key": key, "namespace": key, "launch": StdioLaunch(command="x"), **changes})


def workspace(name: str = "w", **changes: Any) -> WorkspaceSpec:
    return WorkspaceSpec(**{"name": name, "slug": name, "servers": ("a",), **changes})


def test_a_snapshot_knows_its_hash() -> None:
    """`of` computes the hash, and what it made passes validation when it comes over the wire."""
    snapshot = Snapshot.of(1, 2, (server(),), (workspace(),))
    assert snapshot.id.hash == content_hash(snapshot.servers, snapshot.workspaces)
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


@pytest.mark.parametrize(
    ("servers", "workspaces", "why"),
    [
        ((server(), server()), (), "two servers have the key 'a'"),
        ((server(),), (workspace(), workspace(slug="v")), "two workspaces have the name 'w'"),
        ((server(),), (workspace(), workspace("v", slug="w")), "two workspaces have the slug 'w'"),
        ((server("b"),), (workspace(),), "servers that are not there: ['a']"),
    ],
)
def test_a_snapshot_that_contradicts_itself_cannot_be_made(
    servers: tuple[ServerSpec, ...], workspaces: tuple[WorkspaceSpec, ...], why: str
) -> None:
    """Duplicates, and workspaces with servers that are not there, are refused by name."""
    with pytest.raises(ValidationError) as caught:
        Snapshot.of(1, 1, servers, workspaces)
    assert why in str(caught.value)


def test_a_snapshot_with_another_hash_is_refused() -> None:
    """Content that was altered on the way does not pass for the snapshot."""
    snapshot = Snapshot.of(1, 1, (server(),), ())
    with pytest.raises(ValidationError, match="hash does not match"):
        Snapshot(id=snapshot.id, servers=(server("b"),), workspaces=())


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [((1, 2), (1, 1), True), ((2, 0), (1, 9), True), ((1, 1), (1, 1), False), ((1, 9), (2, 0), False)],
)
def test_the_epoch_counts_before_the_revision(one: tuple[int, int], other: tuple[int, int], newer: bool) -> None:
    """A snapshot of a later epoch is newer whatever its revision; one is not newer than itself."""
    first, second = (SnapshotId(epoch=epoch, revision=revision, hash="") for epoch, revision in (one, other))
    assert first.newer_than(second) is newer


def test_every_part_of_the_content_changes_the_hash() -> None:
    """Equal content has an equal hash; any difference, order of workspaces included, makes another."""
    variants = [
        ((server(),), ()),
        ((server(stale=True),), ()),
        ((server(settings=ServerSettings(enabled=False)),), ()),
        ((server(launch=RemoteLaunch(url="http://x")),), ()),
        ((server(),), (workspace(),)),
        ((server(),), (workspace(enabled=False),)),
        ((server(),), (workspace(), workspace("v"))),
        ((server(),), (workspace("v"), workspace())),
    ]
    assert len({content_hash(*variant) for variant in variants}) == len(variants)
    assert content_hash((server(),), (workspace(),)) == content_hash((server(),), (workspace(),))


@pytest.mark.outside
def test_the_hash_does_not_depend_on_the_order_of_env_or_on_the_process() -> None:
    """Another process, with another hash seed, computes the same hash."""
    program = (
        "from bridge.models import *; s = ServerSpec(key='a', namespace='a', "
        "launch=StdioLaunch(command='x', env={'B': '2', 'A': '1'})); print(content_hash((s,), ()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    here = content_hash((server(launch=StdioLaunch(command="x", env={"A": "1", "B": "2"})),), ())
    assert found.stdout.strip() == here


def test_a_change_is_made_by_an_author_or_in_a_file() -> None:
    """Records name no other source."""
    authors = get_args(Author.model_fields["source"].annotation)
    assert set(get_args(ChangeRecord.model_fields["source"].annotation)) == {*authors, "file"}


def test_models_are_closed_and_immutable() -> None:
    """An unknown field is an error, and a made model cannot be changed."""
    with pytest.raises(ValidationError):
        ServerSpec.model_validate(
            {"key": "a", "namespace": "a", "launch": {"command": "x", "type": "stdio"}, "more": 1}
        )
    with pytest.raises(ValidationError):
        server().key = "b"  # type: ignore[misc]


@pytest.mark.parametrize("slug", ["", "a b", "a/b", "é", "x" * 65])
def test_slugs_fit_into_a_url(slug: str) -> None:
    """A slug is 1 to 64 letters, digits, dashes and underscores."""
    with pytest.raises(ValidationError):
        workspace(slug=slug)


@pytest.mark.parametrize("settings", [{"call_timeout": 0}, {"max_inflight": 0}, {"tool_timeouts": {"t": -1}}])
def test_settings_of_a_server_have_bounds(settings: dict[str, Any]) -> None:
    """Timeouts and limits that would switch a server off by accident are refused."""
    with pytest.raises(ValidationError):
        ServerSettings(**settings)
