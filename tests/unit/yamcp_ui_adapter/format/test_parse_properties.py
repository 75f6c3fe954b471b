"""Whatever stands in a file: no parser raises anything of its own, and a good entry always survives."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.models import Snapshot, StdioLaunch
from yamcp_ui_adapter.desired.translate import translate
from yamcp_ui_adapter.errors import FileUnusable
from yamcp_ui_adapter.format.entries import HubFile, LastGood, ServersFile, WorkspacesFile
from yamcp_ui_adapter.format.hubfile import parse_hub
from yamcp_ui_adapter.format.providers import parse_providers
from yamcp_ui_adapter.format.workspaces import parse_workspaces

GOOD = {"namespace": "good", "type": "stdio", "providerParameters": {"command": "true"}}
TEXT = st.text(st.characters(), max_size=8)
FIELDS = st.sampled_from(
    [
        "namespace",
        "type",
        "providerParameters",
        "command",
        "args",
        "env",
        "url",
        "cwd",
        "servers",
        "stdio",
        "sse",
        "mcpServers",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | FIELDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | FIELDS, inner, max_size=4),
    max_leaves=12,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """With FileUnusable and nothing else."""
    with contextlib.suppress(FileUnusable):
        parse_providers(raw, ServersFile())
    with contextlib.suppress(FileUnusable):
        parse_workspaces(raw, WorkspacesFile())
    with contextlib.suppress(FileUnusable):
        parse_hub(raw, HubFile())


@given(OBJECT, OBJECT, st.dictionaries(st.sampled_from(["servers", "workspaces", "x"]), JSON))
def test_a_good_entry_survives_any_neighbour(providers: Any, workspaces: Any, hub: Any) -> None:
    """And the whole is a snapshot that can be sent, and kept on disk."""
    good = LastGood(
        servers=parse_providers(json.dumps({**providers, "good-key": GOOD}).encode(), ServersFile()),
        workspaces=parse_workspaces(json.dumps({**workspaces, "good-ws": ["good-key"]}).encode(), WorkspacesFile()),
        hub=parse_hub(json.dumps(hub).encode(), HubFile()),
    )
    found = translate(good)
    assert {spec.key: spec.launch for spec in found.servers}["good-key"] == StdioLaunch(command="true")
    assert {spec.name: spec.servers for spec in found.workspaces}["good-ws"] == ("good-key",)
    snapshot = Snapshot.of(1, 1, found.servers, found.workspaces)
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot
    assert LastGood.model_validate_json(good.model_dump_json()) == good


@given(OBJECT)
def test_reading_the_same_again_changes_nothing(providers: Any) -> None:
    """Entries that were held stay held; good ones stay good."""
    raw = json.dumps(providers).encode()
    once = parse_providers(raw, ServersFile())
    assert parse_providers(raw, once) == once
