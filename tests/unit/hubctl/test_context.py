"""What every command writes passes one place: a terminal obeys nothing of it."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest

import hubctl
from hubctl.context import Context, dumps
from hubctl.render import Paint
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside

OBEYED = [
    *(
        "\x00",
        "\x07",
        "\x08",
        "\x1b",
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b[8m",
        "\x7f",
        "\x80",
        "\x9b31m",
        "\x9d",
        "\n",
    ),
    *("\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\ufeff", "\U000e0041"),
    *("\ud800", "\udfff"),
]


def told(context: Context, text: str, how: str) -> str:
    """What the context writes of a text."""
    out = io.StringIO()
    context = Context(context.settings, paint=context.paint, out=out)
    context.say(text) if how == "say" else context.emit({text: [text]})
    line, end, rest = out.getvalue().partition("\n")
    assert (end, rest) == ("\n", "")
    return line


@pytest.mark.parametrize("text", OBEYED, ids=ascii)
@pytest.mark.parametrize("paint", [Paint(), Paint(on=True)], ids=["plain", "colours"])
def test_no_terminal_obeys(tmp_path: Path, text: str, paint: Paint) -> None:
    """Escapes stand for such characters; as JSON, they are the same value."""
    context = Context(settings(tmp_path), paint=paint)
    for how in ("say", "emit"):
        assert told(context, f"a{text}b", how).isprintable()
    assert json.loads(told(context, f"a{text}b", "emit")) == {f"a{text}b": [f"a{text}b"]}


def test_text_and_colours_stay(tmp_path: Path) -> None:
    """All scripts, and the colours that are given; colours that were not given are none."""
    text = f"שלום ünï 👩 {Paint(on=True).bad('down')} {Paint(on=True).dim('x')}"
    assert told(Context(settings(tmp_path), paint=Paint(on=True)), text, "say") == text
    assert "\x1b" not in told(Context(settings(tmp_path)), text, "say")


def test_large_numbers() -> None:
    """Integers that orjson refuses are written all the same."""
    assert dumps({"a": 10**30, "b": "\ud800"}) == '{"a":1000000000000000000000000000000,"b":"\\ud800"}'


def test_no_command_writes_past_it() -> None:
    """Only `Context.say` writes to its stream, and nothing prints."""
    for path in Path(hubctl.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            written = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert not written.endswith(("print", "sys.stdout.write", "context.out.write")), path
