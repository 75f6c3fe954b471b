"""Figures, verdicts and tables of `make bars`."""

from __future__ import annotations

import pytest

from bench import bars, growth, report, tables
from bench.figure import Figure, Sense, number

FIGURES = [
    Figure("calls", 4.25, "x", ">=", 3.0, "median"),
    Figure("memory", 250, "MB", "<", 200),
    Figure("for comparison", 1412.5, "calls/s"),
    Figure("churn", 0, "", error="TimeoutError: not | settled"),
]


@pytest.mark.parametrize(
    ("measured", "sense", "target", "verdict"),
    [(3, ">=", 3, "passed"), (2.9, ">=", 3, "FAILED"), (200, "<", 200, "FAILED"), (0, "==", 0, "passed")],
)
def test_verdict_compares_with_the_target(measured: float, sense: Sense, target: float, verdict: str) -> None:
    """A figure passes when it stands to its target as the sense says."""
    assert Figure("x", measured, "", sense, target).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.5, "1.50"), (12.345, "12.3"), (1412.5, "1,412"), (5, "5"), (0, "0")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """Numbers are as exact as the measurement, not as the float."""
    assert number(value) == text


def test_text_names_the_machine_and_every_figure() -> None:
    """The table for a terminal has the machine, each figure with its verdict, and the sums."""
    text = tables.as_text({"cpu": "one"}, FIGURES)
    assert "cpu:      one" in text
    assert "4.25 x" in text
    assert ">= 3 x" in text
    assert text.endswith("1 passed, 1 FAILED, 1 not measured; 1 for comparison")


def test_markdown_escapes_cells() -> None:
    """A bar in a note does not break the table for the docs."""
    assert "| churn |  |  | not measured | TimeoutError: not \\| settled |" in tables.as_markdown({}, FIGURES)


def test_table_replaces_the_one_before_in_the_docs() -> None:
    """Only what stands between the marks of the document changes; the document in docs/ has the marks."""
    document = "head\n<!-- a: begin -->\nold\n<!-- a: end -->\n<!-- b: begin -->\nb\n<!-- b: end -->\n"
    assert tables.filled(document, "a", "new") == document.replace("old", "new")
    with pytest.raises(ValueError, match="marked c"):
        tables.filled(document, "c", "new")
    for mark in (bars.MARK, growth.MARK, report.MARK):
        assert tables.filled(tables.DOCS.read_text("utf-8"), mark, "new")


async def test_broken_measurement_is_shown_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement that raises becomes a figure that says why."""
    monkeypatch.setitem(bars.BARS, "broken", "bench.nothing:here")
    [figure] = await bars.measure("broken", True)
    assert figure.verdict == "not measured"
    assert "bench.nothing" in figure.error
