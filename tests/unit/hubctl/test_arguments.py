"""Words that hubctl does not know: what may be meant, and errors in JSON."""

from __future__ import annotations

import json

import pytest

from hubctl.grammar import parser


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is written to stderr of words that cannot be used."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stauts"], "There is no command 'stauts' (did you mean status?). `hubctl --help`"),
        (["workspace"], "There is no command 'workspace' (did you mean workspaces?)."),
        (["workspaces", "ad"], "There is no action 'ad' (did you mean add?). `hubctl workspaces --help`"),
        (["keys", "zzz"], "There is no action 'zzz'; there are: list, add, revoke."),
        (["url", "w", "--transprt", "sse"], "hubctl url has no option --transprt (did you mean --transport?)."),
        (["status", "--zzz"], "hubctl status has no option --zzz. `hubctl status --help`"),
        (["logs", "-n", "0"], "Argument -n/--lines: not a number from 1 to 5000."),
        (["workspaces", "add"], "The following arguments are required: name."),
    ],
)
def test_what_may_be_meant_is_told_on_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the code of all errors of this kind."""
    err = refused(words, capsys)
    assert err.startswith(f"CLI_ARGUMENTS: {told}")
    assert err.count("\n") == 1


def test_errors_of_words_are_json_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """As all other errors are."""
    error = json.loads(refused(["url", "--json"], capsys))["error"]
    assert (error["code"], error["message"]) == ("CLI_ARGUMENTS", "The following arguments are required: workspace.")
    assert json.loads(refused(["keys", "ad", "--json"], capsys))["error"]["message"].endswith("(did you mean add?).")


def test_a_programs_own_words_are_left_alone() -> None:
    """Only of commands that take a program; of others `--` means what it does everywhere."""
    found = parser().parse_args(["add", "x", "--json", "--", "npx", "--json", "--", "-y"])
    assert (found.server, found.json, found.program) == ("x", True, ["npx", "--json", "--", "-y"])
    found = parser().parse_args(["call", "w", "t", "--", "-x=1"])
    assert (found.arguments, found.program) == (["-x=1"], None)
