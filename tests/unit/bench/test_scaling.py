"""The simulation of many replicas on paper: docs/scaling.md has what its figures make of it."""

from __future__ import annotations

from bench import scaling
from bench.tables import filled


def test_the_document_has_what_is_computed() -> None:
    """Whoever changes a figure or an assumption runs `python -m bench.scaling --docs`."""
    document = scaling.DOCUMENT.read_text("utf-8")
    assert document == filled(document, "paper", f"\n{scaling.table(scaling.load())}\n")


def test_what_saturates_first() -> None:
    """As the text below the table says."""
    needs = scaling.needs(scaling.load())
    assert [each.what.partition(",")[0] for each in needs[:2]] == ["connections to PostgreSQL"] * 2
    assert needs[2].what.startswith("calls that are stored in one history")
    assert [each.used > 1 for each in needs] == [True] * 3 + [False] * (len(needs) - 3)


def test_arithmetic() -> None:
    """With figures that are easy to multiply."""
    figures: scaling.Figures = {
        "postgres_connections": 1.94,
        "postgres_transactions": 1.0,
        "redis_commands": 50.0,
        "session_bytes": 102_400.0,
        "call_us": 200.0,
        "handed_us": 400.0,
        "redis_us": 10.0,
    }
    used = {each.what: (each.each, each.all, round(each.used, 4)) for each in scaling.needs(figures)}
    assert used["connections to PostgreSQL"] == ("1.94", "194", 2.0)
    assert used["transactions of PostgreSQL"] == ("1.0/s", "100/s", 0.1)
    assert used["commands of Redis, with limits"] == ("100.0/s", "10,000/s", 0.1)
    assert used["CPU for calls, 200 us each"] == ("10.0 ms/s", "1.00 s/s", 0.01)
    assert used["memory of sessions, 102 KB each (HTTP+SSE)"] == ("51 MB", "5.1 GB", 0.1)
    assert used["`HUB_MAX_SESSIONS`"] == ("500", "50,000", 0.5)
