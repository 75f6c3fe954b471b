"""Unit tests start no process and open no network socket; modules of tests that do are marked `outside`.

`make test-unit` leaves the marked ones out. A test that is not marked and does it fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

PROCESSES = ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "os.system")
SOCKETS = ("socket.bind", "socket.connect")
_seen: set[str] = set()
"""The names of audit events (PEP 578) of processes and network sockets since the current test began."""


def pytest_configure() -> None:
    """Watch from now on; Python cannot take an audit hook away."""
    sys.addaudithook(_note)


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event in PROCESSES or (event in SOCKETS and isinstance(args[1], tuple)):  # a Unix socket's address is no tuple
        _seen.add(event)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what earlier tests did."""
    _seen.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test that is not marked `outside` and started a process or opened a network socket."""
    yield
    if _seen and item.get_closest_marker("outside") is None:
        pytest.fail(f"a test that is not marked `outside` does {', '.join(sorted(_seen))}", pytrace=False)
