"""Entries of servers, as the options of `hubctl add` and `hubctl edit` make and change them."""

from __future__ import annotations

from typing import Any

import pytest

from hubctl.commands.entries import changed_entry, new_entry, read_options
from hubctl.errors import ArgumentsInvalid
from hubctl.grammar import parser

SHELL = {"TOKEN": "from the shell"}


def entry(*words: str) -> dict[str, Any]:
    """The entry that `hubctl add files` makes of these words."""
    arguments = parser().parse_args(["add", "files", *words])
    return new_entry("files", read_options(arguments, SHELL))


def edited(before: dict[str, Any], *words: str) -> dict[str, Any]:
    """What `hubctl edit files` makes of an entry."""
    return changed_entry("files", before, read_options(parser().parse_args(["edit", "files", *words]), SHELL))


def test_a_command_is_what_stands_behind_the_dashes() -> None:
    """Options of the program are not hubctl's, nor is a second `--`."""
    assert entry("--cwd", "/srv", "--", "npx", "-y", "pkg", "--json", "--", "x") == {
        "namespace": "files",
        "type": "stdio",
        "providerParameters": {"command": "npx", "args": ["-y", "pkg", "--json", "--", "x"], "cwd": "/srv"},
    }


def test_variables_are_given_or_taken_from_the_shell() -> None:
    """`NAME=value`, a reference, or `NAME` alone; an empty value is one."""
    words = ("--env", "A=1=2", "--env", "B=${B}", "--env", "TOKEN", "--env", "E=", "--", "x")
    assert entry(*words)["providerParameters"]["env"] == {"A": "1=2", "B": "${B}", "TOKEN": "from the shell", "E": ""}


@pytest.mark.parametrize(("words", "kind"), [((), "sse"), (("--transport", "http"), "http")])
def test_a_url_makes_a_remote_server(words: tuple[str, ...], kind: str) -> None:
    """Headers may be written as HTTP does, or with `=`; a namespace of its own stands."""
    more = ("--header", "Authorization: Bearer a=b", "--header", "X-A=b:c", "--namespace", "web")
    assert entry("--url", "https://x.example/mcp", *more, *words) == {
        "namespace": "web",
        "type": kind,
        "providerParameters": {
            "url": "https://x.example/mcp",
            "headers": {"Authorization": "Bearer a=b", "X-A": "b:c"},
        },
    }


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "needs a command, behind --, or a --url"),
        (("--",), "no command behind --"),
        (("--url", "http://x", "--", "y"), "not both"),
        (("--", "npx -y pkg"), "is one word"),
        (("--env", "=1", "--", "x"), "has no name"),
        (("--env", "NOT_THERE", "--", "x"), "no variable NOT_THERE"),
        (("--header", "nothing", "--url", "http://x"), "'Name: value'"),
        (("--header", "A: b", "--", "x"), "--header is not for a server that is started"),
        (("--transport", "sse", "--", "x"), "--transport is not for"),
        (("--env", "A=b", "--url", "http://x"), "--env is not for a server with a URL"),
        (("--cwd", "/", "--url", "http://x"), "--cwd is not for"),
    ],
)
def test_words_that_make_no_server_are_told(words: tuple[str, ...], why: str) -> None:
    """What is wrong, and nothing is written."""
    with pytest.raises(ArgumentsInvalid, match=why):
        entry(*words)


LOCAL = {
    "namespace": "n",
    "type": "stdio",
    "note": "kept",
    "providerParameters": {"command": "a", "args": ["b"], "env": {"X": "1", "Y": "2"}, "more": 1},
}


def test_an_edit_changes_what_it_names_alone() -> None:
    """Unknown fields stay, in both places; variables are set and removed one by one."""
    after = edited(LOCAL, "--env", "X=3", "--unset-env", "Y", "--unset-env", "Z")
    assert after == {**LOCAL, "providerParameters": {**LOCAL["providerParameters"], "env": {"X": "3"}}}  # type: ignore[dict-item]
    assert "env" not in edited(LOCAL, "--unset-env", "X", "--unset-env", "Y")["providerParameters"]
    assert edited(LOCAL, "--", "c")["providerParameters"]["command"] == "c"


def test_an_edit_can_turn_a_command_into_a_url_and_back() -> None:
    """What is of the other kind goes."""
    remote = edited(LOCAL, "--url", "http://x")
    assert remote == {**LOCAL, "type": "sse", "providerParameters": {"url": "http://x", "more": 1}}
    assert edited(remote, "--transport", "http")["type"] == "http"
    assert edited(remote, "--", "a")["type"] == "stdio"
    assert edited(remote, "--", "a")["providerParameters"] == {"command": "a", "args": [], "more": 1}


def test_a_flat_entry_gets_its_parameters() -> None:
    """As other clients' files have it; YAMCP itself cannot use it so."""
    flat = {"command": "a", "args": [], "disabled": True}
    assert edited(flat, "--env", "A=b") == {
        "namespace": "files",
        "type": "stdio",
        "disabled": True,
        "providerParameters": {"command": "a", "args": [], "env": {"A": "b"}},
    }
