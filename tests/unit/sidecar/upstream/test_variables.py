"""References to variables in a server's definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import RemoteLaunch, StdioLaunch
from sidecar.errors import VariableMissing
from sidecar.upstream.variables import expand, with_home


def fill(text: str, **environ: str) -> str:
    """The text as an argument, expanded."""
    launch = expand(StdioLaunch(command="x", args=(text,)), environ).launch
    assert isinstance(launch, StdioLaunch)
    return launch.args[0]


def test_every_place_of_a_stdio_launch() -> None:
    """Command, arguments, environment values and the directory are expanded; names of variables are not."""
    launch = StdioLaunch(command="${A}/run", args=("--x=${B}", "y"), env={"K${A}": "${B}"}, cwd="${A}")
    expanded = expand(launch, {"A": "/aaaaa", "B": "b b b b"})
    assert expanded.launch == StdioLaunch(
        command="/aaaaa/run", args=("--x=b b b b", "y"), env={"K${A}": "b b b b"}, cwd="/aaaaa"
    )
    assert expanded.secrets == {"/aaaaa", "b b b b"}


def test_every_place_of_a_remote_launch() -> None:
    """URL and header values are expanded, the transport stays."""
    launch = RemoteLaunch(url="https://${H}/mcp", headers={"Authorization": "Bearer ${T}"}, transport="http")
    assert expand(launch, {"H": "h", "T": "t"}).launch == RemoteLaunch(
        url="https://h/mcp", headers={"Authorization": "Bearer t"}, transport="http"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A:-d}", "a"),
        ("${NO:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${NO:-}", ""),
        ("${NO:-a:-b c}", "a:-b c"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $(A) `A` ${A!} ${} ${A-x} ${ ${1}", "$A $(A) `A` ${A!} ${} ${A-x} ${ ${1}"),
        ("${A}${A}", "aa"),
    ],
)
def test_syntax(text: str, expected: str) -> None:
    """Defaults, the escape, and everything that is not a reference."""
    assert fill(text, A="a", EMPTY="") == expected


def test_a_value_is_not_expanded_again() -> None:
    """What a variable holds is taken as it is."""
    assert fill("${A}", A="${B}") == "${B}"


def test_a_default_is_no_secret() -> None:
    """Only values that came from the environment count as secrets; the variable is named all the same."""
    expanded = expand(StdioLaunch(command="${NO:-fallback}"), {})
    assert expanded.secrets == frozenset()


def test_missing_variables_are_named_with_their_places() -> None:
    """All that is missing is told at once, without any value."""
    launch = StdioLaunch(command="x", args=("a", "${ONE}${ONE}"), env={"KEY": "${TWO} ${SET}", "K2": "${ONE}"})
    with pytest.raises(VariableMissing) as caught:
        expand(launch, {"SET": "s3cret"})
    assert caught.value.message == (
        "Neither variables.json nor the hub's environment has ONE (needed by args[1], env K2); TWO (needed by env KEY)."
    )
    assert caught.value.data == {"variables": ["ONE", "TWO"]}


def test_missing_in_a_header() -> None:
    """A header is named, its value is not."""
    with pytest.raises(VariableMissing, match=r"T \(needed by header Authorization\)"):
        expand(RemoteLaunch(url="http://h", headers={"Authorization": "Bearer abc${T}"}), {})


@given(st.text())
def test_text_without_references_is_unchanged(text: str) -> None:
    """Whatever holds no `${` passes as it is, and any text can be written with the escape."""
    assert fill(text.replace("${", "$ {")) == text.replace("${", "$ {")
    assert fill(text.replace("${", "$${")) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("~", "/h"), ("~/bin/x", "/h/bin/x"), ("~user/x", "~user/x"), ("/a/~", "/a/~"), ("a", "a"), ("~~", "~~")],
)
def test_the_home_directory(text: str, expected: str) -> None:
    """A leading `~` of command and directory is it, in arguments and variables it is text."""
    launch = with_home(StdioLaunch(command=text, args=(text,), env={"A": text}, cwd=text), {"HOME": "/h"})
    assert launch == StdioLaunch(command=expected, args=(text,), env={"A": text}, cwd=expected)


def test_no_home_directory() -> None:
    """Where the hub has none, nothing is replaced."""
    launch = StdioLaunch(command="~/x")
    assert with_home(launch, {}) == launch
