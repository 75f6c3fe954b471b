"""Whose a request is, behind proxies. The front has the same rule and vectors (tests/front/protection.test.mjs)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.listener.client_address import client_address, networks

FILE = Path(__file__).parents[4] / "bridge/vectors/client_addresses.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS["addresses"], ids=str)
def test_the_first_that_is_no_trusted_proxy(vector: dict[str, str]) -> None:
    """Read from the end; what a client wrote itself counts for nothing."""
    found = client_address(vector["peer"], vector["forwarded"], networks(VECTORS["trusted"]))
    assert found == vector["client"]
