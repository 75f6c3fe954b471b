"""Exported configurations: no secret in them unless it was asked for, and a variable for each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from yamcp_ui_adapter.format.export import exported

FILES = {"command": "npx", "args": ["-y", "pkg", "--api-key", "hush1"], "env": {"TOKEN": "hush2", "x": "hush3"}}
WEB = {"url": "https://u:hush4@h.example/mcp", "headers": {"X-Key": "hush5"}}
ENTRIES: dict[str, Any] = {
    "files": {"namespace": "f", "type": "stdio", "providerParameters": FILES},
    "web one": {"namespace": "w", "type": "http", "providerParameters": WEB},
    "flat": {"command": "run", "env": {"TOKEN": "hush6", "REF": "${REF}"}},
    "odd": None,
}


@pytest.mark.parametrize("form", ["client", "providers"])
def test_each_secret_becomes_a_variable_of_its_own(form: Any) -> None:
    """All else stays."""
    config, variables = exported(ENTRIES, form, secrets=False)
    text = json.dumps(config)
    assert "hush" not in text
    assert "***" not in text
    assert variables == ("FILES_SECRET", "TOKEN", "FILES_X", "WEB_ONE_SECRET", "WEB_ONE_X_KEY", "FLAT_TOKEN")
    assert all(f"${{{name}}}" in text for name in (*variables, "REF"))


def test_with_secrets_the_entries_are_as_they_are_stored() -> None:
    """Only where that was asked for."""
    assert exported(ENTRIES, "providers", secrets=True) == (ENTRIES, ())


def test_the_form_of_clients_has_no_fields_of_yamcp() -> None:
    """A type only where there is an address."""
    config, _ = exported(ENTRIES, "client", secrets=True)
    assert config == {
        "mcpServers": {"files": FILES, "web one": {"type": "http", **WEB}, "flat": ENTRIES["flat"], "odd": None}
    }
