"""Text for people."""

from __future__ import annotations

import pytest

from bridge.errors import ErrorBody
from hubctl.render import (
    Paint,
    clean,
    count,
    error_line,
    size,
    span,
    suggestion,
    table,
    trouble,
    width,
)
from tests.unit.hubctl.canned import NOW, missing, server


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    """A name from a configuration cannot move the cursor nor break a line."""
    assert clean("a\x1b[2Jb\nc\u202ed é 時") == "a\\x1b[2Jb\\nc\\u202ed é 時"


def test_width_counts_columns() -> None:
    """Wide characters take two columns, combining ones and colours none."""
    assert width(Paint(True).bad("時é")) == 3
    assert width("e\u0301") == 1


def test_columns_are_as_wide_as_their_content() -> None:
    """Every column but the last is padded, colours not counted."""
    paint = Paint(True)
    lines = table(("A", "B"), [("時間", paint.good("x")), ("y", "z")], Paint())
    assert lines == ["A     B", f"時間  {paint.good('x')}", "y     z"]


def test_colours_are_off_unless_on() -> None:
    """Without colours, and for empty texts, nothing is added."""
    assert Paint().state("failed") == "failed"
    assert Paint(True).state("failed") == "\x1b[31mfailed\x1b[0m"
    assert Paint(True).dim("") == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (86400 * 3.5, "3 d")]
)
def test_times_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    """One unit is enough for people."""
    assert span(seconds) == text


def test_numbers_are_told_with_their_nouns() -> None:
    """One is singular; a size of 0 stands for unknown."""
    assert (count(1, "tool"), count(0, "tool"), size(0), size(20_400_000)) == ("1 tool", "0 tools", "", "20 MB")


def test_an_error_is_one_line() -> None:
    """Code, message, what to do, with one full stop between."""
    assert error_line(ErrorBody(code="X", message="It broke.", hint="Mend it.")) == "X: It broke. Mend it."
    assert error_line(ErrorBody(code="X", message="a\nb")) == "X: a\\nb."


def test_trouble_tells_of_the_next_try() -> None:
    """A server that is tried again says how often it was, and when."""
    assert trouble(missing("gone"), NOW).endswith("Install it. (tried 2 times, again in 4 s)")
    assert trouble(missing("gone").model_copy(update={"retry_at": None}), NOW).endswith("Install it.")
    assert trouble(server("fine"), NOW) == ""


ROWS = [("files", "a long line of text that says much", "http://127.0.0.1:8765/mcp/files"), ("b", "", "x")]


def test_a_table_fits_the_terminal() -> None:
    """The widest column is shortened, one that must stay whole is not; nothing is, where there is room."""
    header = ("NAME", "WHAT", "URL")
    assert table(header, ROWS, Paint(), 200) == table(header, ROWS, Paint())
    lines = table(header, ROWS, Paint(), 60, whole=("URL",))
    assert lines[1] == "files  a long line of text…  http://127.0.0.1:8765/mcp/files"
    assert max(map(width, lines)) <= 60


def test_a_table_that_cannot_fit_becomes_blocks() -> None:
    """Each row on lines of its own, nothing of it lost; empty cells are left out."""
    assert table(("NAME", "WHAT", "URL"), ROWS, Paint(), 40, whole=("URL",)) == [
        "files",
        "  WHAT  a long line of text that says much",
        "  URL   http://127.0.0.1:8765/mcp/files",
        "b",
        "  URL   x",
    ]


def test_a_shortened_cell_has_whole_characters_and_no_colour() -> None:
    """Wide characters count two columns; a colour that was cut would not end."""
    lines = table(("A",), [(Paint(True).bad("時間時間時間時間時間"),)], Paint(), 12)
    assert lines == ["A", "時間時間時…"]


def test_a_close_name_is_suggested() -> None:
    """Case does not count; what is not close is not suggested."""
    assert suggestion("NOTSE", ["notes", "time"]) == " (did you mean notes?)"
    assert suggestion("zzz", ["notes"]) == ""
