"""Extensions: what a workspace declares of its servers', what servers are told of their clients', whose a method is."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.protocol import extensions
from sidecar.protocol.extensions import SKILLS, TASKS, UI, forwarded, of_client, union, view_uris

FOO, BAR = "com.example/foo", "org.example/bar"


def server(extensions: Any = None, experimental: Any = None) -> dict[str, Any]:
    """The capabilities of a server."""
    return {"tools": {}, "extensions": extensions, "experimental": experimental}


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([], {}),
        ([server(), server({}, {}), {"extensions": [], "experimental": "x"}], {}),
        ([server({UI: {"mimeTypes": ["a"], "more": 1}})], {UI: {"mimeTypes": ["a"], "more": 1}}),
        ([server({UI: {}}), server({UI: {}})], {UI: {}}),
        ([server({UI: {"mimeTypes": ["a", 1]}}), server({UI: {"mimeTypes": ["b"]}})], {UI: {"mimeTypes": ["a", "b"]}}),
        ([server({SKILLS: {}}), server({SKILLS: {}})], {SKILLS: {}}),
        ([server({SKILLS: {}}), server({SKILLS: {"directoryRead": True}})], {SKILLS: {"directoryRead": True}}),
        ([server({TASKS: {"x": 1}}), server({TASKS: {}})], {TASKS: {}}),
        ([server({FOO: {"x": 1}}), server({UI: {}})], {FOO: {"x": 1}, UI: {}}),
        ([server({FOO: {"x": 1}, BAR: {}}), server({FOO: {"x": 1}})], {BAR: {}}),
        ([server({UI: True, TASKS: None})], {}),
        ([server({name: {} for name in extensions.NEVER})], {}),
    ],
)  # fmt: skip
def test_union(servers: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Known extensions if one server has them, merged; others where one alone has them; never how access is got."""
    found = union({f"s{number}": each for number, each in enumerate(servers)})
    assert found.extensions == expected
    assert found.members() == ({"extensions": expected} if expected else {})


def test_experimental() -> None:
    """Experimental capabilities are as unknown extensions, whatever they are called."""
    found = union({"a": server({FOO: {}}, {"x": {"y": 1}, "z": {}}), "b": server(None, {"z": {}, UI: {}})})
    assert found.members() == {"extensions": {FOO: {}}, "experimental": {"x": {"y": 1}, UI: {}}}
    assert (found.owned("a"), found.owned("b"), found.owned("c")) == ({FOO, "x"}, {UI}, frozenset())


@pytest.mark.parametrize(
    ("servers", "method", "expected"),
    [
        ({"a": server({FOO: {}}), "b": server({UI: {}})}, "anything/at-all", "a"),
        ({"a": server({FOO: {}, BAR: {}}), "b": server()}, "anything", "a"),
        ({"a": server({FOO: {}}), "b": server({BAR: {}})}, "foo/get", "a"),
        ({"a": server({FOO: {}}), "b": server({BAR: {}})}, "notifications/bar/changed", "b"),
        ({"a": server({FOO: {}}), "b": server({BAR: {}})}, "other/get", None),
        ({"a": server({FOO: {}}), "b": server({"net.example/foo": {}})}, "foo/get", None),
        ({"a": server({FOO: {}}), "b": server({FOO: {}})}, "foo/get", None),
        ({"a": server({UI: {}})}, "foo/get", None),
        ({}, "foo/get", None),
    ],
)
def test_owner(servers: dict[str, Any], method: str, expected: str | None) -> None:
    """A method of no known extension goes to one server or to none."""
    assert union(servers).owner(method) == expected


def test_what_a_server_is_told() -> None:
    """All features; of extensions what the hub knows and what is the server's alone."""
    (access, *_) = extensions.NEVER
    client = {
        "sampling": {},
        "extensions": {UI: {"mimeTypes": ["a"]}, TASKS: {}, FOO: {"x": 1}, BAR: {}, access: {}},
        "experimental": {"x": {}, "y": {}},
    }
    known = {UI: {"mimeTypes": ["a"]}, TASKS: {}}
    assert forwarded(client, tuple) == {"sampling": {}, "extensions": known}
    owned = lambda: {FOO, "x"}  # noqa: E731
    assert forwarded(client, owned) == {
        "sampling": {},
        "extensions": {**known, FOO: {"x": 1}},
        "experimental": {"x": {}},
    }
    assert of_client(client, owned) == {**known, FOO: {"x": 1}}
    assert forwarded({"roots": {}, "extensions": None, "experimental": []}, tuple) == {"roots": {}}


def test_who_owns_what_is_asked_only_where_it_matters() -> None:
    """A client with nothing but what the hub knows costs no look at the servers."""

    def unexpected() -> tuple[str, ...]:
        raise AssertionError

    assert of_client({"extensions": {UI: {}}}, unexpected) == {UI: {}}
    assert forwarded({"roots": {}, "extensions": {SKILLS: {}}, "experimental": {}}, unexpected)


def test_view_uris() -> None:
    """Tools name their views in one of three ways, or not at all."""
    tools = [
        {"name": "a", "_meta": {"ui": {"resourceUri": "ui://x"}}},
        {"name": "b", "_meta": {"ui/resourceUri": "ui://y", "ui": {"visibility": ["app"]}}},
        {"name": "c", "_meta": {"openai/outputTemplate": "ui://z"}},
        {"name": "c", "_meta": None},
        {"name": "d", "_meta": {"ui": "?"}},
    ]
    assert view_uris(tools) == ["ui://x", "ui://y", "ui://z"]
