"""providers.json: what each entry becomes, and what is reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.models import RemoteLaunch, StdioLaunch
from yamcp_ui_adapter.format.entries import ServerEntry, ServersFile
from yamcp_ui_adapter.format.providers import parse_providers

GOOD = {"namespace": "good", "type": "stdio", "providerParameters": {"command": "true"}}


def stdio(**parameters: Any) -> dict[str, Any]:
    """An entry of YAMCP's form for a stdio server."""
    return {"namespace": "n", "type": "stdio", "providerParameters": {"command": "c", **parameters}}


def remote(url: Any, kind: str = "sse", **parameters: Any) -> dict[str, Any]:
    """An entry of YAMCP's form for a remote server."""
    return {"namespace": "n", "type": kind, "providerParameters": {"url": url, **parameters}}


def parse(content: object, last: ServersFile | None = None) -> ServersFile:
    """The parse of a file with that content."""
    return parse_providers(json.dumps(content).encode(), last or ServersFile())


def codes(file: ServersFile) -> list[str]:
    """The codes of what was reported."""
    return [found.code for found in file.issues]


USED: list[tuple[str, Any, Any, list[str]]] = [
    ("all of stdio", stdio(args=["-y"], env={"A": "1"}, cwd="/t"), ("c", ("-y",), {"A": "1"}, "/t"), []),
    ("args and env null", stdio(args=None, env=None, cwd=None), ("c", (), {}, None), []),
    ("empty cwd", stdio(cwd=""), ("c", (), {}, None), []),
    ("numbers in env", stdio(env={"P": 8080, "F": 1.0, "H": 0.5}), ("c", (), {"P": "8080", "F": "1", "H": "0.5"}, None),
     ["ENV_CONVERTED"] * 3),
    ("booleans in env", stdio(env={"T": True, "F": False}), ("c", (), {"T": "true", "F": "false"}, None),
     ["ENV_CONVERTED"] * 2),
    ("numbers in args", stdio(args=["--port", 1]), ("c", ("--port", "1"), {}, None), ["ENV_CONVERTED"]),
    ("env key empty", stdio(env={"": "x", "A": "1"}), ("c", (), {"A": "1"}, None), ["ENV_INVALID"]),
    ("env key with =", stdio(env={"A=B": "x"}), ("c", (), {}, None), ["ENV_INVALID"]),
    ("env value null", stdio(env={"A": None}), ("c", (), {}, None), ["ENV_INVALID"]),
    ("env value object", stdio(env={"A": {"b": 1}}), ("c", (), {}, None), ["ENV_INVALID"]),
    ("references pass", stdio(args=["${A}"], env={"K": "${B:-x}"}), ("c", ("${A}",), {"K": "${B:-x}"}, None),
     ["VARIABLE_IN_ARGS"]),
    ("references with a default", stdio(args=["--key=${A:-x}"]), ("c", ("--key=${A:-x}",), {}, None),
     ["VARIABLE_IN_ARGS"]),
    ("references to no secret", stdio(args=["${HOME}/x", "${GOPATH}", "$${A}", "$A", "${a!}"]),
     ("c", ("${HOME}/x", "${GOPATH}", "$${A}", "$A", "${a!}"), {}, None), []),
    ("command with spaces", stdio(command="npx -y x"), ("npx -y x", (), {}, None), ["COMMAND_HAS_SPACES"]),
    ("an option in the command", stdio(command="npx -y", args=["x"]), ("npx -y", ("x",), {}, None),
     ["COMMAND_HAS_SPACES"]),
    ("several in one argument", stdio(command="npx", args=["-y @s/p"]), ("npx", ("-y @s/p",), {}, None),
     ["ARGUMENT_HAS_SPACES"]),
    ("path with spaces", stdio(command="/opt/my tools/x"), ("/opt/my tools/x", (), {}, None), []),
    ("flat", {"command": "c", "args": ["a"]}, ("c", ("a",), {}, None), ["SERVER_FLAT"]),
    ("unknown fields", {**stdio(color=1), "disabled": True}, ("c", (), {}, None), ["SERVER_FIELD_UNKNOWN"]),
    ("type null", {**stdio(), "type": None}, ("c", (), {}, None), []),
    ("type in capitals", {**stdio(), "type": "STDIO"}, ("c", (), {}, None), []),
    ("no type, command", {"namespace": "n", "providerParameters": {"command": "c"}}, ("c", (), {}, None), []),
    ("sse", remote("http://h/sse"), ("http://h/sse", {}, "sse"), []),
    ("no type, url", {"namespace": "n", "providerParameters": {"url": "https://h"}}, ("https://h", {}, "auto"), []),
    ("flat url", {"url": "https://h", "headers": {"A": "${T}"}}, ("https://h", {"A": "${T}"}, "auto"), ["SERVER_FLAT"]),
    ("http", remote("http://h/mcp", "http"), ("http://h/mcp", {}, "http"), []),
    ("streamable-http", remote("http://h/mcp", "streamable-http"), ("http://h/mcp", {}, "http"), []),
    ("url with reference", remote("${BASE}/mcp"), ("${BASE}/mcp", {}, "sse"), []),
    ("url with blanks around", remote(" http://h "), ("http://h", {}, "sse"), []),
    ("header null", remote("http://h", headers={"A": None}), ("http://h", {}, "sse"), ["ENV_INVALID"]),
    ("headers of the message", remote("http://h", headers={"Content-Length": 5, "TE": "x", "A": "b"}),
     ("http://h", {"A": "b"}, "sse"), ["ENV_CONVERTED", "HEADER_OWNED"]),
    ("headers of the hub", remote("http://h", headers={"accept": "*/*", "Mcp-Session-Id": "x", "Upgrade": "k"}),
     ("http://h", {}, "sse"), ["HEADER_OWNED"]),
    ("host", remote("http://h", headers={"Host": "v.example"}), ("http://h", {"Host": "v.example"}, "sse"), []),
    ("home in args and env", stdio(args=["~/x", "--d=~", "a~/b"], env={"A": "~/x", "B": "x=~/y"}),
     ("c", ("~/x", "--d=~", "a~/b"), {"A": "~/x", "B": "x=~/y"}, None), ["TILDE_KEPT"]),
    ("home in command and cwd", stdio(command="~/c", cwd="~"), ("~/c", (), {}, "~"), []),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected", "reported"), [row[1:] for row in USED], ids=[row[0] for row in USED])
def test_an_entry_that_can_be_used(entry: Any, expected: Any, reported: list[str]) -> None:
    """Each form of entry becomes this launch, with this reported."""
    parsed = parse({"k": entry})
    launch = parsed.entries["k"].launch
    if isinstance(launch, StdioLaunch):
        assert (launch.command, launch.args, launch.env, launch.cwd) == expected
    else:
        assert (launch.url, launch.headers, launch.transport) == expected
    assert codes(parsed) == reported


BAD: list[tuple[str, Any, str]] = [
    ("null", None, "SERVER_ENTRY_INVALID"),
    ("text", "npx", "SERVER_ENTRY_INVALID"),
    ("list", [], "SERVER_ENTRY_INVALID"),
    ("parameters null", {"type": "stdio", "providerParameters": None}, "SERVER_ENTRY_INVALID"),
    ("args text", stdio(args="-y"), "SERVER_ENTRY_INVALID"),
    ("args with null", stdio(args=["a", None]), "SERVER_ENTRY_INVALID"),
    ("env list", stdio(env=["A=1"]), "SERVER_ENTRY_INVALID"),
    ("cwd number", stdio(cwd=1), "SERVER_ENTRY_INVALID"),
    ("NUL", stdio(args=["a\0b"]), "SERVER_ENTRY_INVALID"),
    ("half a character", stdio(env={"A": "\ud800"}), "SERVER_ENTRY_INVALID"),
    ("type unknown", {**stdio(), "type": "carrier-pigeon"}, "SERVER_TYPE_UNKNOWN"),
    ("type number", {**stdio(), "type": 7}, "SERVER_TYPE_UNKNOWN"),
    ("empty", {}, "SERVER_NO_COMMAND"),
    ("command blank", stdio(command=" "), "SERVER_NO_COMMAND"),
    ("command null", stdio(command=None), "SERVER_NO_COMMAND"),
    ("sse with no url", {"namespace": "n", "type": "sse", "providerParameters": {}}, "SERVER_URL_INVALID"),
    ("url null", remote(None), "SERVER_URL_INVALID"),
    ("websocket over http", {**remote("http://h"), "type": "websocket"}, "SERVER_URL_INVALID"),
    ("websocket without host", remote("wss:///x"), "SERVER_URL_INVALID"),
    ("url relative", remote("/sse"), "SERVER_URL_INVALID"),
    ("url ftp", remote("ftp://h"), "SERVER_URL_INVALID"),
    ("url without host", remote("http:///sse"), "SERVER_URL_INVALID"),
    ("url port", remote("http://h:99999"), "SERVER_URL_INVALID"),
    ("url brackets", remote("http://[::1"), "SERVER_URL_INVALID"),
]


@pytest.mark.parametrize(("entry", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_entry_is_left_out_and_its_neighbour_stays(entry: Any, code: str) -> None:
    """Never good: reported and left out, and the good ones on either side are there."""
    parsed = parse({"before": GOOD, "k": entry, "after": GOOD})
    assert list(parsed.entries) == ["before", "after"]
    assert parsed.unusable == ("k",)
    assert [(found.code, found.subject) for found in parsed.issues] == [(code, "server:k")]


@pytest.mark.parametrize("entry", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_an_entry_that_turned_bad_keeps_its_last_good_version(entry: Any) -> None:
    """In its place in the file, marked stale."""
    last = parse({"k": stdio(args=["old"])})
    parsed = parse({"k": entry, "good": GOOD}, last)
    assert list(parsed.entries) == ["k", "good"]
    assert parsed.entries["k"] == last.entries["k"].model_copy(update={"stale": True})
    assert parsed.unusable == ()
    assert parse({"k": stdio()}, parsed).entries["k"].stale is False


def test_the_wrapper_of_other_clients_is_accepted() -> None:
    """`mcpServers` around the entries, beside entries of YAMCP's own form."""
    parsed = parse({"mcpServers": {"a": {"command": "c"}}, "b": GOOD})
    assert list(parsed.entries) == ["a", "b"]
    assert codes(parsed) == ["FILE_WRAPPED", "SERVER_FLAT"]


def test_a_server_may_be_called_like_the_wrapper() -> None:
    """What looks like an entry is one."""
    assert list(parse({"mcpServers": GOOD}).entries) == ["mcpServers"]
    assert codes(parse({"mcpServers": None})) == ["SERVER_ENTRY_INVALID"]


@pytest.mark.parametrize("namespace", [None, "", 7])
def test_without_a_namespace_the_key_is_used(namespace: Any) -> None:
    """Missing, empty, or of the wrong kind."""
    parsed = parse({"k": {**GOOD, "namespace": namespace}})
    assert parsed.entries["k"].namespace == "k"
    assert codes(parsed) == ["NAMESPACE_MISSING"]


def test_a_key_that_yamcp_ui_made_of_nothing_is_used_and_reported() -> None:
    """`undefined`: saved without a name."""
    parsed = parse({"undefined": GOOD})
    assert parsed.entries["undefined"].launch == StdioLaunch(command="true")
    assert codes(parsed) == ["KEY_UNDEFINED"]


@pytest.mark.parametrize("key", ["", " ", "a/b ?#%", "..", "ünï", "x" * 500])
def test_any_text_can_be_a_key(key: str) -> None:
    """Also what no file name could be."""
    assert list(parse({key: GOOD}).entries) == [key]


def test_a_key_that_cannot_be_sent_is_reported_readably() -> None:
    """The issue itself has to cross the bridge."""
    parsed = parse({"\ud800": GOOD, "a": GOOD})
    assert list(parsed.entries) == ["a"]
    assert parsed.unusable == ()
    assert ServersFile.model_validate_json(parsed.model_dump_json()) == parsed


def test_no_value_is_ever_reported() -> None:
    """Commands, arguments, environment, urls and headers may hold secrets."""
    entries = [entry for _, entry, *_ in USED] + [entry for _, entry, *_ in BAD]
    entries += [
        stdio(args=["s3cret", None]), stdio(env={"A": {"s3cret": "s3cret"}}), stdio(args="s3cret"),
        remote("ftp://user:s3cret@h"), remote("http://h:s3cret"), {**stdio(), "type": "s3cret"},
    ]  # fmt: skip
    parsed = parse({str(place): entry for place, entry in enumerate(entries)})
    reported = " ".join(found.model_dump_json() for found in parsed.issues)
    assert "s3cret" not in reported
    assert "8080" not in reported


@pytest.mark.parametrize(
    ("kind", "url", "transport"),
    [
        ("sse", "ws://h/mcp", "websocket"),
        ("http", "WSS://h/mcp", "websocket"),
        ("websocket", "wss://h/mcp", "websocket"),
        ("ws", "ws://h", "websocket"),
        ("websocket", "${URL}", "websocket"),
        ("sse", "${URL}", "sse"),
    ],
)
def test_the_scheme_of_websocket_says_it(kind: str, url: str, transport: str) -> None:
    """Whatever the type, such an address is WebSocket; one that is not known yet is what the type says."""
    parsed = parse({"k": {**remote(url), "type": kind}})
    assert not parsed.issues
    assert parsed.entries["k"].launch == RemoteLaunch(url=url, transport=transport)  # type: ignore[arg-type]


def test_an_entry_survives_being_kept_on_disk() -> None:
    """What is persisted reads back the same."""
    parsed = parse({"k": stdio(), "r": remote("http://h")})
    assert ServersFile.model_validate_json(parsed.model_dump_json()) == parsed
    assert parsed.entries["r"] == ServerEntry(
        key="r", namespace="n", launch=RemoteLaunch(url="http://h", transport="sse")
    )
