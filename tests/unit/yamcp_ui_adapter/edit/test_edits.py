"""Edits as functions of documents: what they leave alone, and that one can be taken back."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import DeleteServer, DeleteWorkspace, PutServer, PutWorkspace
from tests.unit.yamcp_ui_adapter.fixtures import server
from yamcp_ui_adapter.edit.edits import (
    Contents,
    Files,
    delete_server,
    delete_workspace,
    parse,
    put_server,
    put_workspace,
)
from yamcp_ui_adapter.edit.merge import merge, undone
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.entry_positions import ABSENT, Content, entries_of, entry_hashes, with_entries
from yamcp_ui_adapter.format.jsontext import entry_hash, file_hash, is_too_deep, same_content, sendable, stringify
from yamcp_ui_adapter.format.providers import FIELDS

NAMES = st.sampled_from(["a", "b", "c", "d", "", "é", "command", "env", "../x"])
TEXT = st.text('ab\u00e9\u2028"\\/', max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
ENTRIES = st.builds(lambda args, extra: {**server(*args), "note": extra}, st.lists(st.text("xyz"), max_size=2), VALUES)
FLAT = st.dictionaries(NAMES, ENTRIES | VALUES, max_size=5)
WRAPPED = st.builds(
    lambda inner, outer: {**outer, "mcpServers": inner},
    st.dictionaries(NAMES.filter(lambda name: name not in FIELDS), ENTRIES | VALUES, max_size=4),
    st.dictionaries(NAMES, ENTRIES, max_size=2),
)
DOCUMENTS = FLAT | WRAPPED
WORKSPACE = st.lists(NAMES, max_size=4) | st.builds(lambda members: {"name": "?", "servers": members}, st.lists(NAMES))
WORKSPACES_DOCUMENTS = st.dictionaries(NAMES, WORKSPACE | VALUES, max_size=4)


def files(providers: Content, workspaces: Content) -> Files:
    """Both files as they would be read."""
    return {
        PROVIDERS: parse(PROVIDERS, stringify(providers)),
        WORKSPACES: parse(WORKSPACES, stringify(workspaces)),
    }


def applied(before: Files, contents: Contents) -> Files:
    """Both files after an edit."""
    return {name: parse(name, stringify(contents.get(name, before[name].content))) for name in before}


def texts(found: Files, file: str, *without: str) -> dict[str, bytes]:
    """Each entry as it stands in the file, but for those named."""
    entries = entries_of(file, found[file].content)
    return {name: stringify(entry) for name, entry in entries.items() if name not in without}


@given(DOCUMENTS, WORKSPACES_DOCUMENTS, NAMES | st.just("mcpServers"), ENTRIES)
def test_a_server_that_is_written_leaves_all_others_as_they_are(
    providers: Content, workspaces: Content, key: str, entry: dict[str, Any]
) -> None:
    """To the byte, and in their order; written back as it was, the document is what it was."""
    before = files(providers, workspaces)
    there = entries_of(PROVIDERS, before[PROVIDERS].content)
    after = applied(before, put_server(before, PutServer(key=key, entry=entry)))
    assert texts(after, PROVIDERS, key) == texts(before, PROVIDERS, key)
    assert same_content(entries_of(PROVIDERS, after[PROVIDERS].content)[key], entry)
    assert after[WORKSPACES].raw == before[WORKSPACES].raw
    restored = {key: there.get(key, ABSENT)}
    again = with_entries(PROVIDERS, after[PROVIDERS].content, restored)
    assert same_content(again, before[PROVIDERS].content)


@given(DOCUMENTS, WORKSPACES_DOCUMENTS, st.data())
def test_a_rename_and_its_inverse_leave_the_documents_as_they_were(
    providers: Content, workspaces: Content, data: st.DataObject
) -> None:
    """Entries in their places, members in theirs."""
    before = files(providers, workspaces)
    there = entries_of(PROVIDERS, before[PROVIDERS].content)
    usable = [name for name, entry in there.items() if isinstance(entry, dict) and "providerParameters" in entry]
    if not usable:
        return
    old = data.draw(st.sampled_from(usable))
    entry = there[old]
    there_and_back = (PutServer(key="new", entry=entry, old_key=old), PutServer(key=old, entry=entry, old_key="new"))
    renamed = applied(before, put_server(before, there_and_back[0]))
    assert "new" in entries_of(PROVIDERS, renamed[PROVIDERS].content)
    assert list(texts(renamed, PROVIDERS, "new")) == list(texts(before, PROVIDERS, old))
    again = applied(renamed, put_server(renamed, there_and_back[1]))
    twice = providers.keys() & providers.get("mcpServers", {}).keys()
    assert twice or same_content(again[PROVIDERS].content, before[PROVIDERS].content)
    assert again[WORKSPACES].raw == before[WORKSPACES].raw


def test_members_that_are_no_names_stay() -> None:
    """A rename, or a deletion, of one member leaves a null beside it alone."""
    before = files({"a": server()}, {"w": [None, "a", 1]})
    renamed = applied(before, put_server(before, PutServer(key="b", entry=server(), old_key="a")))
    assert renamed[WORKSPACES].content == {"w": [None, "b", 1]}
    deleted = applied(before, delete_server(before, DeleteServer(key="a")))
    assert deleted[WORKSPACES].content == {"w": [None, 1]}


@given(DOCUMENTS, WORKSPACES_DOCUMENTS, NAMES)
def test_a_deleted_server_is_nowhere(providers: Content, workspaces: Content, key: str) -> None:
    """Not even where it stood twice; everything else is as it was."""
    before = files(providers, workspaces)
    if key not in entries_of(PROVIDERS, before[PROVIDERS].content):
        return
    after = applied(before, delete_server(before, DeleteServer(key=key)))
    assert texts(after, PROVIDERS) == texts(before, PROVIDERS, key)
    for name, entry in after[WORKSPACES].content.items():
        members = entry["servers"] if isinstance(entry, dict) and "servers" in entry else entry
        assert not isinstance(members, list) or key not in members
        was = before[WORKSPACES].content[name]
        assert key in json.dumps(was, ensure_ascii=False) or stringify(entry) == stringify(was)


@given(WORKSPACES_DOCUMENTS, NAMES, st.lists(NAMES, max_size=3))
def test_a_workspace_that_is_made_and_deleted_leaves_nothing(
    workspaces: Content, name: str, members: list[str]
) -> None:
    """And while it is there, it has these members."""
    before = files({}, workspaces)
    after = applied(before, put_workspace(before, PutWorkspace(name=name, servers=tuple(members))))
    entry = after[WORKSPACES].content[name]
    assert (entry["servers"] if isinstance(entry, dict) else entry) == members
    assert texts(after, WORKSPACES, name) == texts(before, WORKSPACES, name)
    gone = applied(after, delete_workspace(after, DeleteWorkspace(name=name)))
    assert texts(gone, WORKSPACES) == texts(before, WORKSPACES, name)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_merge_has_what_both_changed(base: Content, ours: Content, theirs: Content) -> None:
    """Each entry is ours where they left it alone, and theirs where we did; where both changed it, it is named."""
    merged = merge(PROVIDERS, base, ours, theirs)
    before, mine, found, result = (entry_hashes(PROVIDERS, content) for content in (base, ours, theirs, merged.content))
    for name in {*before, *mine, *found}:
        if name in merged.conflicts or mine.get(name) == before.get(name):
            assert result.get(name) == found.get(name)
        else:
            assert result.get(name) == mine.get(name)
    assert not undone(PROVIDERS, base, ours, merged.content)
    assert same_content(merge(PROVIDERS, base, base, theirs).content, theirs)


@given(VALUES)
def test_what_is_written_is_what_was_meant(value: Any) -> None:
    """Whatever stands in a file, read again."""
    assert same_content(json.loads(stringify(value)), value)
    json.dumps(sendable(value)).encode()


@pytest.mark.parametrize(
    "text",
    ['{"a": "\\ud800", "b": [1e999, -1e999], "c": {}}', '{"n": 123456789012345678901234567890, "e": [], "t": true}'],
)
def test_what_few_readers_take_is_kept(text: str) -> None:
    """Halves of characters, huge numbers."""
    again = stringify(json.loads(text)).decode()
    assert "".join(again.split()) == "".join(text.split())
    assert not same_content(json.loads(text), json.loads(text.replace("1", "2").replace("\\ud800", "\\ud801")))


@pytest.mark.outside
@pytest.mark.skipif(shutil.which("node") is None, reason="asks node how JavaScript writes it")
def test_files_are_written_as_javascript_writes_them() -> None:
    """JSON.stringify(value, null, 2), to the byte."""
    value = {
        "": {"namespace": "ä/€/\u2028/\x7f", "type": "stdio", "args": [], "env": {}, "q": '"\\\b\f\n\r\t\x01'},
        "n": [0, -1, 1.5, 1e-7, True, None, [[]], [{}], "\ud83d\ude00", 2**53],
    }
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8')), null, 2))"
    node = str(shutil.which("node"))
    done = subprocess.run([node, "-e", script], input=json.dumps(value).encode(), capture_output=True, check=True)
    assert stringify(json.loads(json.dumps(value))) == done.stdout


def test_hashes_are_of_what_is_said() -> None:
    """Not of how."""
    assert entry_hash({"a": 1, "b": [2]}) == entry_hash({"b": [2], "a": 1})
    assert entry_hash([1, 2]) != entry_hash([2, 1])
    assert entry_hash(["\ud800", 10**30]) == entry_hash(["\ud800", 10**30])
    assert (file_hash(None), len(file_hash(b""))) == ("", 64)


def test_depth_is_counted_without_going_deep() -> None:
    """A hundred levels are too many."""
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert is_too_deep(value)
    assert not is_too_deep([[{"a": [1]}]])
    while isinstance(value, list):  # else its end would be a recursion
        value = value.pop()
