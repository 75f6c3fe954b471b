"""Hosts and Origins, by the vectors that the front is tested with too (tests/front/access/guard.test.mjs)."""

from __future__ import annotations

import json
from typing import Any

from sidecar.listener.hosts import host_and_port, origin_and_port
from tests.support.yamcp import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "tests/support/hosts.json").read_text("utf-8"))


def test_hosts() -> None:
    """Names and addresses are read; whatever is not exactly a host and a port is none."""
    assert {host: host_and_port(host)[0] for host in VECTORS["hosts"]} == VECTORS["hosts"]


def test_origins() -> None:
    """The same of Origins."""
    assert {origin: origin_and_port(origin)[0] for origin in VECTORS["origins"]} == VECTORS["origins"]
