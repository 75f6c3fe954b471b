"""No deadline depends on the wall clock, which people and NTP set: `time.time` only tells when something was."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sidecar", "bridge", "hubctl", "yamcp_ui_adapter", "acceptor")
ALLOWED = {
    "sidecar/access/credential.py": "the end of a token is a date",
    "bridge/keys.py": "a key's `valid_until` is a date",
    "sidecar/upstream_auth/credential.py": "the end of a token is a date, which outlives the process",
    "sidecar/upstream_auth/pending.py": "a sign-in that was begun outlives the process",
    "sidecar/upstream_auth/store.py": "a sign-in that was begun outlives the process",
    "sidecar/upstream_auth/registration.py": "the end of a client's secret is a date (RFC 7591)",
    "sidecar/listener/http_protocol.py": "a key's `valid_until` is a date",
}
"""Files that compare something with the time of day, and why."""
WALL = ("time.time()", "datetime.now(", "utcnow(")


def comparing() -> Iterator[str]:
    """The files that compare something with the time of day."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if not any(call in (text := path.read_text("utf-8")) for call in WALL):
                continue
            compared = (ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Compare))
            if any(call in found for found in compared for call in WALL):
                yield str(path.relative_to(ROOT))


def test_no_deadline_depends_on_the_time_of_day() -> None:
    """For a deadline or an interval, use `time.monotonic` or the event loop's clock: neither jumps."""
    assert set(comparing()) == ALLOWED.keys()
