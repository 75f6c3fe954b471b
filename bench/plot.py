"""A bar chart as SVG, written by hand: one group of bars a title, longest first, with the value beside each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LABEL, ROW, GAP = 860, 250, 20, 34
FIRST, OTHER, TEXT, PAPER = "#0b6bcb", "#9aa7b5", "#1c2430", "#ffffff"

Group = Mapping[str, float]


def bars(title: str, groups: Mapping[str, Group], unit: str, first: str) -> str:
    """The chart; `first` names the bar that has a colour of its own."""
    parts, y = [], 34
    parts.append(_text(12, 22, title, 15, "bold"))
    for name, group in groups.items():
        y += GAP
        parts.append(_text(12, y - 8, name, 13, "bold"))
        rows = sorted(group.items(), key=lambda row: -row[1])
        for label, value in rows:
            parts += _row(y, label, value, rows[0][1], unit, FIRST if label == first else OTHER)
            y += ROW
    height = y + 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>', *parts, "</svg>"]) + "\n"


def _row(y: int, label: str, value: float, most: float, unit: str, colour: str) -> Sequence[str]:
    width = max(1.0, (WIDTH - LABEL - 130) * value / most)
    return (
        _text(LABEL - 8, y + 13, label, 12, anchor="end"),
        f'<rect x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{ROW - 5}" fill="{colour}"/>',
        _text(LABEL + width + 6, y + 13, f"{value:,.0f} {unit}", 12),
    )


def _text(x: float, y: float, words: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{TEXT}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(words)}</text>'
