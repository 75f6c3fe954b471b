"""Entries of servers that are made of a user's file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hubctl.commands.entries import new_entry, read_options
from hubctl.errors import ArgumentsInvalid
from hubctl.grammar import parser


def entry(*words: str) -> dict[str, Any]:
    """The parameters that `hubctl add shop` writes."""
    made = new_entry("shop", read_options(parser().parse_args(["add", "shop", *words]), {}))
    assert made["type"] == "stdio" and made["namespace"] == "shop"
    return dict(made["providerParameters"])


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file."""
    path = tmp_path / "shop.py"
    path.write_text("")
    return str(path)


BEGIN = ["-P", "-m", "own_servers"]


def test_a_python_file(file: str) -> None:
    """Is started by the Python of hubctl, with further variables."""
    made = entry("--python", file, "--env", "A=1")
    assert made == {"command": sys.executable, "args": [*BEGIN, "python", file], "env": {"A": "1"}}


def test_an_openapi_document(file: str) -> None:
    """Values of headers are in the environment, where the hub replaces references, and not among the arguments."""
    made = entry("--openapi", file, "--url", "https://x.example/v1", "--header", "Authorization: Bearer ${TOKEN}")
    header = ["--header", "Authorization=$${OWN_SERVER_HEADER_1}"]
    assert made["args"] == [*BEGIN, "openapi", file, "--url", "https://x.example/v1", *header]
    assert made["env"] == {"OWN_SERVER_HEADER_1": "Bearer ${TOKEN}"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--python", "/nowhere/shop.py"), "There is no file"),
        (("--python", "FILE", "--openapi", "FILE"), "A server has one of"),
        (("--python", "FILE", "--", "npx"), "A server has one of"),
        (("--python", "FILE", "--url", "https://x.example"), "not for --python"),
        (("--openapi", "FILE"), "needs --url"),
    ],
)
def test_what_does_not_go_together(file: str, words: tuple[str, ...], why: str) -> None:
    """Is refused before the hub is asked."""
    with pytest.raises(ArgumentsInvalid, match=why):
        entry(*(file if word == "FILE" else word for word in words))
