"""Other clients' configurations, as their documentation shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.models import ImportServers
from yamcp_ui_adapter.edit.edits import parse
from yamcp_ui_adapter.edit.importing import import_servers
from yamcp_ui_adapter.errors import EntryInvalid
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES
from yamcp_ui_adapter.format.other_clients import ForeignServer, foreign_servers


def one(value: Any, key: str = "x") -> ForeignServer:
    """The only server of a configuration in the usual form."""
    (found,) = foreign_servers({"mcpServers": {key: value}})
    assert found.key == key
    return found


def parameters(value: Any) -> Any:
    """What it becomes."""
    entry = one(value).entry
    assert entry is not None
    return entry["type"], entry["providerParameters"]


@pytest.mark.parametrize(
    "config",
    [
        {"mcpServers": {"x": {"command": "c"}}},
        {"servers": {"x": {"type": "stdio", "command": "c"}}, "inputs": [{"id": "k", "type": "promptString"}]},
        {"mcp": {"servers": {"x": {"command": "c"}}}, "editor.fontSize": 12},
        {"mcp": {"x": {"type": "local", "command": ["c"]}}, "$schema": "https://example.org"},
        {"context_servers": {"x": {"source": "custom", "command": "c", "args": []}}, "theme": "One"},
        {"x": {"command": "c"}},
        {"x": {"namespace": "x", "type": "stdio", "providerParameters": {"command": "c", "args": []}}},
        {"mcp_servers": {"x": {"command": "c"}}, "model": "gpt"},
        {"extensions": {"x": {"type": "stdio", "cmd": "c", "args": [], "envs": {}, "enabled": True}}},
        {"mcpServers": [{"name": "x", "command": "c"}]},
        {"projects": {"/a": {"mcpServers": {}}, "/b": {"mcpServers": {"x": {"command": "c"}}}}, "mcpServers": {}},
    ],
)
def test_servers_are_found_wherever_they_are(config: dict[str, Any]) -> None:
    """Claude, Cursor, VS Code's two files, opencode, Zed, servers alone, YAMCP."""
    (found,) = foreign_servers(config)
    expected = {"namespace": "x", "type": "stdio", "providerParameters": {"command": "c", "args": []}}
    assert (found.key, found.entry, found.notes, found.enabled) == ("x", expected, (), True)


@pytest.mark.parametrize("config", [{}, {"mcpServers": {}}, {"command": "c"}, {"url": "http://x"}, {"servers": {}}])
def test_where_there_is_none_none_is_found(config: dict[str, Any]) -> None:
    """A single server has no name."""
    assert foreign_servers(config) == []
    with pytest.raises(EntryInvalid):
        import_servers(files(), ImportServers(config=config))


def test_several_places_are_read() -> None:
    """The first that names a server counts."""
    config = {"mcpServers": {"a": {"command": "1"}}, "servers": {"a": {"command": "2"}, "b": {"command": "3"}}}
    commands = [found.entry and found.entry["providerParameters"]["command"] for found in foreign_servers(config)]
    assert commands == ["1", "3"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ({"url": "http://h/sse"}, "sse", {"url": "http://h/sse"}),
        ({"serverUrl": "http://h/mcp"}, "sse", {"url": "http://h/mcp"}),
        ({"httpUrl": "http://h/mcp"}, "http", {"url": "http://h/mcp"}),
        (
            {"type": "http", "url": "http://h/mcp", "headers": {"A": "b"}},
            "http",
            {"url": "http://h/mcp", "headers": {"A": "b"}},
        ),
        ({"type": "streamableHttp", "url": "http://h"}, "http", {"url": "http://h"}),
        ({"transport": "streamable-http", "url": "http://h"}, "http", {"url": "http://h"}),
        ({"type": "remote", "url": "http://h", "headers": {}}, "sse", {"url": "http://h"}),
        ({"type": "websocket", "url": "wss://h"}, "sse", {"url": "wss://h"}),
        ({"transport": "ws", "url": "ws://h", "headers": {"A": "b"}}, "sse", {"url": "ws://h", "headers": {"A": "b"}}),
        ({"url": "ws://h"}, "sse", {"url": "ws://h"}),
        ({"type": "websocket", "url": "http://h"}, "websocket", {"url": "http://h"}),
        (
            {"type": "sse", "url": "http://h", "requestInit": {"headers": {"A": "b"}}},
            "sse",
            {"url": "http://h", "headers": {"A": "b"}},
        ),
        (
            {"command": "c", "args": ["1"], "env": {"A": "b"}, "cwd": "/d"},
            "stdio",
            {"command": "c", "args": ["1"], "env": {"A": "b"}, "cwd": "/d"},
        ),
        (
            {"command": {"path": "c", "args": ["1"], "env": {"A": "b"}}},
            "stdio",
            {"command": "c", "args": ["1"], "env": {"A": "b"}},
        ),
        (
            {"type": "local", "command": ["c", "1"], "environment": {"A": "b"}},
            "stdio",
            {"command": "c", "args": ["1"], "env": {"A": "b"}},
        ),
        ({"command": "c", "env": {}}, "stdio", {"command": "c", "args": []}),
        ({"type": "pigeon", "url": "ws://h"}, "pigeon", {"args": []}),
    ],
)  # fmt: skip
def test_each_form_becomes_yamcps(value: dict[str, Any], kind: str, expected: dict[str, Any]) -> None:
    """Commands, addresses, headers."""
    assert parameters(value) == (kind, expected)


def test_references_are_translated() -> None:
    """To the hub's; what it cannot fill is named, never a value."""
    found = one(
        {
            "command": "${userHome}/bin${pathSeparator}c${/}d",
            "args": ["${workspaceFolder}/x", "${env:TOKEN}", "${TOKEN:-none}", "$${x}", "${file:-y}", "${config:a.b}"],
            "env": {"KEY": "${input:api-key}", "TWO": "${input:2nd}"},
        }
    )
    assert found.entry
    assert found.entry["providerParameters"] == {
        "command": "${HOME}/bin/c/d",
        "args": ["${workspaceFolder}/x", "${TOKEN}", "${TOKEN:-none}", "$${x}", "${file:-y}", "${config:a.b}"],
        "env": {"KEY": "${api_key}", "TWO": "${_2nd}"},
    }
    assert [note.partition(" ")[0] for note in found.notes] == [
        "${workspaceFolder}",
        "${config:a.b}",
        "${input:api-key}",
        "${input:2nd}",
    ]


def test_references_of_other_clients_are_translated() -> None:
    """opencode's `{env:VAR}` everywhere; `$VAR` and `%VAR%` where clients expand them, else they are kept and named."""
    found = one(
        {
            "command": "c",
            "args": ["{env:A}", "$B", "%C%", "100%", "$$", "sh -c 'x$'", "${localEnv:D}"],
            "env": {"E": "$E", "F": "%F%", "G": "{file:~/secret}", "H": "pa$$word1", "I": "${I}"},
        }
    )
    assert found.entry
    assert found.entry["providerParameters"] == {
        "command": "c",
        "args": ["${A}", "$B", "%C%", "100%", "$$", "sh -c 'x$'", "${D}"],
        "env": {"E": "${E}", "F": "${F}", "G": "{file:~/secret}", "H": "pa$$word1", "I": "${I}"},
    }
    assert [note.partition(" ")[0] for note in found.notes] == ["$B", "%C%", "{file:~/secret}"]


def test_references_in_yamcps_own_form_are_translated() -> None:
    """An entry with `providerParameters` was taken as it is, editors' variables included."""
    inner = {"command": "c", "args": ["${env:A}", "${workspaceFolder}"]}
    found = one({"namespace": "n", "type": "stdio", "providerParameters": inner})
    assert found.entry == {
        "namespace": "n",
        "type": "stdio",
        "providerParameters": {"command": "c", "args": ["${A}", "${workspaceFolder}"]},
    }
    assert [note.partition(" ")[0] for note in found.notes] == ["${workspaceFolder}"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (
            {
                "url": "http://h",
                "bearer_token_env_var": "T",
                "http_headers": {"A": "b"},
                "env_http_headers": {"C": "D"},
            },
            "sse",
            {"url": "http://h", "headers": {"C": "${D}", "Authorization": "Bearer ${T}", "A": "b"}},
        ),
        ({"command": "c", "env_vars": ["A"]}, "stdio", {"command": "c", "args": [], "env": {"A": "${A}"}}),
        (
            {"type": "stdio", "cmd": "c", "envs": {"B": "b"}, "env_keys": ["A"]},
            "stdio",
            {"command": "c", "args": [], "env": {"A": "${A}", "B": "b"}},
        ),
        ({"type": "streamable_http", "uri": "http://h/mcp"}, "http", {"url": "http://h/mcp"}),
    ],
)
def test_codex_and_goose(value: dict[str, Any], kind: str, expected: dict[str, Any]) -> None:
    """Values that they take from variables become references."""
    assert parameters(value) == (kind, expected)


def test_projects_of_claude_code() -> None:
    """The servers of all projects come first; of two that differ in one name the first is taken, and it is said."""
    config = {
        "mcpServers": {"a": {"command": "1"}},
        "projects": {"/p": {"mcpServers": {"a": {"command": "2"}, "b": {"command": "3"}}}, "/q": None},
    }
    found = {server.key: server for server in foreign_servers(config)}
    assert found["a"].entry
    assert found["a"].entry["providerParameters"]["command"] == "1"
    assert found["a"].notes == ("Another definition of the same name was left out.",)
    assert found["b"].notes == ()


def test_servers_of_a_list() -> None:
    """By their names; one without gets its place."""
    found = foreign_servers({"mcpServers": [{"name": "a", "command": "c"}, {"command": "d"}, 5]})
    assert [(server.key, server.entry is not None) for server in found] == [
        ("a", True),
        ("server-2", True),
        ("server-3", False),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "packages": [
                    {"registryType": "mcpb", "identifier": "x"},
                    {
                        "registryType": "npm",
                        "identifier": "@o/s",
                        "version": "1.2.3",
                        "transport": {"type": "stdio"},
                        "packageArguments": [
                            {"type": "positional", "value": "/srv"},
                            {"type": "named", "name": "--api-key", "isRequired": True},
                            {"type": "named", "name": "--quiet"},
                        ],
                        "environmentVariables": [
                            {"name": "TOKEN", "isRequired": True, "isSecret": True},
                            {"name": "REGION", "default": "eu"},
                            {"name": "OPTIONAL"},
                        ],
                    },
                ]
            },
            {
                "command": "npx",
                "args": ["-y", "@o/s@1.2.3", "/srv", "--api-key", "${API_KEY}"],
                "env": {"TOKEN": "${TOKEN}", "REGION": "eu"},
            },
        ),
        (
            {"packages": [{"registryType": "pypi", "identifier": "s", "version": "2"}], "remotes": []},
            {"command": "uvx", "args": ["s@2"]},
        ),
        (
            {
                "packages": [
                    {
                        "registryType": "oci",
                        "identifier": "ghcr.io/o/s:1",
                        "environmentVariables": [{"name": "T", "isRequired": True}],
                    }
                ]
            },
            {"command": "docker", "args": ["run", "-i", "--rm", "-e", "T", "ghcr.io/o/s:1"], "env": {"T": "${T}"}},
        ),
        (
            {
                "remotes": [
                    {
                        "type": "streamable-http",
                        "url": "https://h/mcp",
                        "headers": [{"name": "X-Key", "isRequired": True}],
                    }
                ]
            },
            {"url": "https://h/mcp", "headers": {"X-Key": "${X_KEY}"}},
        ),
    ],
)
def test_a_server_json_of_the_registry(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """A package that is run here, else a remote; what is required and has no value becomes a variable."""
    (found,) = foreign_servers({"name": "io.github.o/s", "version": "1", **body})
    assert found.key == "s"
    assert found.entry
    assert found.entry["providerParameters"] == expected


def test_a_server_json_that_cannot_be_used_is_told() -> None:
    """It has neither a package that can be run nor a remote."""
    (found,) = foreign_servers({"name": "o/s", "packages": [{"registryType": "mcpb", "identifier": "x"}]})
    assert found.entry is None
    assert found.notes


def test_what_is_not_taken_over_is_named() -> None:
    """By its field; switched off stays switched off."""
    found = one({"command": "c", "disabled": True, "autoApprove": ["s3cret"], "timeout": 5})
    assert (found.notes, found.enabled) == (("Not taken over: autoApprove, timeout.",), False)
    assert not one({"command": "c", "enabled": False}).enabled
    assert one(None).notes == ("It is null, not an object.",)


def files(providers: Any = None, workspaces: Any = None) -> Any:
    """YAMCP's files, with that in them."""
    return {
        PROVIDERS: parse(PROVIDERS, json.dumps(providers or {}).encode()),
        WORKSPACES: parse(WORKSPACES, json.dumps(workspaces or {}).encode()),
    }


def test_a_bad_server_hides_no_good_one() -> None:
    """Each is told of by itself, without a value."""
    config = {
        "null": None,
        "empty": {},
        "url": {"url": "s3cret"},
        "kind": {"type": "s3cret", "command": "c"},
        "env": {"command": "c", "env": {"A": ["s3cret"]}},
        "a\0b": {"command": "c"},
        "good": {"command": "c"},
    }
    made = import_servers(files(), ImportServers(config={"mcpServers": config}, workspace="w"))
    outcomes = {found.key: (found.outcome, found.type) for found in made.servers}
    bad = ("unusable", "stdio")
    assert outcomes == {
        "null": ("unusable", ""), "empty": bad, "url": ("unusable", "sse"), "kind": ("unusable", ""),
        "env": ("added", "stdio"), "a\0b": bad, "good": ("added", "stdio"),
    }  # fmt: skip
    assert all(found.message for found in made.servers if found.outcome == "unusable" or found.key == "env")
    assert not [found for found in made.servers if "s3cret" in found.model_dump_json()]
    assert list(made.contents[PROVIDERS]) == ["env", "good"]
    assert made.contents[WORKSPACES] == {"w": ["env", "good"]}


def test_what_is_there_is_replaced_only_if_asked() -> None:
    """The same is the same in whatever form; an unusable one that is there is another."""
    there = {"a": {"command": "c"}, "b": {"command": "old"}, "c": {"type": "?"}}
    config = {key: {"command": "c", "args": []} for key in "abc"}
    body = ImportServers(config={"mcpServers": config}, workspace="w")
    made = import_servers(files(there, {"w": ["b"]}), body)
    assert [found.outcome for found in made.servers] == ["same", "exists", "exists"]
    assert made.contents == {WORKSPACES: {"w": ["b", "a"]}}
    made = import_servers(files(there), body.model_copy(update={"replace": True}))
    assert [found.outcome for found in made.servers] == ["same", "replaced", "replaced"]
    assert made.contents[PROVIDERS]["a"] == {"command": "c"}
    assert made.contents[PROVIDERS]["b"]["providerParameters"]["command"] == "c"


def test_servers_join_a_workspace_in_its_form() -> None:
    """A list or an object; one that is neither is left alone."""
    body = ImportServers(config={"n": {"command": "c"}}, workspace="w")
    made = import_servers(files({}, {"w": {"name": "w", "servers": ["a"]}}), body)
    assert made.contents[WORKSPACES] == {"w": {"name": "w", "servers": ["a", "n"]}}
    with pytest.raises(EntryInvalid):
        import_servers(files({}, {"w": None}), body)
    assert WORKSPACES not in import_servers(files(), ImportServers(config={"n": {}}, workspace="w")).contents
