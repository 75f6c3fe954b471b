"""Figures and comparisons as text, as Markdown, and between the marks of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.figure import Figure

DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
COLUMNS = ("bar", "target", "measured", "", "note")


def rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """The cells of a table of figures."""
    return [(f.name, f.bar, f.value, f.verdict, f.error or f.note) for f in figures]


def aligned(header: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table for a terminal; the last column is as long as it is."""
    lines = [tuple(header), *map(tuple, cells)]
    widths = [max(len(row[column]) for row in lines) for column in range(len(header) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in lines
    ]


def piped(header: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    escaped = (" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in cells)
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *(f"| {row} |" for row in escaped)]


def as_text(facts: dict[str, str], figures: list[Figure]) -> str:
    """The machine and an aligned table, for a terminal."""
    lines = [f"{name + ':':10}{value}" for name, value in facts.items()]
    return "\n".join([*lines, "", *aligned(COLUMNS, rows(figures)), "", summary(figures)])


def as_markdown(facts: dict[str, str], figures: list[Figure]) -> str:
    """The same for docs/benchmarks.md."""
    return "\n".join([*facts_list(facts), "", *piped(COLUMNS, rows(figures)), "", summary(figures)])


def facts_list(facts: dict[str, str]) -> list[str]:
    """The machine as a list in Markdown."""
    return [f"- {name}: {value}" for name, value in facts.items()]


def summary(figures: Iterable[Figure]) -> str:
    """How many passed."""
    verdicts = [figure.verdict for figure in figures]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in ("passed", "FAILED", "not measured")]
    return ", ".join(counts) + f"; {verdicts.count('-')} for comparison"


def filled(document: str, mark: str, table: str) -> str:
    """The document with the table between the two marks of that name. Raises ValueError when it lacks them."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no place marked {mark}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def into_docs(mark: str, table: str) -> None:
    """Put a table into docs/benchmarks.md."""
    DOCS.write_text(filled(DOCS.read_text("utf-8"), mark, table), "utf-8")
