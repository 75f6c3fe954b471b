"""activation/keeping: what is installed follows the entries of providers.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.install.folders import Record, Version
from yamcp_ui_adapter.activation.keeping import KEPT_SECONDS, expired, folders_of, free, settled

DATA = Path("/data")


def installed(key: str, version: str = "1", **fields: Any) -> Record:
    """The record of a package in a folder."""
    folder = f"servers/{key}/{version}"
    program = ("/usr/bin/node", f"/data/{folder}/x.js")
    now = Version(version=version, folder=folder, program=program, installed=1.0, entry=entry(*program))
    return Record(name="a/b", kind="npm", now=now, **fields)


def entry(*line: str, **more: Any) -> dict[str, Any]:
    return {"namespace": "n", "type": "stdio", "providerParameters": {"command": line[0], "args": [*line[1:]], **more}}


def test_a_renamed_server_keeps_its_record_also_if_it_was_edited() -> None:
    record = installed("old")
    found = settled({"old": record}, {"new": entry(*record.now.program, "--more", env={"A": "1"})}, 5.0)
    assert found == {"new": record}
    assert settled({"old": record}, {"new": entry("/usr/bin/node", "/other/x.js")}, 5.0).keys() == {"old"}


def test_without_a_folder_the_entry_must_be_the_same() -> None:
    """Programs of images and of the hub are those of many servers; the namespace may have been renamed."""
    now = Version(version="1", program=("py", "-m", "own"), installed=1.0, entry=entry("py", "-m", "own", "/a.py"))
    record = Record(name="a/b", kind="hub", now=now)
    same = {**now.entry, "namespace": "other"}
    assert settled({"a": record}, {"x": entry("py", "-m", "own", "/b.py"), "b": same}, 5.0) == {"b": record}


def test_a_deleted_server_is_unused_from_then_on_and_again_used_when_it_is_back() -> None:
    records = settled({"a": installed("a"), "p": installed("p", pending=True)}, {}, 5.0)
    assert {key: each.unused for key, each in records.items()} == {"a": 5.0, "p": None}
    assert settled(records, {}, 9.0) == records
    assert settled(records, {"a": {}}, 9.0)["a"].unused is None
    assert expired(records, 5.0 + KEPT_SECONDS - 1) == []
    assert expired(records, 5.0 + KEPT_SECONDS) == ["a"]
    assert expired(records, 4.0) == ["a"]  # the clock was set back: it would never be removed


def test_a_copy_of_a_deleted_server_takes_its_record_once() -> None:
    one, other = installed("a"), installed("b")
    copies = {"c": entry(*one.now.program), "d": entry(*one.now.program)}
    found = settled({"a": one, "b": other}, copies, 5.0)
    assert found["c"] == one and found["b"].unused == 5.0 and found.keys() == {"b", "c"}


def test_folders_from_which_something_runs_are_not_free() -> None:
    record = installed("a")
    record = record.model_copy(update={"previous": installed("a", "2").now})
    both = {"servers/a/1", "servers/a/2"}
    assert folders_of(record, None) == both
    assert free(both, DATA, {"copy": entry(*record.now.program), "odd": 5}) == {"servers/a/2"}
    assert free({"servers/a/1"}, DATA, {"x": entry("/data/servers/a/10/bin/x")}) == {"servers/a/1"}
